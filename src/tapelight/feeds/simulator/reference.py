"""Reference data over REST: tickers, floats, splits, short interest, conditions, exchanges, news."""

import datetime as dt

import numpy as np

from tapelight.feeds.simulator.market import MS
from tapelight.feeds.simulator.names import TEST_SYMBOL
from tapelight.feeds.simulator.simulation import Simulation
from tapelight.model.conditions import US_RULES, mask_of
from tapelight.model.session import iso, session_before

Json = dict[str, object]

_NAMES = {
    0: "Regular Sale", 1: "Acquisition", 2: "Average Price Trade", 3: "Automatic Execution",
    4: "Bunched Trade", 5: "Bunched Sold Trade", 7: "Cash Sale", 8: "Closing Prints",
    9: "Cross Trade", 10: "Derivatively Priced", 11: "Distribution", 12: "Form T",
    13: "Extended Trading Hours (Sold Out of Sequence)", 14: "Intermarket Sweep",
    15: "Market Center Official Close", 16: "Market Center Official Open",
    17: "Market Center Opening Trade", 18: "Market Center Reopening Trade",
    19: "Market Center Closing Trade", 20: "Next Day", 21: "Price Variation Trade",
    22: "Prior Reference Price", 23: "Rule 155 Trade (AMEX)", 24: "Rule 127 NYSE",
    25: "Opening Prints", 27: "Stopped Stock (Regular Trade)", 28: "Re-Opening Prints",
    29: "Seller", 30: "Sold Last", 32: "Sold (Out of Sequence)", 34: "Split Trade",
    36: "Yellow Flag Regular Trade", 37: "Odd Lot Trade", 38: "Corrected Consolidated Close",
    41: "Trade Thru Exempt", 52: "Contingent Trade", 53: "Qualified Contingent Trade",
}  # fmt: skip
_EXCHANGES = {
    1: ("NYSE American", "XASE", "A"), 2: ("Nasdaq BX", "XBOS", "B"),
    3: ("NYSE National", "XCIS", "C"), 4: ("FINRA TRF", "FINY", "D"),
    7: ("Cboe EDGA", "EDGA", "J"), 8: ("Cboe EDGX", "EDGX", "K"), 9: ("NYSE Chicago", "XCHI", "M"),
    10: ("New York Stock Exchange", "XNYS", "N"), 11: ("NYSE Arca", "ARCX", "P"),
    12: ("Nasdaq", "XNAS", "T"), 15: ("IEX", "IEXG", "V"), 17: ("Nasdaq PHLX", "XPHL", "X"),
    18: ("Cboe BYX", "BATY", "Y"), 19: ("Cboe BZX", "BATS", "Z"),
    20: ("MIAX Pearl", "EPRL", "H"), 21: ("Members Exchange", "MEMX", "U"),
}  # fmt: skip
SECOND = 1_000_000_000
RUNS_WITH_NEWS = 0.5
_SIC = {
    "Technology": "7372", "Health Care": "2836", "Financials": "6022", "Industrials": "3560",
    "Consumer Discretionary": "5651", "Consumer Staples": "2000", "Energy": "1311",
    "Real Estate": "6798", "Materials": "1040", "Communication Services": "4841",
    "Utilities": "4911",
}  # fmt: skip
"""A code of each sector; a fund has none."""
_HEADLINES = (
    "{name} raises its outlook for the year", "{name} reports quarterly results",
    "{name} announces a contract award", "{name} prices a public offering",
    "{name} to be bought in an all-cash deal", "FDA grants clearance to {name}",
)  # fmt: skip


def conditions() -> list[Json]:
    """Return the trade conditions with their consolidated update rules."""
    return [_condition(number, name) for number, name in _NAMES.items()]


def _condition(number: int, name: str) -> Json:
    mask = mask_of([number])
    last = US_RULES.no_last | US_RULES.first_only
    rules = {
        "updates_high_low": mask & US_RULES.no_high_low == 0,
        "updates_open_close": mask & last == 0,
        "updates_volume": mask & US_RULES.no_volume == 0,
    }
    return {
        "id": number, "type": "sale_condition", "name": name, "asset_class": "stocks",
        "data_types": ["trade"], "update_rules": {"consolidated": rules, "market_center": rules},
    }  # fmt: skip


def exchanges() -> list[Json]:
    """Return the exchanges by id."""
    return [
        {
            "id": number, "type": "TRF" if number == 4 else "exchange", "asset_class": "stocks",
            "locale": "us", "name": name, "mic": mic, "operating_mic": mic,
            "participant_id": participant,
        }
        for number, (name, mic, participant) in _EXCHANGES.items()
    ]  # fmt: skip


def listed(simulation: Simulation) -> list[int]:
    """Return the rows of the reference list in the order of their symbols."""
    symbols = simulation.listing.symbols
    rows = [row for row, symbol in enumerate(symbols) if symbol != TEST_SYMBOL]
    return sorted(rows, key=symbols.__getitem__)


def ticker(simulation: Simulation, row: int) -> Json:
    """Return one element of the ticker list."""
    company = simulation.listing.companies[row]
    return {
        "ticker": company.symbol, "name": company.name, "market": "stocks", "locale": "us",
        "primary_exchange": company.mic, "type": company.type, "active": True,
        "currency_name": "usd", "cik": f"{1_000_000 + row:010d}",
        "last_updated_utc": "2026-11-20T00:00:00Z",
    }  # fmt: skip


def details(simulation: Simulation, row: int) -> Json:
    """Return the ticker details."""
    listing, company = simulation.listing, simulation.listing.companies[row]
    shares = float(listing.shares_out[row])
    listed_on = dt.date(1995, 1, 3) + dt.timedelta(days=int(row * 7919 % 11_000))
    return {
        **ticker(simulation, row),
        "market_cap": round(shares * float(simulation.totals.prev_close[row]), 2),
        "share_class_shares_outstanding": int(shares),
        "weighted_shares_outstanding": int(shares),
        "round_lot": int(listing.round_lot[row]),
        "list_date": listed_on.isoformat(),
        **({"sic_code": _SIC[company.sector]} if company.sector in _SIC else {}),
        "sic_description": company.industry.upper(),
    }


def free_float(simulation: Simulation, row: int) -> Json:
    """Return one element of the float list."""
    shares = float(simulation.listing.float_shares[row])
    percent = shares / float(simulation.listing.shares_out[row]) * 100.0
    return {
        "ticker": simulation.listing.symbols[row], "free_float": int(shares),
        "free_float_percent": round(percent, 2), "effective_date": "2026-11-13",
    }  # fmt: skip


def short_interest(simulation: Simulation, row: int) -> Json:
    """Return one element of the short interest list."""
    listing = simulation.listing
    short = round(float(listing.float_shares[row]) * (0.005 + row * 31 % 97 / 600.0))
    volume = max(1.0, float(simulation.tape.day.plan.adv[row]))
    return {
        "ticker": listing.symbols[row], "settlement_date": "2026-10-30",
        "short_interest": short, "avg_daily_volume": round(volume),
        "days_to_cover": round(max(1.0, short / volume), 2),
    }  # fmt: skip


def split_rows(simulation: Simulation) -> list[int]:
    """Return the rows with a split effective on the first session."""
    return sorted(simulation.listing.splits)


def split(simulation: Simulation, row: int) -> Json:
    """Return one element of the splits list (both endpoints' fields)."""
    split_from, split_to = simulation.listing.splits[row]
    date = simulation.calendar.date_of(simulation.start_ms * MS)
    return {
        "ticker": simulation.listing.symbols[row], "execution_date": date.isoformat(),
        "split_from": split_from, "split_to": split_to,
        "adjustment_type": "reverse_split" if split_from > split_to else "forward_split",
        "historical_adjustment_factor": split_from / split_to,
    }  # fmt: skip


def news(simulation: Simulation) -> list[Json]:
    """Return what was published up to now on gappers and on every second run, newest first."""
    plan = simulation.tape.day.plan
    before = session_before(simulation.calendar, plan.session).close_ns
    rng = np.random.default_rng([simulation.options.seed, 7, plan.session.date.toordinal()])
    gappers = plan.gaps.rows
    latest = plan.session.open_ns - 3_600_000_000_000
    overnight = rng.integers(before, latest, len(gappers))
    runs = np.flatnonzero(rng.random(len(plan.moves.row)) < RUNS_WITH_NEWS)
    rows = np.concatenate([gappers, plan.moves.row[runs]])
    times = np.concatenate([overnight, plan.moves.start_ms[runs] * MS]) // SECOND * SECOND
    picks = rng.integers(0, len(_HEADLINES), len(rows))
    order = np.argsort(times, kind="stable")[::-1]
    return [
        _article(simulation, int(rows[k]), int(times[k]), _HEADLINES[picks[k]])
        for k in order[times[order] <= simulation.now_ms * MS].tolist()
    ]


def _article(simulation: Simulation, row: int, at_ns: int, headline: str) -> Json:
    company = simulation.listing.companies[row]
    published = iso(at_ns, dt.UTC).replace(".000+00:00", "Z")
    return {
        "id": f"{company.symbol}-{at_ns // 1_000_000_000}",
        "publisher": {"name": "Simulated Newswire", "homepage_url": "https://example.com"},
        "title": headline.format(name=company.name), "author": "Simulated Newswire",
        "published_utc": published, "tickers": [company.symbol],
        "article_url": f"https://example.com/{company.symbol}",
    }  # fmt: skip
