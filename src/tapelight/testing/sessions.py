"""Seeded sessions: a small market whose prints, quotes and marks are the same on every machine.

Every step brings each symbol that trades six prints of one price half a second before its
mark. Symbols drift in legs, rest, burst and gap, so that strategies find something; volumes run
from half to ten times the usual.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tapelight.model.batch import Batch, quotes_of, trades_of
from tapelight.model.records import (
    CalendarChoice,
    Mark,
    Pin,
    Profile,
    Record,
    Reference,
    References,
    Symbols,
)
from tapelight.model.session import NS, Session

STEP_NS = 10 * NS
PRINTS = 6
"""Prints of a symbol at a step."""
HALF_NS = NS // 2
SPREAD = 0.02
MINUTES = 960

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Tape:
    """Hold a session: steps x symbols; NaN where a symbol does not print."""

    session: Session
    symbols: list[str]
    marks_ns: npt.NDArray[np.int64]
    price: Floats
    size: Floats
    """Shares of each of a step's prints."""
    references: list[Reference]

    @property
    def print_ns(self) -> npt.NDArray[np.int64]:
        """Return when the prints of each step happen."""
        return self.marks_ns - HALF_NS


def make_tape(
    session: Session, seed: int, symbols: int = 8, begin_min: float = -25.0, end_min: float = 90.0
) -> Tape:
    """Return the seeded tape of a session, from and to minutes after the open."""
    g = np.random.default_rng(seed)
    first, last = (int(session.open_ns + m * 60 * NS) for m in (begin_min, end_min))
    marks = np.arange(first + STEP_NS, last + 1, STEP_NS, dtype=np.int64)
    steps = len(marks)
    start = g.uniform(8.0, 60.0, symbols)
    adv20 = np.round(g.uniform(1.05e6, 4e6, symbols))
    walk = np.cumsum(_legs(g, steps, symbols) + g.normal(0, 6e-4, (steps, symbols)), axis=0)
    price = np.round(start * np.exp(walk), 2)
    price[g.random((steps, symbols)) < 0.08] = np.nan
    usual = adv20 / MINUTES / (60 * NS // STEP_NS) / PRINTS
    busy = g.uniform(0.7, 7.0, symbols) * np.exp(np.repeat(
        g.normal(0, 0.6, (steps // 6 + 1, symbols)), 6, axis=0
    )[:steps])  # fmt: skip
    size = np.maximum(np.round(usual * busy), 100.0)
    names = [f"T{i:02d}" for i in range(symbols)]
    prev = np.round(start / (1.0 + g.uniform(-0.01, 0.07, symbols)), 2)
    atr = np.round(start * g.uniform(0.02, 0.08, symbols), 2) + 0.003  # no bound is met exactly
    known = [
        Reference(symbol=s, type="CS", prev_close=float(c), adv20=float(v), atr14=float(a),
                  float_shares=3e7, shares_out=4e7)
        for s, c, v, a in zip(names, prev, adv20, atr, strict=True)
    ]  # fmt: skip
    return Tape(session, names, marks, price, size, known)


def _legs(g: np.random.Generator, steps: int, symbols: int) -> Floats:
    """Return drifts a step: legs of 2 to 12 minutes, up, down or at rest."""
    drift = np.zeros((steps, symbols))
    for column in range(symbols):
        at = 0
        while at < steps:
            length = int(g.integers(12, 72))
            drift[at : at + length, column] = g.choice([8e-4, 4e-4, 0.0, -2e-4, -5e-4])
            at += length
    return drift


def begin(tape: Tape, order: Sequence[int] | None = None) -> Iterator[Record]:
    """Yield what an engine must know first; `order` gives the symbols' rows."""
    names = tape.symbols if order is None else [tape.symbols[i] for i in order]
    yield CalendarChoice("XNYS")
    yield Symbols(0, names)
    yield References(tape.session.date.isoformat(), tape.references)
    none = np.zeros(0, np.int32)
    yield Profile(np.full(MINUTES, 1 / MINUTES), none, np.zeros((0, MINUTES), np.float32), none)
    for name in tape.symbols:
        yield Pin(name)


def play(tape: Tape, order: Sequence[int] | None = None) -> Iterator[Record]:
    """Yield the tape's batches and marks; `order` as told to `begin`."""
    places = np.arange(len(tape.symbols)) if order is None else np.asarray(order)
    for k, mark_ns in enumerate(tape.marks_ns.tolist()):
        price = tape.price[k, places]
        rows = np.flatnonzero(~np.isnan(price))
        if len(rows):
            yield _batch(rows, price[rows], tape.size[k, places][rows], mark_ns - HALF_NS)
        yield Mark(mark_ns, mark_ns)


def _batch(rows: npt.NDArray[np.intp], price: Floats, size: Floats, ts_ns: int) -> Batch:
    n = len(rows) * PRINTS
    row, prices = np.repeat(rows, PRINTS).tolist(), np.repeat(price, PRINTS).tolist()
    zeros = [0] * n
    trades = trades_of(
        row, [ts_ns] * n, prices, np.repeat(size, PRINTS).tolist(), zeros, zeros, zeros
    )
    quoted = len(rows)
    bids, asks = np.round(price - SPREAD / 2, 4), np.round(price + SPREAD / 2, 4)
    many = [500.0] * quoted
    quotes = quotes_of(
        rows.tolist(), [ts_ns] * quoted, bids.tolist(), asks.tolist(), many, many, [0] * quoted
    )
    return Batch(ts_ns, trades, quotes)
