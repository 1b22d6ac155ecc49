"""One session's minutes by symbol, folded from trades or minute bars: days and volume profiles.

A part is a frame of (symbol, minute, at, o, h, l, c, v, weak): prices of the regular session alone,
null where no print of the minute may move them; `weak` is the last price that counts only where no
better one does; `v` counts from 04:00. Parts of one session can be put together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from tapelight.model.conditions import US_RULES, mask_of
from tapelight.model.past import DayBars
from tapelight.model.session import MINUTE_NS, Session

MINUTES = 960
PART = ["symbol", "minute", "at", *"ohlcv", "weak"]


@dataclass(frozen=True, slots=True)
class SessionDay:
    """Hold what a file tells of one session."""

    kind: str
    """trades, minutes or days."""
    session: Session
    bars: DayBars
    symbols: list[str]
    """Of the rows of `minutes`."""
    minutes: npt.NDArray[np.float32] | None
    """Shares by minute after 04:00, shape (symbols, 960); None where the file holds days alone."""
    rows: int
    rejected: int
    """Rows without a symbol, a time of the session, a price or a size."""


def day_of_parts(
    kind: str, session: Session, parts: Sequence[pl.DataFrame], rows: int, kept: int
) -> SessionDay:
    """Return the session that the parts tell of."""
    whole = _merged(pl.concat(parts))
    symbols, matrix = _matrix(whole)
    return SessionDay(kind, session, _day_bars(whole), symbols, matrix, rows, rows - kept)


def bars_of(days: pl.DataFrame) -> DayBars:
    """Return a frame of (symbol, o, h, l, c, v) as columns."""
    columns = (days[c].cast(pl.Float64).fill_null(float("nan")).to_numpy() for c in "ohlcv")
    return DayBars(days["symbol"].to_list(), *columns)


def inside(session: Session) -> pl.Expr:
    """Tell which rows lie in the session by their time `at`."""
    return (pl.col("at") >= session.start_ns) & (pl.col("at") < session.end_ns)


def minute_part(bars: pl.DataFrame, session: Session) -> pl.DataFrame:
    """Return the part of sound minute bars: symbol, at (start, ns), o, h, l, c, v."""
    minute = ((pl.col("at") - session.start_ns) // MINUTE_NS).cast(pl.Int32)
    regular = (pl.col("at") >= session.open_ns) & (pl.col("at") < session.close_ns)
    prices = {c: pl.when(regular).then(pl.col(c)) for c in "ohlc"}
    part = bars.select("symbol", "at", "v", minute=minute, **prices)
    return part.with_columns(weak=pl.col("c")).select(PART)


def trade_part(trades: pl.DataFrame, session: Session) -> pl.DataFrame:
    """Return the part of sound trades: symbol, at, seq, price, size, conditions (ids as text)."""
    found = _ruled(trades, session).sort("at", "seq", maintain_order=True)
    part = found.group_by("symbol", "minute", maintain_order=True).agg(
        pl.col("at").first(),
        o=pl.col("any").drop_nulls().first(),
        h=pl.col("wide").max(),
        l=pl.col("wide").min(),
        c=pl.col("last").drop_nulls().last(),
        v=pl.col("shares").sum(),
        weak=pl.col("any").drop_nulls().last(),
    )
    return part.select(PART)


def _ruled(frame: pl.DataFrame, session: Session) -> pl.DataFrame:
    """Add what each print may move: shares, last, any (also weak ones), wide (high and low)."""
    texts = frame["conditions"].unique()
    masks = [mask_of(int(i) for i in (t or "").split(",") if i.strip().isdigit()) for t in texts]
    rules = pl.DataFrame(
        {
            "conditions": texts,
            "counts": [not m & US_RULES.no_volume for m in masks],
            "moves": [not m & US_RULES.no_last for m in masks],
            "strong": [not m & (US_RULES.first_only | US_RULES.sold_last) for m in masks],
            "widens": [not m & US_RULES.no_high_low for m in masks],
            "closing": [bool(m & US_RULES.closing) for m in masks],
        }
    )
    frame = frame.join(rules, on="conditions", how="left", nulls_equal=True)
    at = pl.col("at")
    regular = (at >= session.open_ns) & ((at < session.close_ns) | pl.col("closing"))
    return frame.with_columns(
        minute=((at - session.start_ns) // MINUTE_NS).cast(pl.Int32),
        shares=pl.when(pl.col("counts")).then(pl.col("size")).otherwise(0.0),
        any=pl.when(regular & pl.col("moves")).then(pl.col("price")),
        last=pl.when(regular & pl.col("moves") & pl.col("strong")).then(pl.col("price")),
        wide=pl.when(regular & pl.col("widens")).then(pl.col("price")),
    )


def _merged(parts: pl.DataFrame) -> pl.DataFrame:
    """Return one row a symbol and minute: those that two pieces share are put together."""
    return (
        parts.sort("at", maintain_order=True)
        .group_by("symbol", "minute", maintain_order=True)
        .agg(
            pl.col("o").drop_nulls().first(),
            pl.col("h").max(),
            pl.col("l").min(),
            pl.col("c").drop_nulls().last(),
            pl.col("v").sum(),
            pl.col("weak").drop_nulls().last(),
        )
        .sort("symbol", "minute")
    )


def _day_bars(minutes: pl.DataFrame) -> DayBars:
    """Return whole days: prices of the regular session, shares since 04:00."""
    days = minutes.group_by("symbol", maintain_order=True).agg(
        pl.col("o").drop_nulls().first(),
        pl.col("h").max(),
        pl.col("l").min(),
        pl.coalesce(pl.col("c").drop_nulls().last(), pl.col("weak").drop_nulls().last()),
        pl.col("v").sum(),
    )
    return bars_of(days.filter(pl.col("c").is_not_null() & pl.col("h").is_not_null()))


def _matrix(minutes: pl.DataFrame) -> tuple[list[str], npt.NDArray[np.float32]]:
    symbols = minutes["symbol"].unique(maintain_order=True).to_list()
    row = minutes["symbol"].cast(pl.Enum(symbols)).to_physical().to_numpy()
    matrix = np.zeros((len(symbols), MINUTES), np.float32)
    np.add.at(matrix, (row, minutes["minute"].to_numpy()), minutes["v"].to_numpy())
    return symbols, matrix
