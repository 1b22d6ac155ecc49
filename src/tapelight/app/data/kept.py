"""What the cold store knew before a past session, as the records that a replay begins it with."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from tapelight.app.baselines import placed
from tapelight.errors import ConfigError
from tapelight.model.compose import compose
from tapelight.model.daily import BENCHMARK, fold_days
from tapelight.model.past import DayBars
from tapelight.model.records import Profile, Record, References
from tapelight.model.sectors import SECTOR_FUNDS
from tapelight.model.session import Session, calendar, session_before
from tapelight.model.universe import Universe
from tapelight.stores.cold.catalog import FileRow
from tapelight.stores.cold.store import DAYS, ColdStore, check_origin

SESSIONS = 260


@dataclass(frozen=True, slots=True)
class Kept:
    """Name the days of one origin in a data folder."""

    data: Path
    origin: str

    def open(self, symbols: frozenset[str]) -> "Shelf":
        """Return what tells of `symbols`; raises ConfigError where nothing is kept."""
        check_origin(self.origin)
        if not ColdStore.there(self.data):
            raise ConfigError(
                f"{self.data} holds no reference data: `tapelight data pull` or `import` brings it."
            )
        store = ColdStore(self.data)
        files = store.catalog.files(DAYS, self.origin)
        if not files:
            have = sorted({file.origin for file in store.catalog.files(DAYS)})
            there = f"there is {', '.join(have)}" if have else "there are no days at all"
            raise ConfigError(f"No days of {self.origin} are kept in {self.data}: {there}.")
        return Shelf(store, self.origin, files, symbols)


class Shelf:
    """Tell of each session what was known when its pre-market began: nothing later."""

    def __init__(
        self, store: ColdStore, origin: str, files: list[FileRow], symbols: frozenset[str]
    ) -> None:
        self._store = store
        self._origin = origin
        self._files = files
        self._symbols = symbols
        self._beside = symbols | {BENCHMARK, *SECTOR_FUNDS.values()}
        self._read: dict[str, DayBars] = {}
        """By the file's path: of the symbols asked for alone."""

    def before(self, session: Session, rows: Mapping[str, int]) -> Iterator[Record]:
        """Yield references and the volume baseline of a session, for the symbols in `rows`."""
        date, known_ns = session.date, session.start_ns
        told = self._store.told(date, known_ns)
        told = msgspec.structs.replace(
            told, facts=[fact for fact in told.facts if fact.symbol in self._symbols]
        )
        last = session_before(calendar("XNYS"), session).date
        fold = fold_days(self._days(session, known_ns), told.splits, date, last)
        listed = frozenset(rows) & self._symbols
        known = compose(told, fold, date, listed)
        yield References(date.isoformat(), known)
        yield self._profile(session, rows)

    def _profile(self, session: Session, rows: Mapping[str, int]) -> Profile:
        found = self._store.usual_volumes(self._origin, session.date, session.start_ns)
        whole = placed(found, session, Universe())
        if found is None:
            return whole
        at = np.array([i for i, s in enumerate(found.symbols) if s in rows], np.intp)
        place = np.array([rows[found.symbols[i]] for i in at.tolist()], np.int32)
        return Profile(whole.minute, place, found.mean[at], found.sessions[at])

    def _days(self, session: Session, known_ns: int) -> Iterator[tuple[dt.date, DayBars, bool]]:
        newest = {file.date: file for file in self._files if file.known_ns <= known_ns}
        cal, at, past = calendar("XNYS"), session, []
        for _ in range(SESSIONS):
            at = session_before(cal, at)
            past.append(at)
        for one in reversed(past):
            file = newest.get(one.date.isoformat())
            if file is not None:
                yield one.date, self._bars(file), not one.half_day

    def _bars(self, file: FileRow) -> DayBars:
        bars = self._read.get(file.path)
        if bars is None:
            bars = self._read[file.path] = self._store.bars_in(file).of(self._beside)
        return bars
