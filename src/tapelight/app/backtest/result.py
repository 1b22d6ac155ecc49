"""The result of a backtest: a table of all fires with what followed, and its summary."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tapelight.app.backtest.control import Asked, matched
from tapelight.app.backtest.course import NOTHING, Course, courses
from tapelight.app.backtest.day import DayResult
from tapelight.app.backtest.follow import Costs, returns
from tapelight.app.backtest.statistics import hit_rate, mean, median
from tapelight.model.outcomes import HORIZONS, Interval
from tapelight.model.session import MINUTE_NS, NS, iso
from tapelight.model.signals import Signal

Floats = npt.NDArray[np.float64]
BUCKETS = 5
MOST_WORDS = 12
EXTREMES = ("mae_30m", "mfe_30m", "mae", "mfe")
SLOT_MIN = 30


@dataclass(frozen=True, slots=True)
class Backtest:
    """Hold what a backtest found: one row of `fires` for each entry that fired, none left out."""

    name: str
    title: str
    text: str
    """The scan's SQL, or the strategy's parameters."""
    sessions: list[str]
    fires: pl.DataFrame
    control_kind: str
    costs: Costs
    by: tuple[str, ...]
    notes: tuple[str, ...] = ()
    marks: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """Hold one line of a summary: the fires of a bucket at one horizon, in % of the entry."""

    bucket: str
    horizon: str
    fires: int
    n: int
    median: Interval
    mean: Interval
    hit_rate: Interval
    control: float | None
    """Mean of the matched controls, gross."""
    edge: Interval
    """Mean of gross return less matched control."""
    extremes: Mapping[str, float | None] = field(default_factory=dict)


def fires_table(
    days: Sequence[DayResult], by: Sequence[str], costs: Costs, zone: dt.tzinfo
) -> pl.DataFrame:
    """Return one row for each fire, in the order of their marks; unknown is null."""
    parts = [_day_table(day, by, costs, zone) for day in days if day.signals]
    if not parts:
        return pl.DataFrame(schema=_schema(by))
    return pl.concat(parts, how="diagonal_relaxed").sort("ts_ns", "scan", "symbol")


def _schema(by: Sequence[str]) -> dict[str, Any]:
    numbers = ["entry", "half_spread", *_names("gross"), *_names("net"), *EXTREMES, *by, "r"]
    return {
        **dict.fromkeys("session time slot scan symbol side phase".split(), pl.String),
        **dict.fromkeys("ts_ns minute entry_ns".split(), pl.Int64),
        **dict.fromkeys(("quoted", "filled"), pl.Boolean),
        **dict.fromkeys(numbers, pl.Float64),
        **dict.fromkeys("became exit_reason id".split(), pl.String),
    }


def _names(kind: str) -> list[str]:
    return [f"{kind}_{h}" for h in HORIZONS]


def _day_table(day: DayResult, by: Sequence[str], costs: Costs, zone: dt.tzinfo) -> pl.DataFrame:
    followed, session = day.followed, day.session
    assert session is not None
    gross, net, extremes = returns(followed, costs)
    half = costs.half(followed["entry"], followed["entry_half"])
    moments = [dt.datetime.fromtimestamp(s.ts_ns / NS, zone) for s in day.signals]
    noted = [day.noted[s.id] for s in day.signals]
    ends = courses(day.signals, day.later)
    course = [ends.get(s.id, NOTHING) for s in day.signals]
    columns: dict[str, Any] = {
        "session": [day.date] * len(noted),
        "time": [iso(s.ts_ns, zone)[11:23].removesuffix(".000") for s in day.signals],
        "slot": [_slot(m) for m in moments],
        "scan": [s.scan for s in day.signals],
        "symbol": [s.symbol for s in day.signals],
        "side": ["long" if side > 0 else "short" for side in followed["side"].tolist()],
        "phase": [values[0] for values in noted],
        "ts_ns": [s.ts_ns for s in day.signals],
        "minute": -(-(followed["ts_ns"] - session.start_ns) // MINUTE_NS),
        "entry_ns": followed["entry_ns"],
        "entry": followed["entry"],
        "half_spread": half,
        "quoted": ~np.isnan(followed["entry_half"]),
        **dict(zip(_names("gross"), gross.T, strict=True)),
        **dict(zip(_names("net"), net.T, strict=True)),
        **dict(zip(EXTREMES, extremes.T, strict=True)),
        **{name: [v[i] for v in noted] for i, name in enumerate(by, 1)},
        "became": [c.became or None for c in course],
        "filled": [
            None if s.plan is None else c.filled for c, s in zip(course, day.signals, strict=True)
        ],
        "r": [_in_r(c, s, h) for c, s, h in zip(course, day.signals, half.tolist(), strict=True)],
        "exit_reason": [c.reason or None for c in course],
        "id": [s.id for s in day.signals],
    }
    for name in dict.fromkeys(n for s in day.signals for n in s.values if n != "symbol"):
        columns[f"at_{name}"] = [s.values.get(name) for s in day.signals]
    of_type = {"filled": pl.Boolean}
    return pl.DataFrame(columns, schema_overrides=of_type, strict=False, nan_to_null=True)


def _in_r(course: Course, signal: Signal, half: float) -> float | None:
    """Return the outcome in R after a whole spread, None where there is none."""
    if course.r is None or signal.plan is None:
        return None
    return course.r - 2.0 * half / abs(signal.plan.entry - signal.plan.stop)


def _slot(moment: dt.datetime) -> str:
    """Return the half hour of the day, as 09:30."""
    return f"{moment.hour:02d}:{moment.minute // SLOT_MIN * SLOT_MIN:02d}"


def with_control(fires: pl.DataFrame, grids: Sequence[Path]) -> tuple[pl.DataFrame, str]:
    """Return the fires with control_* and edge_* at each horizon, and what the control is."""
    if not len(fires) or not grids:
        empty = {
            f"{k}_{h}": pl.lit(None, pl.Float64) for k in ("control", "edge") for h in HORIZONS
        }
        return fires.with_columns(**empty), "none"
    side = np.where(fires["side"].to_numpy() == "long", 1.0, -1.0)
    asked = Asked(
        fires["session"].to_numpy(), fires["symbol"].to_numpy(), fires["minute"].to_numpy(), side
    )
    control = matched(asked, grids)
    gross = fires.select(_names("gross")).to_numpy()
    means = dict(zip(_names("control"), control.mean.T, strict=True))
    edges = dict(zip(_names("edge"), (gross - control.mean).T, strict=True))
    counts = dict(zip(_names("controls"), control.count.T, strict=True))
    found = pl.DataFrame({**means, **edges, **counts}, nan_to_null=True)
    return fires.hstack(found), control.kind


def lines(fires: pl.DataFrame, bucket: str = "all") -> list[Line]:
    """Return a line for each horizon over all of `fires`."""
    days = fires["session"].to_numpy()
    extremes = {name: median(_values(fires, name)).value for name in EXTREMES}
    found = []
    for horizon in HORIZONS:
        net, edge = _values(fires, f"net_{horizon}"), _values(fires, f"edge_{horizon}")
        control = _values(fires, f"control_{horizon}")
        control = control[~np.isnan(edge)]
        found.append(
            Line(
                bucket=bucket, horizon=horizon, fires=len(fires),
                n=int((~np.isnan(net)).sum()), median=median(net), mean=mean(net, days),
                hit_rate=hit_rate(net), control=float(control.mean()) if len(control) else None,
                edge=mean(edge, days), extremes=extremes,
            )
        )  # fmt: skip
    return found


def _values(fires: pl.DataFrame, name: str) -> Floats:
    """Return a column's numbers, null as NaN."""
    return fires[name].cast(pl.Float64).to_numpy().astype(np.float64, copy=True)


def buckets(fires: pl.DataFrame, column: str) -> list[Line]:
    """Return lines by bucket: quintiles of a number, the most frequent words of a text."""
    if not len(fires):
        return []
    most = len(fires) if column == "slot" else MOST_WORDS
    named = fires.with_columns(_bucket=_bucket(fires[column], most))
    order = named.group_by("_bucket", maintain_order=False).agg(
        pl.len(), place=pl.col(column).min()
    )
    last = pl.col("_bucket").is_in(["other", "unknown"])
    order = order.sort(last, "place", "_bucket", nulls_last=True)
    found: list[Line] = []
    for name in order["_bucket"].to_list():
        part = named.filter(pl.col("_bucket") == name)
        found += lines(part, name)
    return found


def _bucket(values: pl.Series, most: int) -> pl.Series:
    """Return each value's bucket in words."""
    if values.dtype.is_numeric():
        return _quantile_bucket(values.cast(pl.Float64))
    words = values.cast(pl.String)
    common = words.drop_nulls().value_counts(sort=True)[words.name].head(most).to_list()
    kept = [w if w in common else "other" if w is not None else "unknown" for w in words]
    return pl.Series("_bucket", kept, pl.String)


def _quantile_bucket(values: pl.Series) -> pl.Series:
    numbers = values.to_numpy().astype(np.float64, copy=True)
    known = numbers[~np.isnan(numbers)]
    if not len(known):
        return pl.Series("_bucket", ["unknown"] * len(numbers))
    cuts = np.unique(np.quantile(known, np.linspace(0.0, 1.0, BUCKETS + 1)))
    if len(cuts) == 1:
        cuts = np.array([cuts[0], cuts[0]])
    place = np.clip(np.searchsorted(cuts, numbers, "right") - 1, 0, len(cuts) - 2)
    names = [f"{_short(a)} .. {_short(b)}" for a, b in pairwise(cuts.tolist())]
    found = ["unknown" if v != v else names[p] for v, p in zip(numbers, place, strict=True)]
    return pl.Series("_bucket", found, pl.String)


def _short(value: float) -> str:
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"
