"""Massive's lists in our words: facts, splits, sale-condition rules."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from msgspec import structs

from tapelight.feeds._symbols import is_symbol, is_test
from tapelight.feeds.massive.payloads import (
    Condition,
    Details,
    FreeFloat,
    ShortInterest,
    Split,
    Ticker,
)
from tapelight.model import past as known
from tapelight.model.conditions import KNOWN, US_RULES, ConditionRules
from tapelight.model.past import Fact, Told, Value
from tapelight.model.sectors import sector_of_sic

TYPES = {"ADRC": "ADR", "ADRP": "PFD", "ADRW": "WARRANT", "ADRR": "RIGHT", "OS": "CS"}
"""Massive's type codes that our words call otherwise; the rest are taken as they are."""
EXCHANGE_IDS = {"XASE": 1, "XCHI": 9, "XNYS": 10, "ARCX": 11, "XNAS": 12, "LTSE": 14, "IEXG": 15}
EXCHANGE_IDS["BATS"] = 19
"""The ids of listing markets by MIC, as in trades; source: /v3/reference/exchanges."""
SOURCE = "massive"


@dataclass(slots=True)
class Facts:
    """Hold the lists from which references are composed; a missing list is empty."""

    tickers: Sequence[Ticker] = ()
    floats: Sequence[FreeFloat] = ()
    shorts: Sequence[ShortInterest] = ()
    splits: Sequence[Split] = ()
    """Those effective in the 52 weeks up to the session's date."""
    missing: list[str] = field(default_factory=list)
    """Which lists the service did not give, in words."""


def told_of(facts: Facts, date: dt.date, known_ns: int) -> Told:
    """Return the lists in our words, as of a session's date; test symbols are left out."""
    make = partial(Fact, known_ns=known_ns, source=SOURCE)
    today = date.isoformat()
    found: list[Fact] = []
    found += [
        make(symbol=t.ticker, kind="listing", values=_listing(t), valid_from=today)
        for t in facts.tickers
        if is_symbol(t.ticker) and not is_test(t.ticker)
    ]
    for f in facts.floats:
        if f.free_float is not None and f.free_float > 0:
            at = f.effective_date or today
            values: dict[str, Value] = {
                "float_shares": f.free_float, "float_asof": f.effective_date, "float_src": SOURCE
            }  # fmt: skip
            found.append(make(symbol=f.ticker, kind="float", values=values, valid_from=at))
    for symbol, short in _latest_shorts(facts.shorts).items():
        short_values: dict[str, Value] = {"short_interest": short.short_interest}
        at = short.settlement_date or today
        found.append(make(symbol=symbol, kind="short", values=short_values, valid_from=at))
    splits = [
        known.Split(s.ticker, s.execution_date, s.split_from, s.split_to, SOURCE)
        for s in facts.splits
    ]
    return Told(found, splits)


def page_of(symbol: str, details: Details, date: dt.date, known_ns: int) -> Fact:
    """Return what only the ticker's own page tells."""
    shares = details.share_class_shares_outstanding or details.weighted_shares_outstanding
    values: dict[str, Value] = {
        "shares_out": shares or None,
        "sector": sector_of_sic(details.sic_code),
        "industry": details.sic_description,
        "ipo_date": details.list_date,
    }
    return Fact(
        symbol=symbol,
        kind="page",
        values={name: value for name, value in values.items() if value is not None},
        valid_from=date.isoformat(),
        known_ns=known_ns,
        source=SOURCE,
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


def _listing(ticker: Ticker) -> dict[str, Value]:
    market = ticker.primary_exchange
    values: dict[str, Value] = {
        "name": ticker.name,
        "exchange": market,
        "exchange_id": EXCHANGE_IDS.get(market or "", 0),
        "type": TYPES.get(ticker.type or "", ticker.type),
    }
    return {name: value for name, value in values.items() if value}


def _latest_shorts(shorts: Iterable[ShortInterest]) -> dict[str, ShortInterest]:
    latest: dict[str, ShortInterest] = {}
    for row in shorts:
        kept = latest.get(row.ticker)
        if row.short_interest is not None and (
            kept is None or row.settlement_date > kept.settlement_date
        ):
            latest[row.ticker] = row
    return latest
