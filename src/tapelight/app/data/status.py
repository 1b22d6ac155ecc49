"""`tapelight data status`: what is kept, and of one symbol each level with how it came about."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from tapelight.app.data.origin import origin_of
from tapelight.errors import ConfigError
from tapelight.model.compose import compose
from tapelight.model.daily import BENCHMARK, DailyFold, fold_days
from tapelight.model.past import DayBars, Fact, Told
from tapelight.model.sectors import SECTOR_FUNDS
from tapelight.model.session import (
    NEW_YORK,
    Session,
    calendar,
    iso,
    latest_session,
    session_after,
    session_before,
)
from tapelight.stores.cold.store import DAYS, MINUTES, ColdStore

SESSIONS = 260
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AsOf:
    """Say for which session, and with what was known when, references are composed."""

    session: Session
    known_ns: int

    @property
    def date(self) -> dt.date:
        """Return the session's date."""
        return self.session.date


def as_of_session(date: dt.date) -> AsOf:
    """Return what was known when a session's pre-market began; raises ConfigError for a closed day."""
    session = calendar("XNYS").session_on(date)
    if session is None:
        raise ConfigError(f"New York does not trade on {date}: name a session's date.")
    return AsOf(session, session.start_ns)


def as_of_now(now_ns: int) -> AsOf:
    """Return the session that runs, or the next one, with all that is known."""
    cal = calendar("XNYS")
    session = latest_session(cal, now_ns)
    if now_ns >= session.end_ns:
        session = session_after(cal, now_ns)
    return AsOf(session, now_ns)


def fold_as_of(
    store: ColdStore, origin: str, at: AsOf, only: frozenset[str] = frozenset()
) -> DailyFold:
    """Return an origin's days before a session, as known then, in that session's shares."""
    splits = store.told(at.date, at.known_ns).splits
    last = session_before(calendar("XNYS"), at.session).date
    return fold_days(_days(store, origin, at, only), splits, at.date, last)


def overview(data: Path) -> Iterator[Row]:
    """Yield a row for each origin and kind: how many sessions, from when to when."""
    store = _open(data)
    try:
        for kind in (DAYS, MINUTES):
            yield from _of_kind(store, kind)
        facts, splits = (
            store.catalog.facts("9999-12-31", 1 << 62), store.catalog.splits("9999-12-31", 1 << 62)
        )  # fmt: skip
        for kind in sorted({fact.kind for fact in facts}):
            held = [fact for fact in facts if fact.kind == kind]
            last = max(fact.known_ns for fact in held)
            yield {"what": kind, "origin": "", "count": len(held), "from": "", "to": iso(last)}
        if splits:
            yield {"what": "splits", "origin": "", "count": len(splits), "from": "", "to": ""}
    finally:
        store.close()


def audit(data: Path, symbol: str, origin: str | None, at: AsOf) -> Iterator[Row]:
    """Yield of one symbol each figure with its source, and each split with what was done."""
    store = _open(data)
    try:
        chosen = origin or _only_origin(store)
        beside = frozenset([symbol, BENCHMARK, *SECTOR_FUNDS.values()])
        fold = fold_as_of(store, chosen, at, beside)
        facts = store.catalog.facts(at.date.isoformat(), at.known_ns, symbol)
        if symbol not in fold.index and not facts:
            raise ConfigError(
                f"Nothing is kept of {symbol} before {at.date}: `tapelight data pull` or `import` "
                "brings it."
            )
        yield from _facts(facts)
        splits = store.catalog.splits(at.date.isoformat(), at.known_ns, symbol)
        yield from _levels(Told(facts, splits), symbol, chosen, fold, at)
        for adjusted in (a for a in fold.adjusted if a.split.symbol == symbol):
            yield {"what": "split", "value": adjusted.words(), "source": adjusted.split.source}
    finally:
        store.close()


def nothing(data: Path) -> NoReturn:
    """Raise ConfigError: there is nothing to tell of."""
    raise ConfigError(
        f"{data} holds no reference data yet: `tapelight data pull` or `tapelight data import` "
        "brings it."
    )


def _open(data: Path) -> ColdStore:
    return ColdStore(data) if ColdStore.there(data) else nothing(data)


def _of_kind(store: ColdStore, kind: str) -> Iterator[Row]:
    files = store.catalog.files(kind)
    for origin in sorted({file.origin for file in files}):
        mine = [file for file in files if file.origin == origin]
        dates = sorted({file.date for file in mine})
        yield {
            "what": kind, "origin": origin, "count": len(dates), "from": dates[0], "to": dates[-1],
            "corrections": len(mine) - len(dates), "derived": sum(file.derived for file in mine),
        }  # fmt: skip


def _only_origin(store: ColdStore) -> str:
    origins = sorted({file.origin for file in store.catalog.files(DAYS)})
    if len(origins) > 1:
        raise ConfigError(
            f"Days of {', '.join(origins)} are kept, which are not mixed: choose one with --origin."
        )
    return origins[0] if origins else origin_of("massive", "SIP")


def _facts(facts: list[Fact]) -> Iterator[Row]:
    for fact in facts:
        for name, value in fact.values.items():
            yield {
                "what": name, "value": value, "source": fact.source, "valid_from": fact.valid_from,
                "known": iso(fact.known_ns, NEW_YORK),
            }  # fmt: skip


def _levels(told: Told, symbol: str, origin: str, fold: DailyFold, at: AsOf) -> Iterator[Row]:
    facts = {name for fact in told.facts for name in fact.values} | {"symbol", "exchange_id"}
    for reference in compose(told, fold, at.date, frozenset([symbol])):
        for name, value in msgspec.structs.asdict(reference).items():
            if value is not None and name not in facts:
                yield {"what": name, "value": value, "source": f"days of {origin}"}


def _days(
    store: ColdStore, origin: str, at: AsOf, only: frozenset[str]
) -> Iterator[tuple[dt.date, DayBars, bool]]:
    cal, sessions, session = calendar("XNYS"), [], at.session
    for _ in range(SESSIONS):
        session = session_before(cal, session)
        sessions.append(session)
    for one in reversed(sessions):
        bars = store.day(origin, one.date, at.known_ns)
        if bars is not None:
            yield one.date, bars.of(only) if only else bars, not one.half_day
