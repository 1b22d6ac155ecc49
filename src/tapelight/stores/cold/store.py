"""The cold store: whole days and minute volumes as Parquet, facts and splits in a catalogue.

A file belongs to one origin: a feed and its coverage. Shares that one origin counted are never
measured against another's.
"""

import datetime as dt
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from tapelight.errors import ConfigError, Rejected
from tapelight.model.past import DayBars, Split, Told
from tapelight.model.records import Profile
from tapelight.model.session import NEW_YORK, Session
from tapelight.model.universe import Universe
from tapelight.stores.cold.catalog import Catalog, FileRow

FOLDER = "reference"
DAYS, MINUTES = "days", "minutes"
KEEP = 20
"""Full sessions of a volume profile."""
DAY_MINUTES = 960
DAY_SCHEMA = {"symbol": pl.String, **dict.fromkeys("ohlcv", pl.Float64)}
MINUTE_SCHEMA = {"symbol": pl.String, "volume": pl.Binary}
_COLUMNS = dict(zip("ohlcv", ("open", "high", "low", "close", "volume"), strict=True))


@dataclass(frozen=True, slots=True)
class Kept:
    """Say what became of a day that was to be kept."""

    state: str
    """new, same, better (the provider's own after one reckoned by us) or corrected."""
    symbols: int

    @property
    def words(self) -> str:
        """Say it."""
        said = {
            "new": "new",
            "same": "is there already",
            "better": "replaces what was reckoned from minutes or trades",
            "corrected": "differs from what is there: kept as a correction, known from now on",
        }
        return f"{self.symbols:,} symbols, {said[self.state]}"


@dataclass(frozen=True, slots=True)
class UsualVolumes:
    """Hold mean shares by minute, shape (symbols, 960), and over how many sessions."""

    symbols: list[str]
    mean: npt.NDArray[np.float32]
    sessions: npt.NDArray[np.int32]

    def profile(
        self, curve: npt.NDArray[np.float64], universe: Universe, session: str = ""
    ) -> Profile:
        """Return them as a record; symbols are given rows."""
        rows = np.array([universe.add(s) for s in self.symbols], np.int32)
        return Profile(curve, rows, self.mean, self.sessions, session)


class ColdStore:
    """Keep reference data under `DIR/reference`; may be called on any thread."""

    def __init__(self, data: Path) -> None:
        self.folder = data / FOLDER
        self.catalog = Catalog(self.folder)

    @staticmethod
    def there(data: Path) -> bool:
        """Tell whether a data folder has a cold store."""
        return (data / FOLDER).is_dir()

    def close(self) -> None:
        """Close the catalogue."""
        self.catalog.close()

    # --- whole days ---------------------------------------------------------------------------

    def day(self, origin: str, date: dt.date, known_ns: int) -> DayBars | None:
        """Return a session's bars as traded, as they were known at a time; None where unknown."""
        found = self.catalog.files(DAYS, origin, date.isoformat(), known_ns)
        return self.bars_in(found[-1]) if found else None

    def bars_in(self, file: FileRow) -> DayBars:
        """Return the bars of a file of days; raises Rejected when it is none."""
        return _day_of(self._read(file, DAY_SCHEMA))

    def keep_day(
        self,
        origin: str,
        session: Session,
        bars: DayBars,
        source: str,
        now_ns: int,
        *,
        derived: bool = False,
    ) -> Kept:
        """Keep a session's bars: the first known at its end, others as corrections from now on."""
        columns = {short: getattr(bars, name) for short, name in _COLUMNS.items()}
        frame = pl.DataFrame({"symbol": bars.symbols, **columns}, schema=DAY_SCHEMA).sort("symbol")
        return self._keep(DAYS, origin, session, frame, source, now_ns, derived)

    def dates(self, origin: str, known_ns: int, kind: str = DAYS) -> list[dt.date]:
        """Return the dates of which days (or minutes) are known, oldest first."""
        files = self.catalog.files(kind, origin, known_ns=known_ns)
        return sorted({dt.date.fromisoformat(f.date) for f in files})

    # --- minute volumes -----------------------------------------------------------------------

    def keep_minutes(
        self,
        origin: str,
        session: Session,
        symbols: Sequence[str],
        matrix: npt.NDArray[np.float32],
        source: str,
        now_ns: int,
        *,
        derived: bool = False,
    ) -> Kept:
        """Keep a full session's shares by minute after 04:00, shape (symbols, 960).

        `derived` ones are of some symbols only: those of a whole market replace them.
        """
        rows = [row.tobytes() for row in np.ascontiguousarray(matrix, np.float32)]
        data = {"symbol": list(symbols), "volume": rows}
        frame = pl.DataFrame(data, schema=MINUTE_SCHEMA).sort("symbol")
        return self._keep(MINUTES, origin, session, frame, source, now_ns, derived)

    def usual_volumes(self, origin: str, session: dt.date, known_ns: int) -> UsualVolumes | None:
        """Return the mean minute volumes of up to 20 sessions before one, of one origin alone.

        Volumes are in the shares of `session`. None when nothing is kept. Raises Rejected for a
        file that is not what the catalogue says.
        """
        files = {f.date: f for f in self.catalog.files(MINUTES, origin, known_ns=known_ns)}
        chosen = [files[d] for d in sorted(files) if d < session.isoformat()][-KEEP:]
        if not chosen:
            return None
        listed = [self._read(f, {"symbol": pl.String})["symbol"].to_list() for f in chosen]
        names = sorted(set().union(*listed))
        place = {name: i for i, name in enumerate(names)}
        splits = self.catalog.splits(session.isoformat(), known_ns)
        total = np.zeros((len(names), DAY_MINUTES), np.float32)
        count = np.zeros(len(names), np.int32)
        for file in chosen:
            symbols, matrix = _matrix_of(self._read(file, MINUTE_SCHEMA), file)
            at = np.array([place[s] for s in symbols], np.intp)
            total[at] += matrix / _factors(splits, symbols, file.date)[:, None]
            count[at] += 1
        return UsualVolumes(names, np.divide(total, count[:, None], dtype=np.float32), count)

    # --- facts and splits ---------------------------------------------------------------------

    def told(self, session: dt.date, known_ns: int) -> Told:
        """Return the facts that held on a session's date and the splits up to it, as known then."""
        date = session.isoformat()
        facts, splits = self.catalog.facts(date, known_ns), self.catalog.splits(date, known_ns)
        return Told(facts, splits)

    def keep(self, told: Told, now_ns: int) -> tuple[int, int]:
        """Keep what is new of facts and splits; a split was known when its date began at the latest."""
        splits = [(s, min(now_ns, _began_ns(s.date))) for s in told.splits if s.sound]
        return self.catalog.put_facts(told.facts), self.catalog.put_splits(splits)

    # --- files --------------------------------------------------------------------------------

    def _keep(
        self,
        kind: str,
        origin: str,
        session: Session,
        frame: pl.DataFrame,
        source: str,
        now_ns: int,
        derived: bool,
    ) -> Kept:
        date, digest = session.date.isoformat(), _digest(frame)
        known = self.catalog.files(kind, origin, date)
        if known and known[-1].digest == digest:
            return Kept("same", len(frame))
        if known and derived and not known[-1].derived:
            return Kept("same", known[-1].symbols)
        better = bool(known) and known[-1].derived
        state = "better" if better else "corrected" if known else "new"
        at_ns = known[-1].known_ns if better else now_ns if known else session.end_ns
        path = Path(
            kind,
            _folder_name(origin),
            f"{date}{f'.{at_ns}' if at_ns != session.end_ns else ''}.parquet",
        )
        self._write(path, frame, origin)
        self.catalog.put_file(
            FileRow(
                origin=origin, kind=kind, date=date, known_ns=at_ns, path=str(path),
                symbols=len(frame), digest=digest, source=source, derived=derived,
            )
        )  # fmt: skip
        return Kept(state, len(frame))

    def _write(self, path: Path, frame: pl.DataFrame, origin: str) -> None:
        """Write a file whole or not at all."""
        whole = self.folder / path
        draft = whole.with_suffix(f".{os.getpid()}.draft")
        try:
            whole.parent.mkdir(parents=True, exist_ok=True)
            frame.write_parquet(draft, metadata={"origin": origin})
            draft.replace(whole)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise ConfigError(
                f"{whole} can't be written ({error}): give a writable --data."
            ) from error

    def _read(self, file: FileRow, schema: Mapping[str, object]) -> pl.DataFrame:
        path = self.folder / file.path
        try:
            origin = pl.read_parquet_metadata(path).get("origin", "")
            if origin != file.origin:
                raise Rejected(
                    f"{path} is of {origin or 'no known origin'}, not of {file.origin}: volumes of "
                    "different feeds are not mixed; delete it and pull or import it again."
                )
            return pl.read_parquet(path, columns=list(schema))
        except (OSError, pl.exceptions.PolarsError) as error:
            reason = str(error).splitlines()[0]
            raise Rejected(
                f"{path} can't be read ({reason}): delete it and pull or import it again."
            ) from error


def check_origin(origin: str) -> str:
    """Return `origin`; raises ConfigError for what can't be the name of a feed and its coverage."""
    if not origin or _folder_name(origin) != origin:
        raise ConfigError(
            f"{origin!r} is no origin: name feed and coverage in small letters, as in massive-sip "
            "or alpaca-iex."
        )
    return origin


def _folder_name(origin: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c == "-") else "-" for c in origin.lower())


def _digest(frame: pl.DataFrame) -> str:
    whole = hashlib.blake2b(digest_size=16)
    for column in frame:
        if column.dtype == pl.Float64:
            whole.update(column.to_numpy().tobytes())
        else:
            for value in column.to_list():
                whole.update(value if isinstance(value, bytes) else f"{value}\n".encode())
    return whole.hexdigest()


def _day_of(frame: pl.DataFrame) -> DayBars:
    return DayBars(frame["symbol"].to_list(), *(frame[c].to_numpy().copy() for c in _COLUMNS))


def _matrix_of(frame: pl.DataFrame, file: FileRow) -> tuple[list[str], npt.NDArray[np.float32]]:
    try:
        matrix = np.frombuffer(b"".join(frame["volume"]), np.float32)
        return frame["symbol"].to_list(), matrix.reshape(len(frame), DAY_MINUTES)
    except (ValueError, TypeError) as error:
        raise Rejected(f"{file.path} is no volume profile ({error}): delete it.") from error


def _factors(splits: Iterable[Split], symbols: Sequence[str], date: str) -> npt.NDArray[np.float32]:
    """Return by what volumes of `date` are divided to be in the shares after the splits."""
    product: dict[str, float] = {}
    for split in splits:
        if split.date > date:
            product[split.symbol] = product.get(split.symbol, 1.0) * split.factor
    return np.array([product.get(s, 1.0) for s in symbols], np.float32)


def _began_ns(date: str) -> int:
    return int(dt.datetime.fromisoformat(date).replace(tzinfo=NEW_YORK).timestamp()) * 1_000_000_000
