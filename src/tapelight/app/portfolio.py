"""The risk of what is held: from positions, the live table's volatility and beta, and simulation."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tapelight.analytics.portfolio import (
    Risk,
    exposure,
    of_profits,
    one_index,
    parametric,
    simulated,
)
from tapelight.engine import Engine
from tapelight.market.columns.benchmark import BENCHMARK
from tapelight.market.text import Text
from tapelight.market.view import View
from tapelight.ports import Json, OrderBooks

PATHS = 20_000
SEED = 20_261_120
"""The same positions give the same picture: it moves by the market alone."""
BINS = 41
MOST = 100
"""Positions that are simulated, the largest first: what the work grows with."""
DAYS_A_YEAR = 252
KEPT_S = 5.0
"""So long an answer is given again: many who look cost no more than one."""


class Known(NamedTuple):
    """Hold what the live table knows of a symbol; None where it knows nothing."""

    sector: str | None
    volatility_pct: float | None
    """Standard deviation a year, of 20 daily returns."""
    beta: float | None


@dataclass(frozen=True, slots=True)
class Held:
    """Hold one position that can be reckoned: shares, whose delta is 1 and gamma 0."""

    symbol: str
    quantity: float
    last: float
    stale: bool
    known: Known

    @property
    def dollars(self) -> float:
        """Return its delta-dollars."""
        return self.quantity * self.last


class PortfolioRisk:
    """Answer for the positions of a desk."""

    def __init__(self, books: OrderBooks, of: Callable[[str], Known]) -> None:
        self._books, self._of = books, of
        self._lock = asyncio.Lock()
        self._kept: dict[tuple[str, float, float], tuple[float, Mapping[str, Json]]] = {}

    async def risk(self, desk: str, confidence: float, days: float) -> Mapping[str, Json]:
        """Return exposure, value at risk, expected shortfall and the picture of the simulation."""
        key = (desk, confidence, days)
        async with self._lock:
            kept = self._kept.get(key)
            if kept is not None and time.monotonic() - kept[0] < KEPT_S:
                return kept[1]
            rows = await self._books.positions(desk)
            known = {
                row["symbol"]: self._of(row["symbol"]) for row in (*rows, {"symbol": BENCHMARK})
            }
            told = await asyncio.to_thread(reckon, rows, known, confidence, days)
            self._kept = {key: (time.monotonic(), told)}
            return told


def known_of(engine: Engine, symbol: str) -> Known:
    """Return what the live table knows of a symbol."""
    row = engine.table.universe.rows.get(symbol)
    if row is None:
        return Known(None, None, None)
    view = View(engine.table, np.array([row], np.intp))
    sector = view["sector"]
    assert isinstance(sector, Text)
    return Known(sector.values()[0], _number(view["hv20"]), _number(view["beta_spy"]))


def _number(column: Any) -> float | None:
    value = float(np.asarray(column, dtype=float)[0])
    return value if np.isfinite(value) else None


def reckon(
    rows: Sequence[Mapping[str, Any]], known: Mapping[str, Known], confidence: float, days: float
) -> dict[str, Json]:
    """Return the risk of positions; those of which too little is known are named, not guessed."""
    index = known[BENCHMARK].volatility_pct
    held, left_out = sorted_out(rows, known, index)
    dollars = np.array([one.dollars for one in held])
    sums = exposure([one.symbol for one in held], [one.known.sector for one in held], dollars)
    told: dict[str, Json] = {
        "days": days, "confidence": confidence, "paths": PATHS, "index": BENCHMARK,
        "net": sums.net, "gross": sums.gross, "long": sums.long, "short": sums.short,
        "by_sector": dict(sums.by_sector), "left_out": left_out,
        "beta_dollars": sum(one.dollars * (one.known.beta or 0.0) for one in held),
        "parametric": None, "monte_carlo": None, "picture": None,
        "rows": [_row(one, confidence, days) for one in held],
    }  # fmt: skip
    if not held or index is None:
        return told
    deviations = np.array([_daily(one.known.volatility_pct) for one in held])
    betas = np.array([one.known.beta for one in held], dtype=float)
    covariance = one_index(deviations, betas, _daily(index))
    profits = simulated(np.random.default_rng(SEED), dollars, covariance, days, PATHS)
    return told | {
        "parametric": _risk(parametric(dollars, covariance, confidence, days)),
        "monte_carlo": _risk(of_profits(profits, confidence)),
        "picture": picture(profits),
    }


def sorted_out(
    rows: Sequence[Mapping[str, Any]], known: Mapping[str, Known], index: float | None
) -> tuple[list[Held], list[dict[str, str]]]:
    """Return the positions that can be reckoned, the largest first, and why others can't be."""
    held, left_out = [], []
    for row in rows:
        of, quantity = known[row["symbol"]], float(row["quantity"])
        reason = _lacks(row, of, index)
        if reason:
            left_out.append({"symbol": row["symbol"], "reason": reason})
        elif quantity:
            stale = bool(row.get("stale"))
            held.append(Held(row["symbol"], quantity, float(row["last"]), stale, of))
    held.sort(key=lambda one: -abs(one.dollars))
    many = [{"symbol": one.symbol, "reason": f"beyond the {MOST} largest"} for one in held[MOST:]]
    return held[:MOST], [*left_out, *many]


def _lacks(row: Mapping[str, Any], of: Known, index: float | None) -> str:
    if row["last"] is None:
        return "no price is known"
    if index is None:
        return f"the volatility of {BENCHMARK} is not known"
    if of.volatility_pct is None:
        return "its volatility is not known: fewer than 20 daily bars"
    return "" if of.beta is not None else f"its beta to {BENCHMARK} is not known"


def _row(one: Held, confidence: float, days: float) -> dict[str, Json]:
    alone = np.array([[_daily(one.known.volatility_pct) ** 2]])
    risk = parametric(np.array([one.dollars]), alone, confidence, days)
    return {
        "symbol": one.symbol, "quantity": one.quantity, "last": one.last, "stale": one.stale,
        "sector": one.known.sector, "volatility_pct": one.known.volatility_pct,
        "beta": one.known.beta, "delta_dollars": one.dollars, "delta": one.quantity,
        "gamma": 0.0, "theta": 0.0, "vega": 0.0, "value_at_risk": risk.value_at_risk,
    }  # fmt: skip


def picture(profits: Any) -> dict[str, Json]:
    """Return the simulated profits as counts of equal steps from the lowest to the highest."""
    counts, edges = np.histogram(profits, BINS)
    return {
        "low": float(edges[0]), "high": float(edges[-1]), "counts": counts.tolist(),
        "mean": float(profits.mean()), "deviation": float(profits.std()),
        "loss_share": float(np.count_nonzero(profits < 0.0) / len(profits)),
    }  # fmt: skip


def _daily(volatility_pct: float | None) -> float:
    assert volatility_pct is not None
    return volatility_pct / 100.0 / float(np.sqrt(DAYS_A_YEAR))


def _risk(risk: Risk) -> dict[str, Json]:
    return dict(risk._asdict())
