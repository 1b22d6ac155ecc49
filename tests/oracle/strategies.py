"""S1, S2 and S6 over seeded sessions by Polars: nothing of the engine or the strategies is used.

Written from PRODUCT.md: what each strategy looks at is a frame over (mark, symbol), bars are
grouped from prints, averages are looped, and what needs memory is walked mark by mark.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import polars as pl

Tape = Any
"""A session's prints and quotes, as the seeded generator gives them."""


NS = 1_000_000_000
MINUTE = 60 * NS
PRINTS, SPREAD, STEPS_A_MINUTE = 6, 0.02, 6


class Fire(NamedTuple):
    """One entry: prices rounded to 1/10,000."""

    symbol: str
    mark_ns: int
    side: int
    entry: float
    stop: float


def marks_of(tape: Tape) -> pl.DataFrame:
    """Return a row for each mark and symbol with what the conditions look at."""
    n = len(tape.symbols)
    known = pl.DataFrame(
        [
            {"symbol": r.symbol, "adv20": r.adv20, "atr14": r.atr14, "prev": r.prev_close}
            for r in tape.references
        ]
    )
    frame = pl.DataFrame({
        "mark": np.repeat(tape.marks_ns, n),
        "symbol": tape.symbols * len(tape.marks_ns),
        "price": tape.price.ravel(),
        "size": tape.size.ravel(),
    }).with_columns(pl.col("price").fill_nan(None))  # fmt: skip
    open_ns = tape.session.open_ns
    printed = pl.col("price").is_not_null()
    regular = printed & (pl.col("mark") - NS // 2 >= open_ns)
    frame = frame.join(known, on="symbol").sort("symbol", "mark").with_columns(
        printed=printed,
        regular=regular,
        shares=pl.when(printed).then(pl.col("size") * PRINTS).otherwise(0.0),
        minutes=(pl.col("mark") - open_ns) / MINUTE,
    )  # fmt: skip
    by = "symbol"
    in_hours = pl.when(pl.col("regular")).then(pl.col("price"))
    rth = pl.when(pl.col("regular")).then(pl.col("shares")).otherwise(0.0)
    frame = frame.with_columns(
        last=pl.col("price").forward_fill().over(by),
        hod=pl.col("price").cum_max().forward_fill().over(by),
        high=in_hours.cum_max().forward_fill().over(by),
        low=in_hours.cum_min().forward_fill().over(by),
        open=in_hours.drop_nulls().first().over(by),
        vol_rth=rth.cum_sum().over(by),
        vwap=(rth * pl.col("price").fill_null(0.0)).cum_sum().over(by) / rth.cum_sum().over(by),
        vol_5m=pl.col("shares").rolling_sum(5 * STEPS_A_MINUTE, min_samples=1).over(by),
        rate=pl.col("printed").cast(pl.Float64).rolling_sum(STEPS_A_MINUTE, min_samples=1).over(by)
        * PRINTS / 60.0,
    )  # fmt: skip
    a_minute = pl.col("adv20") / 960
    return frame.with_columns(
        rvol_5m=pl.col("vol_5m") / (5 * a_minute),
        rvol_tod=pl.col("vol_rth")
        / pl.max_horizontal(a_minute * pl.max_horizontal(pl.col("minutes"), 1.0), 1000.0),
        gates=(pl.col("rate") >= 0.5) & (100 * SPREAD / pl.col("last") <= 0.5)
        & (pl.col("last") >= 2) & (pl.col("last") <= 200),
    )  # fmt: skip


def bars_of(tape: Tape, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the minute bars with averages, and the mark at which each is first seen."""
    start = tape.session.start_ns
    minute = (pl.col("mark") - NS // 2 - start) // MINUTE
    bars = (
        frame.filter("printed")
        .with_columns(minute=minute)
        .group_by("symbol", "minute", maintain_order=True)
        .agg(
            o=pl.col("price").first(), h=pl.col("price").max(), lo=pl.col("price").min(),
            c=pl.col("price").last(), v=pl.col("shares").sum(),
        )
        .with_columns(mark=start + (pl.col("minute") + 1) * MINUTE + 10 * NS)
        .sort("symbol", "minute")
    )  # fmt: skip
    parts = []
    for part in bars.partition_by("symbol"):
        c, h, lo = (part[name].to_numpy() for name in ("c", "h", "lo"))
        parts.append(
            part.with_columns(
                pl.Series("ema9", ema(c, 9)), pl.Series("ema20", ema(c, 20)),
                pl.Series("atr", atr(h, lo, c, 14)),
            )
        )  # fmt: skip
    return pl.concat(parts)


def ema(values: np.ndarray, n: int) -> np.ndarray:
    """Return the exponential average that begins with the mean of the first n."""
    out = np.full(len(values), np.nan)
    for i in range(n - 1, len(values)):
        if i == n - 1:
            out[i] = values[:n].mean()
        else:
            out[i] = out[i - 1] + 2.0 / (n + 1) * (values[i] - out[i - 1])
    return out


def atr(h: np.ndarray, lo: np.ndarray, c: np.ndarray, n: int) -> np.ndarray:
    """Return Wilder's average true range; the first bar has none."""
    true = np.maximum(h[1:], c[:-1]) - np.minimum(lo[1:], c[:-1])
    out = np.full(len(c), np.nan)
    for i in range(n, len(c)):
        out[i] = true[:n].mean() if i == n else (out[i - 1] * (n - 1) + true[i - 1]) / n
    return out


def sound_risk(entry: Any, stop: Any, side: int = 1) -> Any:
    """Tell whether R is within the frame's bounds."""
    risk = side * (entry - stop)
    pct = 100.0 * risk / entry
    return (pct >= 0.3) & (pct <= 8.0) & ~(risk < 3 * SPREAD)


def opening_range(tape: Tape, frame: pl.DataFrame) -> Iterator[Fire]:
    """Yield S1's entries: the first print of each symbol at which all holds.

    The ranking is known from the mark after the one at which the range is seen as a bar.
    """
    opens = tape.session.open_ns
    first = frame.filter("regular", pl.col("mark") - NS // 2 < opens + 5 * MINUTE)
    ranges = first.group_by("symbol").agg(
        top=pl.col("price").max(), floor=pl.col("price").min(), o=pl.col("price").first(),
        c=pl.col("price").last(), range_v=pl.col("shares").sum(),
    )  # fmt: skip
    span = pl.col("top") - pl.col("floor")
    side = (pl.col("c") - pl.col("o")).sign()
    beyond = pl.when(side > 0).then(
        (pl.col("last") > pl.col("top")) & (pl.col("last") > pl.col("vwap"))
    ).otherwise((pl.col("last") < pl.col("floor")) & (pl.col("last") < pl.col("vwap")))  # fmt: skip
    held = frame.join(ranges, on="symbol").filter(
        "printed", pl.col("mark") > opens + 5 * MINUTE + 10 * NS, pl.col("minutes") < 60,
        "gates", pl.col("last") >= 5, pl.col("adv20") >= 1e6, pl.col("atr14") >= 0.5, side != 0,
        pl.col("range_v") / (5 * pl.col("adv20") / 960) >= 1.0,
        100 * (pl.col("c") - pl.col("o")).abs() / span >= 10, span <= pl.col("atr14"),
        pl.col("rvol_5m") >= 2, beyond,
    )  # fmt: skip
    for row in held.sort("mark").iter_rows(named=True):
        way = 1 if row["c"] > row["o"] else -1
        edge = row["top"] if way > 0 else row["floor"]
        entry = round(edge + way * 0.01, 4)
        stop = entry - way * 0.10 * row["atr14"]
        if sound_risk(entry, stop, way):
            yield Fire(row["symbol"], row["mark"], way, entry, round(stop, 4))


def reclaims(part: pl.DataFrame, bars: pl.DataFrame, opens: int, start: int) -> pl.DataFrame:
    """Return what S2 knows after each bar of one symbol, at the mark at which it is seen."""
    joined = bars.join(part.select("mark", "vwap"), on="mark").sort("mark").to_dicts()
    below: list[bool] = []
    known: list[dict[str, Any]] = []
    now: dict[str, Any] = {"pct": None, "back": None, "freed": 0}
    for i, bar in enumerate(joined):
        if start + bar["minute"] * MINUTE < opens:
            continue
        under, before = bar["c"] < bar["vwap"], below[-8:]
        weak = (bool(below) and below[-1]) or not (now["pct"] is not None and now["pct"] >= 0.1)
        below.append(under)
        if bar["c"] > bar["vwap"] and weak:
            low = min(b["lo"] for b in joined[max(i - 8, 0) : i])
            past = [b["lo"] for b in joined[max(i - 59, 0) : max(i - 8, 0)]]
            usual = sum(b["v"] for b in joined[i - 20 : i]) / 20 if i >= 20 else None
            near = abs(low - min(past)) / bar["atr"] if past and bar["atr"] > 0 else np.inf
            now |= {
                "pct": 100 * (bar["c"] / bar["vwap"] - 1), "count": sum(before), "top": bar["h"],
                "back": start + (bar["minute"] + 1) * MINUTE,
                "dip": 100 * (1 - low / bar["vwap"]) >= 0.5 or near <= 2.0,
                "busy": usual is not None and bar["v"] / usual >= 1.5,
                "floor": min(b["lo"] for b in joined[max(i - 4, 0) : i + 1]),
            }  # fmt: skip
        if len(below) >= 15 and all(below[-15:]):
            now["freed"] = bar["mark"]
        known.append(now | {"mark": bar["mark"], "under": under, "range": bar["atr"]})
    return pl.DataFrame([k for k in known if k["back"] is not None], infer_schema_length=None)


def vwap_reclaim(tape: Tape, frame: pl.DataFrame, bars: pl.DataFrame) -> Iterator[Fire]:
    """Yield S2's entries: what holds where it did not before, once until 15 closes below."""
    session = tape.session
    for part in frame.partition_by("symbol"):
        symbol = part["symbol"][0]
        own = bars.filter(pl.col("symbol") == symbol).drop("symbol")
        known = reclaims(part, own, session.open_ns, session.start_ns)
        if not len(known):
            continue
        fired, held = 0, False
        for row in part.join_asof(known, on="mark").iter_rows(named=True):
            if row["back"] is None or row["minutes"] < 15:
                continue
            entry = round(row["top"] + 0.01, 4)
            stop = min(row["floor"], entry - row["range"])
            true = (
                row["gates"] and 100 * (row["last"] / row["prev"] - 1) >= 3.0
                and row["count"] >= 6 and row["dip"] and row["pct"] >= 0.1 and row["busy"]
                and row["mark"] - row["back"] <= 3 * MINUTE and not row["under"]
                and (fired == 0 or row["freed"] > fired)
                and row["last"] > row["top"] and sound_risk(entry, stop)
            )  # fmt: skip
            if true and not held:
                fired = row["mark"]
                yield Fire(symbol, fired, 1, entry, round(stop, 4))
            held = true


class Held:
    """Follow one entry of S6 for a minute, once traded until its stop, which trails after 1 R."""

    def __init__(self, entry: float, stop: float, mark: int) -> None:
        self.void = mark + MINUTE
        self.entry, self.stop, self.risk = entry, stop, entry - stop
        self.limit = entry + max(0.001 * entry, 0.03, SPREAD)
        self.filled = self.reached = False

    def ends(self, row: dict[str, Any]) -> bool:
        if row["last"] <= self.stop or (not self.filled and row["mark"] >= self.void):
            return True
        if not self.filled:
            self.filled = row["printed"] and row["last"] <= self.limit
            return False
        self.reached |= row["last"] >= self.entry + self.risk
        if self.reached and row["ema9"] is not None:
            self.stop = max(self.stop, row["ema9"])
        return False


def new_hod(tape: Tape, frame: pl.DataFrame, bars: pl.DataFrame) -> Iterator[Fire]:
    """Yield S6's entries, mark by mark: the base since the high, the leg up to it."""
    averages = bars.select("symbol", "mark", "ema9", "ema20").fill_nan(None)
    seen = frame.sort("mark").join_asof(
        averages.sort("mark"), on="mark", by="symbol", check_sortedness=False
    )
    for part in seen.filter(pl.col("high").is_not_null()).partition_by("symbol"):
        high = at = base = leg = None
        live: Held | None = None
        for row in part.sort("mark").iter_rows(named=True):
            if live is not None and live.ends(row):
                live = None
            last, mark = row["last"], row["mark"]
            if high is None:
                high, at, base, leg = row["high"], mark, last, row["low"]
                continue
            rested = mark - at >= 120 * NS
            entry = round(high + 0.01, 4)
            depth = 100 * (high - base) / (high - leg) if high > leg else np.nan
            if (
                live is None and row["gates"] and rested and 15 <= depth <= 50 and last >= entry
                and row["rvol_tod"] >= 3 and row["rvol_5m"] >= 2 and last > row["vwap"]
                and 100 * (last / row["open"] - 1) >= 2 and row["ema20"] is not None
                and row["ema9"] > row["ema20"] and sound_risk(entry, base)
            ):  # fmt: skip
                live = Held(entry, base, mark)
                yield Fire(row["symbol"], mark, 1, entry, round(base, 4))
            if row["high"] > high:
                leg = base if rested else leg
                high, at, base = row["high"], mark, last
            else:
                base = min(base, last)


def fires(tape: Tape) -> dict[str, list[Fire]]:
    """Return the entries of each strategy, by symbol and time."""
    frame = marks_of(tape)
    bars = bars_of(tape, frame)
    first: dict[str, Fire] = {}
    for fire in opening_range(tape, frame):
        first.setdefault(fire.symbol, fire)
    return {
        "opening_range": sorted(first.values()),
        "vwap_reclaim": sorted(vwap_reclaim(tape, frame, bars)),
        "new_hod": sorted(new_hod(tape, frame, bars)),
    }
