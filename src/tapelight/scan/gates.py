"""What every strategy asks besides its own conditions: PRODUCT's common frame, as leaves."""

import numpy as np

from tapelight.scan.strategy import (
    Common,
    Condition,
    Entries,
    Floats,
    Look,
    above,
    at_least,
    at_most,
    below,
    either,
    is_false,
    is_true,
    tick_of,
)

LIMIT_PCT = 0.1
LIMIT_TICKS = 3.0


def common_gates(look: Look, p: Common, gated: frozenset[str]) -> list[Condition]:
    """Return the gates on price, liquidity, quote, tape, state and clock."""
    found: list[Condition] = []
    if "last" in gated:
        last = look["last"]
        found += [at_least("last", last, p.last_min), at_most("last", last, p.last_max)]
    if "liquidity" in gated:
        usual = at_least("adv20 or rvol_tod", look["adv20"], p.adv20_min)
        found.append(either(usual.name, usual, at_least("", look["rvol_tod"], p.rvol_tod_or)))
    if "spread_pct" in gated:
        found.append(at_most("spread_pct", look["spread_pct"], p.spread_pct_max))
    if "trade_rate" in gated:
        found.append(at_least("trade_rate", look["trade_rate"], p.trade_rate_min))
    found += [is_false(name, look[name]) for name in ("halted", "stale", "provisional")]
    return [*found, *_clock(look, p), *_muted(look, p)]


def _clock(look: Look, p: Common) -> list[Condition]:
    """Return the hours of entries, as offsets from the session's open and close."""
    session = look.moment.session
    since = look.full(look.minutes)
    until = look.full((session.close_ns - look.now_ns) / 60e9 if session else np.nan)
    found = [at_least("minutes_since_open", since, p.begin_min)]
    if p.end_min:
        found.append(below("minutes_since_open", since, p.end_min))
    found.append(above("minutes_to_close", until, max(p.last_entry_min, p.flat_min)))
    return found


def _muted(look: Look, p: Common) -> list[Condition]:
    if not p.mute_resume_s:
        return []
    resumed = look.state("resume_ns")
    since_s = np.where(resumed > 0, (look.now_ns - resumed) / 1e9, np.inf)
    return [at_least("secs_since_resume", since_s, p.mute_resume_s)]


def plan_gates(look: Look, p: Common, entries: Entries, shorts: bool) -> list[Condition]:
    """Return the bounds on risk R, and on short sales under the restriction."""
    entry, spread = entries.entry, look["spread"]
    risk = entries.side * (entry - entries.stop)
    pct = 100.0 * risk / np.where(entry > 0.0, entry, np.nan)
    wide = risk < p.risk_spreads_min * spread
    found = [
        is_true("side is known", entries.side != 0),
        at_least("risk_pct", pct, p.risk_pct_min),
        at_most("risk_pct", pct, p.risk_pct_max),
        Condition("risk", risk, ">=", p.risk_spreads_min * spread, ~wide),
    ]
    if shorts:
        quoted = (entries.side > 0) | ~look["ssr"] | ~np.isnan(look["bid"])
        found.append(is_true("short sale is allowed", quoted))
    return found


def limits(look: Look, entries: Entries) -> Floats:
    """Return the worst price at which to enter: trigger + max(0.1 %, 3 ticks, 1 spread).

    Mirrored for shorts; under the short-sale restriction (Rule 201) at least a tick above the
    national best bid.
    """
    entry, spread = entries.entry, np.nan_to_num(look["spread"], nan=0.0)
    tick = tick_of(entry)
    room = np.maximum(np.maximum(LIMIT_PCT / 100.0 * entry, LIMIT_TICKS * tick), spread)
    limit = entry + entries.side * room
    restricted = (entries.side < 0) & look["ssr"]
    return np.asarray(np.where(restricted, np.fmax(limit, look["bid"] + tick), limit))
