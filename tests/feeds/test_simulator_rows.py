"""The simulator's events are the bytes that msgspec would write, and hold what the tape holds."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapelight.feeds.simulator import SimulatorOptions, sales
from tapelight.feeds.simulator.jsonrows import TICKS, Form, Words
from tapelight.feeds.simulator.simulation import Simulation

TEXTS = [b'"A"', b'"BRK.A"', b"[1,2]", b"null"]
MORE = [b'"x"', b"true", b"{}"]
ROW = st.tuples(
    st.integers(-(2**53), 2**53),
    st.integers(-(10**12), 10**13),
    st.integers(-len(MORE), len(TEXTS) - 1),
)


@settings(deadline=None)
@given(st.lists(ROW, max_size=9))
def test_columns_are_written_as_msgspec_writes_objects(rows: list[tuple[int, int, int]]) -> None:
    form = Form((('{"n":', "number"), (',"d":', "dollars"), (',"w":', "word")), Words(TEXTS))
    columns = [np.array(column, np.int64) for column in zip(*rows, strict=True)] or [[], [], []]
    words = [TEXTS[w] if w >= 0 else MORE[-1 - w] for _, _, w in rows]
    objects = [
        {"n": n, "d": d / TICKS, "w": msgspec.Raw(word)}
        for (n, d, _), word in zip(rows, words, strict=True)
    ]
    assert f"[{form.write(columns, Words(MORE))}]".encode() == msgspec.json.encode(objects)


@pytest.mark.slow
def test_trades_and_quotes_are_those_of_the_tape() -> None:
    options = SimulatorOptions(port=1, symbols=300, rate=20_000.0, start="09:30:00")
    simulation = Simulation(options)
    fractions = 0
    for _ in range(100):
        window = simulation.advance().window
        trades = _read(simulation.frames.trades(window))
        assert [t["p"] for t in trades] == (window.trades.price / TICKS).tolist()
        assert [float(t.get("ds", t["s"])) for t in trades] == window.trades.size.tolist()
        assert [tuple(t.get("c", ())) for t in trades] == [
            sales.KINDS[kind] for kind in window.trades.kind.tolist()
        ]
        fractions += sum("ds" in t for t in trades)
        quotes = _read(simulation.frames.quotes(window))
        assert [q["bp"] for q in quotes] == (window.quotes.bid / TICKS).tolist()
        assert [q["as"] for q in quotes] == window.quotes.ask_size.tolist()
        some = np.arange(len(window.trades))[::7]
        assert _read(simulation.frames.trades(window, some)) == trades[::7]
    assert fractions


def _read(pieces: list[str]) -> list[dict[str, Any]]:
    """Return the events of pieces, having seen that their bytes are msgspec's own."""
    text = f"[{','.join(pieces)}]".encode()
    events: list[dict[str, Any]] = msgspec.json.decode(text)
    assert msgspec.json.encode(events) == text
    return events
