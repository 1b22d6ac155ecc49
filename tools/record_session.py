"""Record a simulated session as fast as it can be drawn, with what goes wrong on real days.

    python tools/record_session.py --data DIR --symbols 11000 --rate 9000 [--hours 6.5]

The records go through the scanner itself, journal, marks, snapshots and all; only the clock is
led by hand. A feed hole that is closed by a snapshot of the day so far, another whose trades are
brought later, late prints, re-sent bars, and trades that are cancelled or corrected are in it. The
signals are written beside the journal as signals.json, in the order in which they
came: a replay must give the same digest, a backtest the same signals.
"""

import argparse
import asyncio
import sys
import time
from dataclasses import dataclass, fields
from pathlib import Path

import msgspec
import numpy as np

from tapelight.app.questions import read_questions
from tapelight.app.scanner import Scanner
from tapelight.app.strategies import StrategyFiles
from tapelight.engine import Cycle
from tapelight.feeds.simulator import SimulatorOptions
from tapelight.feeds.simulator.offline import Offline
from tapelight.feeds.simulator.tape import dollars
from tapelight.model.batch import Trades
from tapelight.model.records import Correction, FeedState, Healed, Print, Snapshot
from tapelight.scan.source import shipped

NS = 1_000_000_000
HOLE_AFTER_S, HOLE_S = 1500, 40
HEALED_AFTER_S = 4500
CORRECTED_S = 600
"""Between two trades that are taken back."""
UNSET = 1 << 59
"""The lowest price so far of what has none, and above."""


class Recorder:
    """Drive one scanner from one offline market."""

    def __init__(self, data: Path, options: SimulatorOptions) -> None:
        self.market = Offline(options, spans=(60,))
        self.scanner = Scanner(data, read_questions(None), "XNYS")
        every = {name: {"enabled": True} for name in shipped()}
        self.scanner.follow(StrategyFiles(data / "strategies", every).strategies)
        self.signals: list[dict[str, object]] = []
        self._since_ns = 0
        self._lost: list[Trades] = []
        self.scanner.listeners.append(self._note)

    def _note(self, cycle: Cycle) -> None:
        self.signals += [
            {"id": s.id, "scan": s.scan, "symbol": s.symbol, "state": s.state, "mark": s.mark}
            for s in cycle.signals
        ]

    def begin(self) -> None:
        """Open the journal at the market's start and put what comes before the first event."""
        self._set(self.market.now_ns)
        for record in self.market.opening():
            self.scanner.put(record)

    def step(self, lost: bool) -> None:
        """Draw a window; put it, unless the feed is down and it is lost."""
        batch = self.market.step()
        self._set(self.market.now_ns)
        if lost:
            self._lost += [batch.trades] if batch.trades is not None else []
            return
        self.scanner.put(batch)
        self.scanner.alive(self.market.now_ns)
        if batch.trades is not None and self.market.now_ns % (CORRECTED_S * NS) == 0:
            self._correct(batch.trades)

    def fail(self, heals: bool) -> None:
        """Let the feed be cut from here on."""
        self._since_ns, self._lost = self.market.now_ns, []
        self._tell("gap", heals)

    async def come_back(self, heals: bool) -> None:
        """Close the hole with the day so far, and bring the trades that were lost if it heals.

        The market waits for the healing, which could not overtake one that goes as fast as it can.
        """
        self.scanner.put(self._picture())
        if heals:
            self._tell("healing", heals)
            now = self.market.now_ns
            trades = Trades(
                *(np.concatenate(c) for c in zip(*map(_columns, self._lost), strict=True))
            )
            self.scanner.put(Healed(now, self._since_ns, now, np.zeros(0, np.int32), trades))
        self.scanner.put(FeedState(self.market.now_ns, "simulator", "live"))
        if self.scanner.healer is not None:
            await self.scanner.healer.settled()

    def _tell(self, state: str, heals: bool) -> None:
        now, since = self.market.now_ns, self._since_ns
        self.scanner.put(FeedState(now, "simulator", state, "cut", True, since, heals))

    def _correct(self, trades: Trades) -> None:
        """Cancel the second's dearest trade, and put the price of its cheapest right."""
        names = self.scanner.universe.symbols
        for at, cancelled in ((trades.price.argmax(), True), (trades.price.argmin(), False)):
            values = (c[at].item() for c in _columns(trades))
            row, ts_ns, price, size, conditions, exchange, _ = values
            wrong = Print(ts_ns, price, size, conditions, exchange)
            right = None if cancelled else msgspec.structs.replace(wrong, price=price * 1.01)
            self.scanner.put(Correction(self.market.now_ns, names[row], wrong, right))

    def _set(self, now_ns: int) -> None:
        self.scanner.clock.set(now_ns, 0.0)

    def _picture(self) -> Snapshot:
        totals, now = self.market.simulation.totals, self.market.now_ns
        n = len(self.market.simulation.listing)
        traded = totals.volume > 0

        def price(ticks: np.ndarray) -> np.ndarray:
            return np.where(traded & (ticks > 0) & (ticks < UNSET), dollars(ticks), np.nan)

        return Snapshot(
            now, np.arange(n, dtype=np.int32), np.full(n, now, np.int64), price(totals.last),
            totals.volume.astype(np.float64), price(totals.open), price(totals.high),
            price(totals.low), np.where(traded, totals.vwap(), np.nan), dollars(totals.bid),
            dollars(totals.ask), totals.bid_size.astype(np.float64),
            totals.ask_size.astype(np.float64), totals.prev_close.astype(np.float64),
        )  # fmt: skip


def _columns(trades: Trades) -> list[np.ndarray]:
    return [getattr(trades, field.name) for field in fields(Trades)]


@dataclass(frozen=True, slots=True)
class Hole:
    """Say when the feed is cut, and whether what was lost is brought later."""

    begin_ns: int
    end_ns: int
    heals: bool


def holes(start_ns: int, seconds: float) -> list[Hole]:
    """Return a hole of 40 s after 25 minutes and one after 75, or in a third and two thirds."""
    lasts = int(min(HOLE_S, seconds / 9)) * NS
    begins = (min(HOLE_AFTER_S, seconds / 3), min(HEALED_AFTER_S, seconds / 1.5))
    at = [start_ns + int(begin) * NS for begin in begins]
    return [Hole(at[0], at[0] + lasts, False), Hole(at[1], at[1] + lasts, True)]


async def record(data: Path, options: SimulatorOptions, seconds: float) -> Recorder:
    """Record `seconds` of market time, with what goes wrong on real days."""
    recorder = Recorder(data, options)
    recorder.begin()
    start_ns = recorder.market.now_ns
    end_ns, told_ns, began = start_ns + int(seconds * NS), start_ns, time.monotonic()
    planned, down = holes(start_ns, seconds), None
    while (now := recorder.market.now_ns) < end_ns:
        hole = next((h for h in planned if h.begin_ns <= now < h.end_ns), None)
        if hole is None and down is not None:
            await recorder.come_back(down.heals)
        elif hole is not None and down is None:
            recorder.fail(hole.heals)
        down = hole
        recorder.step(lost=down is not None)
        if now - told_ns >= 60 * NS:
            told_ns = now
            done, spent = (now - start_ns) / NS, time.monotonic() - began
            sys.stderr.write(
                f"\r{done / 60:.0f} of {seconds / 60:.0f} min, {recorder.market.trades:,} trades, "
                f"{len(recorder.signals):,} signals, {done / spent:.1f} x real time "
            )
        await asyncio.sleep(0)  # the snapshot's thread is waited for by the loop
    recorder.scanner.close()
    return recorder


def main() -> None:
    """Record as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--symbols", type=int, default=11_000)
    parser.add_argument("--rate", type=float, default=9_000.0, help="trades/s from 09:30 to 09:35")
    parser.add_argument("--hours", type=float, default=6.5)
    parser.add_argument("--window-ms", type=int, default=1000, help="what one batch holds")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    options = SimulatorOptions(
        port=0, symbols=given.symbols, rate=given.rate, seed=given.seed, start="09:30:00",
        speed=given.window_ms / 10, quotes_per_trade=0.5,
    )  # fmt: skip
    recorder = asyncio.run(record(given.data, options, given.hours * 3600))
    written = given.data / "signals.json"
    written.write_bytes(msgspec.json.encode(recorder.signals))
    sys.stdout.write(
        f"{recorder.market.trades:,} trades, {len(recorder.signals):,} signals, "
        f"digest {recorder.scanner.engine.digest}: {written}\n"
    )


if __name__ == "__main__":
    main()
