"""Volume baselines: own sessions become profiles at their end, and are read at the next start."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import structlog

from tapelight.engine import Engine
from tapelight.errors import ConfigError, Rejected
from tapelight.market.baseline import market_curve
from tapelight.market.row import closes
from tapelight.model.past import DayBars
from tapelight.model.records import Profile
from tapelight.model.session import MINUTE_NS, Session
from tapelight.model.universe import Universe
from tapelight.stores.cold.store import DAY_MINUTES, ColdStore, UsualVolumes

log = structlog.get_logger()
FAR_NS = 1 << 62


@dataclass(frozen=True, slots=True)
class Volumes:
    """Hold what a session leaves: its bars, and its shares by minute after 04:00."""

    symbols: list[str]
    minutes: npt.NDArray[np.float32]
    bars: DayBars


def profile_for(data: Path, origin: str, session: Session, universe: Universe) -> Profile:
    """Return the baseline of a session: the origin's own past ones where there are, and the curve."""
    return placed(usual_volumes(data, origin, session), session, universe)


def usual_volumes(
    data: Path, origin: str, session: Session, known_ns: int = FAR_NS
) -> UsualVolumes | None:
    """Read what the origin's own past sessions say; None where none is kept. For any thread."""
    if not ColdStore.there(data):
        return None
    try:
        store = ColdStore(data)
        try:
            return store.usual_volumes(origin, session.date, known_ns)
        finally:
            store.close()
    except (Rejected, ConfigError) as error:
        log.warning("profiles left out", reason=str(error))
        return None


def placed(
    found: UsualVolumes | None, session: Session, universe: Universe, date: str = ""
) -> Profile:
    """Return the record of a baseline that holds from `date` on, at once where that is empty."""
    curve = _curve(session)
    if found is None:
        return replace(curve, session=date)
    return found.profile(curve.minute, universe, date)


def _curve(session: Session) -> Profile:
    """Return the shipped curve, laid over the exchange's hours."""
    if session.half_day or session.minutes > DAY_MINUTES:
        return market_curve()
    open_, close = (
        (ns - session.start_ns) // MINUTE_NS for ns in (session.open_ns, session.close_ns)
    )
    return market_curve(open_, close, session.minutes)


def whole_session(session: Session, since_ns: int) -> bool:
    """Tell whether a run that began at `since_ns` saw a full day from its start."""
    return (
        since_ns <= session.start_ns + 5 * MINUTE_NS
        and not session.half_day
        and session.minutes <= DAY_MINUTES
    )


def session_volumes(engine: Engine, session: Session) -> Volumes | None:
    """Return what the table holds of its session; None when nothing traded."""
    bars = engine.table.bars.all()
    if not len(bars):
        return None
    minutes = bars["minute"] - session.start_ns // MINUTE_NS
    inside = (minutes >= 0) & (minutes < DAY_MINUTES)
    bars, minutes = bars[inside], minutes[inside]
    traded, place = np.unique(bars["row"], return_inverse=True)
    matrix = np.zeros((len(traded), DAY_MINUTES), np.float32)
    matrix[place, minutes] = bars["volume"]
    symbols = engine.table.universe.symbols
    return Volumes([symbols[i] for i in traded.tolist()], matrix, _day_bars(engine))


def keep_session(
    data: Path, origin: str, volumes: Volumes, session: Session, now_ns: int
) -> list[str]:
    """Keep the session's bars and minute volumes; return what became of each. For any thread."""
    store = ColdStore(data)
    try:
        source = f"recorded {session.date}"
        day = store.keep_day(origin, session, volumes.bars, source, now_ns, derived=True)
        shares = store.keep_minutes(
            origin, session, volumes.symbols, volumes.minutes, source, now_ns
        )
    finally:
        store.close()
    return [day.words, shares.words]


def _day_bars(engine: Engine) -> DayBars:
    """Return the regular session's prices and the day's shares of the rows that traded in it."""
    live = engine.table.live
    close = closes(live)
    at = np.flatnonzero(np.isfinite(close) & (live["high"] >= live["low"]) & (live["vol"] > 0))
    symbols = engine.table.universe.symbols
    columns = (live["open"], live["high"], live["low"], close, live["vol"])
    return DayBars([symbols[i] for i in at.tolist()], *(c[at].astype(np.float64) for c in columns))
