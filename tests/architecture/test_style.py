"""What may stand nowhere, or only in its one place."""

import pytest

from architecture import rules

PURE = ("model", "market", "scan", "analytics", "healing", "engine")
PURE_BUT = {
    "tapelight.model.clock": "the one clock of a process",
    "tapelight.market.warm": "a command of the set-up, not part of a cycle",
}
MAY_AWAIT = ("tapelight.orders.desk", "tapelight.orders.inquiry")
"""Of orders/ these two wait; whatever they wait for is a port."""
MAY_PRINT = ("cli", "commands", "bench")
MAX_BROAD_EXCEPTS = 1
"""The supervisor's."""


@pytest.fixture(scope="module")
def sources() -> rules.Sources:
    return rules.read_sources()


def test_nothing_between_batch_and_signal_reads_the_world(sources: rules.Sources) -> None:
    found = [
        f"{module}:{line}: {what}"
        for module, tree in sources.items()
        if rules.part(module) in PURE and module not in PURE_BUT
        for line, what in rules.impurities(tree)
    ]
    assert found == []


def test_orders_touch_the_world_through_their_ports_alone(sources: rules.Sources) -> None:
    """So that one seed drives them: no clock, dice, disk, network, thread or id of their own."""
    found = [
        f"{module}:{line}: {what}"
        for module, tree in sources.items()
        if rules.part(module) == "orders"
        for line, what in rules.impurities(tree)
        if module not in MAY_AWAIT or what not in {"await", "import of asyncio"}
    ]
    assert found == []


def test_no_data_are_run_as_code(sources: rules.Sources) -> None:
    found = [
        f"{module}:{line}: {what}"
        for module, tree in sources.items()
        for line, what in rules.unsafe(tree)
    ]
    assert found == []


def test_one_broad_except_at_most(sources: rules.Sources) -> None:
    found = [
        f"{module}:{line}" for module, tree in sources.items() for line in rules.broad_excepts(tree)
    ]
    assert len(found) <= MAX_BROAD_EXCEPTS, found


def test_only_commands_print(sources: rules.Sources) -> None:
    found = [
        f"{module}:{line}"
        for module, tree in sources.items()
        if rules.part(module) not in MAY_PRINT
        for line in rules.prints(tree)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("import time", "import of time"),
        ("from time import time_ns", "import of time.time_ns"),
        ("from os import environ", "import of os.environ"),
        ("import datetime as dt\ndt.datetime.now()", "dt.datetime.now"),
        ("import numpy as np\nnp.random.default_rng(1)", "np.random"),
        ("from numpy import random", "import of numpy.random"),
        ("async def f(): pass", "await"),
        ("import threading", "import of threading"),
    ],
)
def test_impurities_are_found(text: str, what: str) -> None:
    assert what in [found for _, found in rules.impurities(rules.parse(m=text)["m"])]


@pytest.mark.parametrize(
    "text",
    ["import datetime as dt\ndt.datetime(2026, 1, 1)", "row.time", "from x import random_walk"],
)
def test_innocent_names_are_left_alone(text: str) -> None:
    assert list(rules.impurities(rules.parse(m=text)["m"])) == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("import pickle", "import of pickle"),
        ("from marshal import loads", "import of marshal.loads"),
        ("eval('1')", "eval()"),
        ("yaml.load(f)", "yaml.load()"),
    ],
)
def test_unsafe_calls_are_found(text: str, what: str) -> None:
    assert [found for _, found in rules.unsafe(rules.parse(m=text)["m"])] == [what]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("try: f()\nexcept Exception: pass", 1),
        ("try: f()\nexcept: pass", 1),
        ("try: f()\nexcept (OSError, BaseException) as e: raise", 1),
        ("with contextlib.suppress(Exception): f()", 1),
        ("try: f()\nexcept (OSError, ValueError): pass", 0),
    ],
)
def test_broad_excepts_are_found(text: str, count: int) -> None:
    assert len(list(rules.broad_excepts(rules.parse(m=text)["m"]))) == count
