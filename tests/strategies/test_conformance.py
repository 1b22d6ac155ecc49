"""The conformance kit: every shipped strategy passes, and each breach is found."""

from typing import Any

import pytest

from tapelight.errors import ConfigError
from tapelight.scan.source import load, shipped
from tapelight.testing.conformance import check_strategy


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_shipped_strategy_conforms(name: str) -> None:
    check_strategy(shipped()[name])


OWN = """
import numpy as np
from tapelight.scan.strategy import Entries, Strategy, above, longs

calls = []

class Own(Strategy):
    title = "Own"
    candles = (("1m", 5),)
    memory = {"n": 0}

    def signals(self, look):
        last, bars = look["last"], look.candles("1m", 5)
        when = [above("break", last, bars.high.max(axis=1))]
        stop = last - 0.3
        BODY
        return Entries(when=when, side=longs(look), entry=last, stop=stop,
                       keep={"n": look.kept("n") + 1})
"""


def own(body: str) -> Any:
    return load("own", OWN.replace("BODY", body))


@pytest.mark.slow
def test_a_good_one_fires_and_passes() -> None:
    signals = check_strategy(own("pass"))
    assert len([s for s in signals if s.kind == "entry" and s.state == "fired"]) > 5
    assert {s.reason for s in signals if s.kind == "exit"} >= {"stop"}


@pytest.mark.parametrize(
    ("body", "breach"),
    [
        ("stop = last - 0.01 * (np.arange(len(look)) + 30)", "a row alone and among others give"),
        ("stop = last - 1e-3 * np.nansum(last)", "a row alone and among others give"),
        ("stop = look.state('bar_l') - 0.01", "another forming bar give different answers: stop"),
        ("when = []", "it fires before it is warm"),
        ("stop = stop[:-1]", "it failed: ValueError: stop has shape"),
        ("look['last'][:] = 1.0", "it failed: ValueError: assignment destination is read-only"),
        ("bars.high[:] = 1.0", "it failed: ValueError: assignment destination is read-only"),
    ],
)
def test_a_breach_is_found(body: str, breach: str) -> None:
    with pytest.raises(AssertionError, match=breach):
        check_strategy(own(body))


def test_what_it_remembers_by_itself_is_refused_before_it_runs() -> None:
    with pytest.raises(ConfigError, match="it may not change calls"):
        own("calls.append(1); stop = stop - 1e-6 * len(calls)")
