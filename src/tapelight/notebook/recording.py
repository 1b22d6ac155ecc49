"""A recorded day, asked of any of its seconds; and backtests over recorded days."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from tapelight.app.asof import AsOf, Then, begin_of
from tapelight.app.backtest.asking import Files
from tapelight.app.backtest.command import BacktestOptions, read_span, run_backtest
from tapelight.app.backtest.result import Backtest
from tapelight.app.past import board_then, query_then, symbol_then
from tapelight.app.reasons import why_then
from tapelight.app.runs import find_run
from tapelight.app.trust import Trust
from tapelight.app.views import EngineMarket
from tapelight.app.why import calendar_of, last_mark
from tapelight.config import load
from tapelight.errors import ConfigError
from tapelight.model.session import NS, iso, parse_time
from tapelight.notebook.frames import bars_frame, frame, select, signals_frame
from tapelight.ports import Wanted
from tapelight.scan.source import trusting
from tapelight.stores.signals import find, open_log

ALL = 1_000_000


def open_recording(day: str | Path, data: str | Path = "data") -> "Recording":
    """Return a recorded day: 2026-11-20 (its last run), or a run's folder; raises ConfigError."""
    return Recording(find_run(Path(day), Path(data)))


class Recording:
    """Ask a recorded day. `at` is HH:MM:SS New York or ISO 8601 with offset; its end when left out.

    The first question of a time takes as long as the replay to it from the snapshot before;
    questions in the order of time are quick.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.data = self.folder.parent.parent.parent
        self.calendar = calendar_of(folder)
        self.run = f"{self.folder.parent.name}/{self.folder.name}"
        self._begin_ns, self._end_ns = begin_of(folder), last_mark(folder)
        self._as_of = AsOf(self.data, self.calendar)

    def __repr__(self) -> str:
        """Return the run and the time that it spans."""
        return f"Recording({self.run}, {iso(self._begin_ns)} to {iso(self._end_ns)})"

    @property
    def begin(self) -> dt.datetime:
        """Return when it begins, in the exchange's time."""
        return dt.datetime.fromtimestamp(self._begin_ns / NS, self.calendar.zone)

    @property
    def end(self) -> dt.datetime:
        """Return its last mark, in the exchange's time."""
        return dt.datetime.fromtimestamp(self._end_ns / NS, self.calendar.zone)

    def market(
        self, where: str = "", *, columns: str = "*", order: str = "", limit: int = 1000,
        at: str | None = None,
    ) -> pl.DataFrame:  # fmt: skip
        """Return the rows of the table that fit."""
        return self.sql(select(columns, where, order, limit), at=at)

    def sql(self, query: str, *, at: str | None = None) -> pl.DataFrame:
        """Answer a SELECT over `market`."""
        return frame(query_then(self._then(at), query))

    def board(self, name: str, *, at: str | None = None) -> pl.DataFrame:
        """Return a board in rank order."""
        state = board_then(self._then(at, name), name)
        names = [column["name"] for column in state["columns"]]
        rows = ((s, dict(zip(names, state["rows"][s], strict=True))) for s in state["order"])
        return frame({"symbol": symbol, **cells} for symbol, cells in rows)

    def symbol(self, symbol: str, *, at: str | None = None) -> dict[str, Any]:
        """Return every column of a symbol."""
        return symbol_then(self._then(at), symbol)

    def bars(self, symbol: str, *, at: str | None = None) -> pl.DataFrame:
        """Return the day's minute bars of a symbol, the forming one last."""
        return bars_frame(EngineMarket(self._then(at).engine, dict).bars(symbol, 60))

    def why(
        self, symbol: str, scan: str, *, at: str | None = None, ahead_s: int = 0
    ) -> dict[str, Any]:
        """Return why a symbol was, or was not, on a board or fired by a scan."""
        at_ns = self.moment(at)
        before_ns = min(max(at_ns - NS, self._begin_ns), at_ns)
        then = self._at(before_ns, scan)
        return why_then(then, symbol, scan, at_ns, ahead_s)

    def signals(self, *, scan: str = "", symbol: str = "", state: str = "") -> pl.DataFrame:
        """Return the day's records of signals, the oldest first."""
        log = open_log(self.data)
        try:
            wanted = Wanted(scan=scan, symbol=symbol, state=state, limit=ALL)
            found = find(log, wanted, self.run)
        finally:
            log.dispose()
        return signals_frame(msgspec.to_builtins(s) for s in reversed(found))

    def moment(self, at: str | None) -> int:
        """Return a time in ns UTC; the recording's end for None."""
        if at is None:
            return self._end_ns
        session = self.calendar.session_on(dt.date.fromisoformat(self.folder.parent.name))
        if session is None:
            raise ConfigError(f"{self.folder} is no recording of a session.")
        return parse_time(at, session, self.calendar.zone)

    def _then(self, at: str | None, *asked: str) -> Then:
        return self._at(self.moment(at), *asked)

    def _at(self, at_ns: int, *asked: str) -> Then:
        with trusting(Trust(self.data, Path("strategies"))):
            return self._as_of.at(at_ns, frozenset(asked))


def backtest(
    scan: str | None = None, *, sql: str | Path | None = None, data: str | Path = "data",
    days: str | None = None, last: int | None = None, parquet: str | Path | None = None,
    daily: str | Path | None = None, by: Sequence[str] = (), side: str = "long",
    half_spread_bps: float = 5.0, workers: int = 0, config: str | Path | None = None,
) -> Backtest:  # fmt: skip
    """Ask a scan or strategy of recorded sessions, or of Parquet; `fires` is a Polars frame.

    `sql` is a file with the scan instead of a name; the rest is as in `tapelight backtest`.
    """
    settings = load(None if config is None else Path(config))
    files = Files(Path(settings.questions), Path(settings.strategies), settings.strategy)
    options = BacktestOptions(
        name=scan, sql=_path(sql), data=Path(data), files=files, span=read_span(days, last),
        parquet=_path(parquet), daily=_path(daily), by=tuple(by), side=side,
        half_spread_bps=half_spread_bps, workers=workers, quiet=True,
    )  # fmt: skip
    with trusting(Trust(options.data, files.strategies)):
        return run_backtest(options)


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)
