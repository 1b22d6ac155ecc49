"""What a strategy's text may not do: what a replay could not repeat, and what ends a process."""

import builtins

import numpy as np
import pytest

from strategies.test_frame import OWN
from strategy_tape import StrategyTape
from tapelight.errors import ConfigError
from tapelight.market.view import View
from tapelight.scan.rule import FAULTS
from tapelight.scan.source import load, rule_of
from tapelight.scan.strategy import Entries, Look


def state(line: str) -> str:
    """Return the strategy with a line at the beginning of its `signals`."""
    return OWN.replace("        p, last = self", f"        {line}\n        p, last = self")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("import time\n" + OWN, "line 1: it may not import time"),
        ("import numpy as np\nx = np.random.default_rng(1)\n" + OWN, "it may not use random"),
        ("x = open('y')\n" + OWN, "it may not use open"),
        ("x = ().__class__\n" + OWN, "it may not use __class__"),
        ("class E(Exception): pass\n" + OWN, "must be a ValueError"),
        ("while True: pass\n" + OWN, "line 1: it may not loop with while"),
        ("import itertools\n" + OWN, "it may not import itertools"),
        ("from numpy import random as dice, load as l\n" + OWN, "not import numpy.random"),
        ("from numpy import load as l\n" + OWN, "it may not import numpy.load"),
        ("import numpy.random as r\n" + OWN, "it may not import numpy.random"),
        ("import typing\nx = typing.sys\n" + OWN, "line 2: it may not use sys"),
        ("from typing import sys as s\n" + OWN, "it may not import typing.sys"),
        ("from collections import abc, _sys\n" + OWN, "it may not import collections._sys"),
        ("from tapelight.market.column import importlib\n" + OWN, "of Tapelight there are: from"),
        (
            "from tapelight.market.indicators import importlib\n" + OWN,
            "not import tapelight.market.ind",
        ),
        ("from tapelight.scan.closed import np as n\nx = n.loadtxt('f')\n" + OWN, "use loadtxt"),
        ("import tapelight.scan.strategy as s\n" + OWN, "of Tapelight there are: from"),
        ("from . import other\n" + OWN, "it may not import ."),
        ("from numpy import *\n" + OWN, "must name what it imports from numpy"),
        ("import numpy as n\nx = n.save('f', 1)\n" + OWN, "it may not use save"),
        ("import numpy as n\nx = n.genfromtxt('f')\n" + OWN, "it may not use genfromtxt"),
        ("import numpy as n\nx = n.datetime64('now')\n" + OWN, "it may not use datetime64"),
        ("from functools import cache\n" + OWN, "it may not import functools.cache"),
        ("import functools\n@functools.lru_cache\ndef f(): pass\n" + OWN, "not use lru_cache"),
        ("quit()\n" + OWN, "it may not use quit"),
        ("exit(3)\n" + OWN, "it may not use exit"),
        ("raise SystemExit\n" + OWN, "or the like, not SystemExit"),
        ("E = Exception\nraise E\n" + OWN, "it may not give Exception another name"),
        ("def f():\n    global x\n    x = 1\n" + OWN, "line 2: it may not use global"),
        ("def f(seen=[]): pass\n" + OWN, "line 1: a default that can change is kept"),
        ("SEEN = []\ndef f():\n    SEEN.append(1)\n" + OWN, "line 3: it may not change SEEN"),
        ("SEEN = {}\ndef f():\n    SEEN['a'] = 1\n" + OWN, "line 3: it may not change SEEN['a']"),
        (state("self.count = 1"), "it may not change self.count; what it remembers must be"),
        (state("self.count += 1"), "it may not change self.count; what it remembers must be"),
        (state("self.counts['x'] = 1"), "it may not change self.counts['x']"),
        (state("self.counts.append(1)"), "it may not change self.counts"),
        (state("Own.count = 1"), "it may not change Own.count"),
        (
            "for s in {'SPY', 'QQQ'}: pass\n" + OWN,
            "line 1: a set has no order that a replay repeats",
        ),
        ("x = [s for s in set('ab')]\n" + OWN, "line 1: a set has no order"),
        ("OF = frozenset(('SPY',))\n\nx = sum(OF)\n" + OWN, "line 3: a set has no order"),
        ("a, b = {'x', 'y'}\n" + OWN, "line 1: a set has no order"),
        ("x = ','.join({'x'} | {'y'})\n" + OWN, "line 1: a set has no order"),
        ("x = {'x'}\ny = [*x]\n" + OWN, "line 2: a set has no order"),
        ("x = {'x'}.pop()\n" + OWN, "line 1: a set has no order"),
        ("x = 1\n", "defines 0 subclasses of Strategy"),
        ("def f(:\n", "line 1"),
        ("import numpy as np\nx = np.no_such\n", "no_such"),
    ],
)
def test_what_a_replay_could_not_repeat_is_refused(text: str, fault: str) -> None:
    with pytest.raises(ConfigError, match="own") as raised:
        load("own", text)
    assert fault in str(raised.value)


def test_what_is_made_at_the_beginning_and_local_may_change() -> None:
    begun = "    def __init__(self, params):\n        super().__init__(params)\n        self.two = [2]\n"
    local = state("found = []\n        found.append(1)\n        found[0] = 2")
    text = "LEVELS = (1.0, 2.0)\n" + local.replace("    def signals", f"{begun}\n    def signals")
    assert load("own", text).title == "Own"


def test_a_set_may_be_looked_into_and_put_in_order() -> None:
    text = (
        "OF = {'SPY', 'QQQ'}\nIN = 'SPY' in OF\nROW = sorted(OF | {'IWM'})\n"
        "COUNT = len(OF)\nfor s in sorted(OF): pass\n"
    )
    assert load("own", text + OWN).title == "Own"


def test_every_error_of_the_language_is_a_fault_or_may_not_be_named() -> None:
    errors = [e for e in vars(builtins).values() if isinstance(e, type)]
    loose = [
        e.__name__ for e in errors if issubclass(e, BaseException) and not issubclass(e, FAULTS)
    ]
    for name in loose:
        with pytest.raises(ConfigError, match=r"may not use|like, not \w+"):
            load("own", f"raise {name}\n{OWN}")
    assert "SystemExit" not in loose


def test_one_that_ends_the_program_is_refused_and_would_be_off() -> None:
    with pytest.raises(ConfigError, match="it may not use quit"):
        load("own", state("quit()"))
    kind = load("own", f"ARMS = TRAILS = False\n{OWN}")

    class Quits(kind):  # type: ignore[misc, valid-type]
        def signals(self, look: Look) -> Entries:
            raise SystemExit(len(look))

    rule = rule_of("own", Quits)
    tape = StrategyTape("own", source=f"ARMS = TRAILS = False\n{OWN}", prev_close=19.0)
    tape.minute("10:00", 19.5, 19.5, 19.5, 19.5)
    view = View(tape.engine.table)
    rows = np.arange(len(view))
    assert rule.evaluate(view, rows, np.ones(len(view), np.bool_)) == []
    assert rule.fault.startswith("SystemExit")
