"""Compose reference data from Massive's lists and daily bars."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import structs

from tapelight.feeds.massive.payloads import (
    Condition,
    DayBar,
    Details,
    FreeFloat,
    ShortInterest,
    Split,
    Ticker,
)
from tapelight.feeds.massive.symbols import is_symbol, is_test
from tapelight.model.conditions import KNOWN, US_RULES, ConditionRules
from tapelight.model.daily import DailyFold, levels
from tapelight.model.records import Reference
from tapelight.model.sectors import sector_of_sic

TYPES = {"ADRC": "ADR", "ADRP": "PFD", "ADRW": "WARRANT", "ADRR": "RIGHT", "OS": "CS"}
"""Massive's type codes that our words call otherwise; the rest are taken as they are."""
EXCHANGE_IDS = {"XASE": 1, "XCHI": 9, "XNYS": 10, "ARCX": 11, "XNAS": 12, "LTSE": 14, "IEXG": 15}
EXCHANGE_IDS["BATS"] = 19
"""The ids of listing markets by MIC, as in trades; source: /v3/reference/exchanges."""
FLOAT_SOURCE = "massive"


@dataclass(slots=True)
class Facts:
    """Hold the lists from which references are composed; a missing list is empty."""

    tickers: Sequence[Ticker] = ()
    floats: Sequence[FreeFloat] = ()
    shorts: Sequence[ShortInterest] = ()
    splits: Sequence[Split] = ()
    """Those effective on the session's date."""
    unadjusted: Sequence[DayBar] = ()
    """The last session without adjustment; asked for only when there are splits."""
    missing: list[str] = field(default_factory=list)
    """Which lists the service did not give, in words."""


def references(
    facts: Facts, fold: DailyFold, wanted: frozenset[str] | None = None
) -> list[Reference]:
    """Return a reference for each listed symbol, test symbols left out; one pass, no I/O."""
    known = levels(fold, _pending_splits(facts, fold))
    floats = {f.ticker: f for f in facts.floats}
    shorts = _latest_shorts(facts.shorts)
    ratios = {s.ticker: s.split_from / s.split_to for s in facts.splits if s.split_to > 0}
    tickers = facts.tickers or [Ticker(symbol) for symbol in fold.index]
    return [
        _reference(t, known.get(t.ticker, {}), floats.get(t.ticker), shorts, ratios)
        for t in tickers
        if is_symbol(t.ticker) and not is_test(t.ticker) and (wanted is None or t.ticker in wanted)
    ]


def detailed(reference: Reference, details: Details) -> Reference:
    """Return `reference` with what only the ticker's own page tells."""
    shares = details.share_class_shares_outstanding or details.weighted_shares_outstanding
    return structs.replace(
        reference,
        shares_out=shares or reference.shares_out,
        sector=sector_of_sic(details.sic_code) or reference.sector,
        industry=details.sic_description or reference.industry,
        ipo_date=details.list_date or reference.ipo_date,
    )


def rules_of(conditions: Iterable[Condition]) -> ConditionRules:
    """Return the sale-condition rules with the provider's consolidated rules added.

    Bits are only added to US_RULES: its finer words ("first only", "sold last", Form T by
    phase, auctions) say more than the provider's three flags and stay as they are.
    """
    no_last, no_high_low, no_volume = US_RULES.no_last, US_RULES.no_high_low, US_RULES.no_volume
    finer = US_RULES.first_only | US_RULES.sold_last | US_RULES.auction
    for condition in conditions:
        rules = condition.update_rules.consolidated if condition.update_rules else None
        if rules is None or "trade" not in condition.data_types or condition.id not in KNOWN:
            continue
        bit = 1 << condition.id
        if not rules.updates_open_close and not bit & finer:
            no_last |= bit
        if not rules.updates_high_low:
            no_high_low |= bit
        if not rules.updates_volume:
            no_volume |= bit
    added = no_last & ~US_RULES.no_last
    return structs.replace(
        US_RULES,
        no_last=no_last,
        no_high_low=no_high_low,
        no_volume=no_volume,
        not_clean=US_RULES.not_clean | added,
    )


def _reference(
    ticker: Ticker,
    levels: Mapping[str, float | int | None],
    free: FreeFloat | None,
    shorts: Mapping[str, float],
    ratios: Mapping[str, float],
) -> Reference:
    market = ticker.primary_exchange
    known_float = free is not None and free.free_float is not None and free.free_float > 0
    return Reference(
        symbol=ticker.ticker,
        name=ticker.name,
        exchange=market,
        exchange_id=EXCHANGE_IDS.get(market or "", 0),
        type=TYPES.get(ticker.type or "", ticker.type),
        float_shares=free.free_float if free and known_float else None,
        float_asof=free.effective_date if free and known_float else None,
        float_src=FLOAT_SOURCE if known_float else None,
        short_interest=shorts.get(ticker.ticker),
        split_today=ratios.get(ticker.ticker),
        **levels,  # type: ignore[arg-type]
    )


def _pending_splits(facts: Facts, fold: DailyFold) -> dict[str, float]:
    """Return the factors of today's splits that the adjusted bars do not contain yet.

    The provider adjusts past bars some time on the day of the split. Where the last close with
    and without adjustment are the same, it has not, and each level is adjusted here.
    """
    raw = {b.ticker: b.c for b in facts.unadjusted}
    pending: dict[str, float] = {}
    for split in facts.splits:
        at = fold.index.get(split.ticker)
        if at is None or split.ticker not in raw or split.split_to <= 0:
            continue
        factor = split.split_from / split.split_to
        seen = float(fold.close[at]) / raw[split.ticker]
        if factor > 0 and abs(math.log(seen)) < abs(math.log(factor)) / 2:
            pending[split.ticker] = factor
    return pending


def _latest_shorts(shorts: Iterable[ShortInterest]) -> dict[str, float]:
    latest: dict[str, ShortInterest] = {}
    for row in shorts:
        kept = latest.get(row.ticker)
        if kept is None or row.settlement_date > kept.settlement_date:
            latest[row.ticker] = row
    return {t: s.short_interest for t, s in latest.items() if s.short_interest is not None}
