"""References: what facts, splits and past days together say of each symbol before a session."""

import datetime as dt

from tapelight.model.daily import DailyFold, SectorMoves, levels
from tapelight.model.past import Told, split_today, symbols_listed, values_by_symbol
from tapelight.model.records import Reference


def compose(
    told: Told, fold: DailyFold, session: dt.date, wanted: frozenset[str] | None = None
) -> list[Reference]:
    """Return a reference for each listed symbol, or of all with a day where no list is known.

    With `wanted`, of those that are listed or have a day. `fold` holds the days before `session` in its shares; each level is adjusted there, once.
    One pass, no I/O.
    """
    known, values = levels(fold), values_by_symbol(told.facts)
    moves, splits = SectorMoves(fold), split_today(told.splits, session)
    listed = symbols_listed(told.facts) or set(fold.index)
    chosen = sorted(listed if wanted is None else (listed | set(fold.index)) & wanted)
    found: list[Reference] = []
    for symbol in chosen:
        said = values.get(symbol, {})
        sector = said.get("sector")
        found.append(
            Reference(
                symbol=symbol,
                split_today=splits.get(symbol),
                corr_sector_20d=moves.correlation(symbol, str(sector)) if sector else None,
                **known.get(symbol, {}),  # type: ignore[arg-type]
                **said,  # type: ignore[arg-type]
            )
        )
    return found
