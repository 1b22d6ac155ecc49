"""Volume baselines: own sessions become profiles at their end, and are read at the next start."""

from pathlib import Path

import structlog

from tapelight.engine import Engine
from tapelight.errors import Rejected
from tapelight.market.baseline import market_curve
from tapelight.model.records import Profile
from tapelight.model.session import MINUTE_NS, Calendar, Session, latest_session
from tapelight.model.universe import Universe
from tapelight.stores.profiles import MINUTES, read_profile, write_session

log = structlog.get_logger()


def profile_for(data: Path, calendar: Calendar, now_ns: int, universe: Universe) -> Profile:
    """Return the baseline of a start at `now_ns`: recorded sessions where there are, and the curve."""
    session = latest_session(calendar, now_ns)
    curve = _curve(session)
    try:
        own = read_profile(data / "profiles", session.date, universe, curve.minute)
    except Rejected as error:
        log.warning("profiles left out", reason=str(error))
        own = None
    return own or curve


def _curve(session: Session) -> Profile:
    """Return the shipped curve, laid over the exchange's hours."""
    if session.half_day or session.minutes > MINUTES:
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
        and session.minutes <= MINUTES
    )


def record_session(data: Path, engine: Engine, session: Session) -> Path | None:
    """Write the session's minute volumes as a profile; None when nothing traded."""
    bars = engine.table.bars.all()
    if not len(bars):
        return None
    minutes = bars["minute"] - session.start_ns // MINUTE_NS
    inside = (minutes >= 0) & (minutes < MINUTES)
    bars, minutes = bars[inside], minutes[inside]
    symbols = engine.table.universe.symbols
    return write_session(
        data / "profiles", session.date, symbols, bars["row"], minutes, bars["volume"]
    )
