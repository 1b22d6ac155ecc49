"""The ledger: everything that was sent, as Parquet, so that an oracle can reckon the market alone."""

from pathlib import Path

import numpy as np
import polars as pl

from tapelight.errors import ConfigError
from tapelight.feeds.simulator import sales
from tapelight.feeds.simulator.market import MS
from tapelight.feeds.simulator.sales import Bools
from tapelight.feeds.simulator.simulation import Simulation
from tapelight.feeds.simulator.tape import dollars
from tapelight.feeds.simulator.window import TRUTHS, Window
from tapelight.model.batch import Floats, Int64s

MAX_HELD = 4_000_000
"""Rows that may wait in memory; beyond, the market waits for the disk."""
_CONDITIONS = pl.Series(
    "conditions", [list(k) for k in sales.KINDS], dtype=pl.List(pl.Int64), strict=False
)


class Ledger:
    """Collect windows and write them as numbered Parquet files into `folder`."""

    def __init__(self, folder: Path, simulation: Simulation) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for old in (*folder.glob("trades-*.parquet"), *folder.glob("quotes-*.parquet")):
                old.unlink()
        except OSError as error:
            raise ConfigError(
                f"The ledger's folder {folder} cannot be written ({error.strerror}): name another."
            ) from error
        self._folder = folder
        self._symbols = np.array(simulation.listing.symbols)
        self._names = pl.Series("symbol", simulation.listing.symbols)
        self._windows: list[Window] = []
        self.held = 0
        """Rows taken and not yet given out."""
        self._files = 0
        _start_frame(simulation).write_parquet(folder / "start.parquet")

    def add(self, window: Window) -> None:
        """Take one window that was sent."""
        if len(window.trades) or len(window.quotes):
            self._windows.append(window)
            self.held += len(window.trades) + len(window.quotes)

    def take(self) -> tuple[int, list[Window]]:
        """Give out what is held, with the number of the files it belongs into."""
        windows, self._windows, self.held = self._windows, [], 0
        self._files += 1
        return self._files - 1, windows

    def flush(self) -> None:
        """Write what is held as the next pair of files."""
        self.write(*self.take())

    def write(self, number: int, windows: list[Window]) -> None:
        """Write `windows` as the pair of files `number`; may run in another thread."""
        if not windows:
            return
        name = f"{number:05d}.parquet"
        self._trades(windows).write_parquet(self._folder / f"trades-{name}", compression="lz4")
        self._quotes(windows).write_parquet(self._folder / f"quotes-{name}", compression="lz4")

    def _trades(self, windows: list[Window]) -> pl.DataFrame:
        lengths = [len(w.trades) for w in windows]

        def column(name: str) -> Int64s:
            joined: Int64s = np.concatenate([getattr(w.trades, name) for w in windows])
            return joined

        first = windows[0].first_trade
        return pl.DataFrame({
            "n": np.arange(first, first + sum(lengths)),
            "window": np.repeat([w.number for w in windows], lengths),
            "ts_ns": column("ts_ms") * MS,
            "symbol": self._names.gather(column("row")),
            "price": dollars(column("price")),
            "size": column("size").astype(np.float64),
            "conditions": _CONDITIONS.gather(column("kind")),
            "exchange": column("venue").astype(np.uint8),
            "truth": pl.Series(list(TRUTHS)).gather(column("truth").astype(np.int64)),
        })  # fmt: skip

    def _quotes(self, windows: list[Window]) -> pl.DataFrame:
        lengths = [len(w.quotes) for w in windows]

        def column(name: str) -> Int64s:
            joined: Int64s = np.concatenate([getattr(w.quotes, name) for w in windows])
            return joined

        return pl.DataFrame({
            "n_trades_before": np.repeat([w.first_trade for w in windows], lengths),
            "ts_ns": column("ts_ms") * MS,
            "symbol": self._names.gather(column("row")),
            "bid": dollars(column("bid")),
            "ask": dollars(column("ask")),
            "bid_size": column("bid_size"),
            "ask_size": column("ask_size"),
        })  # fmt: skip


def _start_frame(simulation: Simulation) -> pl.DataFrame:
    totals, listing = simulation.totals, simulation.listing
    high, low = _extremes(simulation)
    seen = totals.last > 0
    opened = totals.open > 0
    return pl.DataFrame({
        "symbol": listing.symbols,
        "type": [c.type for c in listing.companies],
        "prev_close": totals.prev_close,
        "volume_before": totals.volume,
        "trades_before": totals.count,
        "last_before": _known(dollars(totals.last), seen),
        "last_ts_ns": _known(totals.last_ms * MS, seen),
        "pm_high": _known(dollars(high), high > 0),
        "pm_low": _known(dollars(low), high > 0),
        "open": _known(dollars(totals.open), opened),
        "high": _known(dollars(totals.high), opened),
        "low": _known(dollars(totals.low), opened),
        "vwap": _known(totals.vwap(), opened),
        "bid": dollars(totals.bid),
        "ask": dollars(totals.ask),
        "listing_exchange": listing.venue,
        "float_shares": listing.float_shares,
        "shares_out": listing.shares_out,
        "start_ns": np.full(len(listing), simulation.start_ms * MS),
    })  # fmt: skip


def _known(values: Floats | Int64s, known: Bools) -> pl.Series:
    return pl.Series(values).set(pl.Series(~known), None)


def _extremes(simulation: Simulation) -> tuple[Int64s, Int64s]:
    """Return the pre-market high and low by row in ticks; 0 where nothing traded."""
    n = len(simulation.listing)
    high, low = np.zeros(n, np.int64), np.full(n, 1 << 60, np.int64)
    open_ms = simulation.tape.day.plan.session.open_ns // MS
    for bars in simulation.totals.minute_bars():
        if bars.start_ms < open_ms:
            np.maximum.at(high, bars.row, bars.high)
            np.minimum.at(low, bars.row, bars.low)
    return high, low
