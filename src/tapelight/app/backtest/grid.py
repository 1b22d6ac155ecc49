"""The whole market by the minute: what a control is drawn from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tapelight.market.table import Table
from tapelight.model.session import MINUTE_NS, Session

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Grid:
    """Hold one session of the market, shape (minutes, rows).

    Line i belongs to the end of minute `first` + i after the session's start: `price` is the
    last one by then (NaN before the first print), `true` whether the condition held, or fired,
    within the minute.
    """

    date: str
    first: int
    close: int
    """Minutes from the session's start to its regular close."""
    symbols: tuple[str, ...]
    price: npt.NDArray[np.float32]
    true: Flags

    def __len__(self) -> int:
        return len(self.price)

    def rows_of(self, symbols: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return each symbol's row, -1 where the session does not know it."""
        places = {symbol: i for i, symbol in enumerate(self.symbols)}
        return np.array([places.get(s, -1) for s in symbols], np.int64)

    def save(self, folder: Path) -> Path:
        """Write the arrays beside each other; return the path that `load` takes."""
        path = folder / f"{self.date}.npy"
        np.save(path, self.price)
        np.save(path.with_suffix(".true.npy"), np.packbits(self.true, axis=1))
        np.save(path.with_suffix(".symbols.npy"), np.array(self.symbols))
        np.save(path.with_suffix(".minutes.npy"), np.array([self.first, self.close]))
        return path

    @staticmethod
    def load(path: Path) -> "Grid":
        """Read what `save` wrote; prices stay on disk until they are asked for."""
        price = np.load(path, mmap_mode="r")
        packed = np.load(path.with_suffix(".true.npy"))
        first, close = np.load(path.with_suffix(".minutes.npy")).tolist()
        symbols = tuple(np.load(path.with_suffix(".symbols.npy")).tolist())
        true = np.unpackbits(packed, axis=1, count=price.shape[1]).view(np.bool_)
        return Grid(path.stem, first, close, symbols, price, true)


class GridPen:
    """Draw the grid of a session while its records are played."""

    def __init__(self) -> None:
        self._session: Session | None = None
        self._first = self._next = 0
        self._price: list[npt.NDArray[np.float32]] = []
        self._true: list[Flags] = []
        self._busy: Flags = np.zeros(0, np.bool_)

    def on_mark(self, ts_ns: int, table: Table, held: Flags, fired: Sequence[int]) -> None:
        """Take a mark: which rows the condition holds in, and which have fired."""
        session = table.session
        if session is None or ts_ns > session.end_ns:
            return
        minute = (ts_ns - session.start_ns) // MINUTE_NS
        if session is not self._session:
            self._begin(session, minute)
        if ts_ns % 1_000_000_000 == 0 or len(fired):
            self._note(held, fired)
        while self._next <= minute:
            self._line(session.start_ns + self._next * MINUTE_NS, ts_ns, table)
            self._next += 1
            self._busy = held.copy()

    def _begin(self, session: Session, minute: int) -> None:
        self._session = session
        self._first = self._next = max(minute, 1)
        self._price, self._true = [], []
        self._busy = np.zeros(0, np.bool_)

    def _note(self, held: Flags, fired: Sequence[int]) -> None:
        grown = len(held) - len(self._busy)
        if grown:
            self._busy = np.concatenate([self._busy, np.zeros(grown, np.bool_)])
        self._busy |= held
        self._busy[list(fired)] = True

    def _line(self, end_ns: int, ts_ns: int, table: Table) -> None:
        """Write the line of the minute that ended at `end_ns`."""
        live = table.live
        price = live["last"].astype(np.float32)
        if ts_ns > end_ns:
            # No mark at the minute's end: rows that moved since stand where they stood before.
            before = np.full(len(price), np.nan, np.float32)
            if self._price:
                before[: len(self._price[-1])] = self._price[-1]
            price = np.where(live["last_ns"] <= end_ns, price, before)
        self._price.append(price)
        self._true.append(self._busy)

    def grid(self, table: Table, session: Session) -> Grid:
        """Return the session that has been drawn."""
        n = table.n
        price = np.full((len(self._price), n), np.nan, np.float32)
        true = np.zeros((len(self._price), n), np.bool_)
        for i, (line, busy) in enumerate(zip(self._price, self._true, strict=True)):
            price[i, : len(line)] = line
            true[i, : len(busy)] = busy
        close = (session.close_ns - session.start_ns) // MINUTE_NS
        names = tuple(table.universe.symbols)
        return Grid(session.date.isoformat(), self._first, close, names, price, true)
