"""The newest option chain of a symbol with what each quote implies, one expiration at a time."""

import datetime as dt

import numpy as np

from tapelight.analytics.chain import each_contract
from tapelight.engine import Engine
from tapelight.errors import Missing
from tapelight.model.batch import Floats
from tapelight.model.options import Chain
from tapelight.model.session import NS
from tapelight.ports import Json

SIDES = (("call", 1), ("put", 0))


class EngineChains:
    """Answer for the chains that tier 3 has brought."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def chain(self, symbol: str, expiry: str) -> dict[str, Json]:
        """Return the contracts of one expiration by strike; without `expiry`, of the nearest.

        Raises KeyError for an unwatched symbol, Missing where no such chain or expiration is there.
        """
        table = self._engine.table
        table.universe.rows[symbol]
        chain = table.options.chains.get(symbol)
        if chain is None or not len(chain):
            raise Missing(
                f"No option chain of {symbol} is there: the rows of highest conviction have theirs "
                "every five minutes of regular hours ([options] symbols)."
            )
        dates = {_date(int(ns)): int(ns) for ns in np.unique(chain.expiry_ns)}
        chosen = expiry or next(iter(dates))
        if chosen not in dates:
            raise Missing(f"{symbol} has no expiration {chosen}: it has {', '.join(dates)}.")
        return {
            "symbol": symbol, "spot": _told(chain.spot), "ts_ns": chain.ts_recv_ns,
            "expirations": list(dates), "expiry": chosen, "rows": _rows(chain, dates[chosen]),
        }  # fmt: skip


def _date(expiry_ns: int) -> str:
    # The regular close in New York is on the same day in UTC.
    return dt.datetime.fromtimestamp(expiry_ns // NS, dt.UTC).date().isoformat()


def _rows(chain: Chain, expiry_ns: int) -> list[dict[str, Json]]:
    """Return a row a strike, lowest first; a side that is not listed is None."""
    volatility, greeks = each_contract(chain, chain.ts_recv_ns)
    columns = {
        "bid": chain.bid, "ask": chain.ask, "volume": chain.volume, "iv": 100.0 * volatility,
        "open_interest": chain.open_interest, "delta": greeks.delta, "gamma": greeks.gamma,
        "theta": greeks.theta, "vega": greeks.vega,
    }  # fmt: skip
    here = np.flatnonzero(chain.expiry_ns == expiry_ns)
    rows: dict[float, dict[str, Json]] = {
        strike: {"strike": strike, "call": None, "put": None}
        for strike in np.unique(chain.strike[here]).tolist()
    }
    for side, call in SIDES:
        for at in here[chain.call[here] == call].tolist():
            rows[float(chain.strike[at])][side] = _contract(columns, at)
    return list(rows.values())


def _contract(columns: dict[str, Floats], at: int) -> dict[str, Json]:
    return {name: _told(float(values[at])) for name, values in columns.items()}


def _told(value: float) -> float | None:
    """Return a value of six digits; None where it is unknown."""
    return float(f"{value:.6g}") if value == value else None
