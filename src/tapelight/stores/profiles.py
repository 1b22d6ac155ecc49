"""Minute-volume profiles of recorded sessions: one Parquet file a session, the newest 20 are used."""

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tapelight.errors import Rejected
from tapelight.model.records import Profile
from tapelight.model.universe import Universe

KEEP = 20
MINUTES = 960
SCHEMA = {"symbol": pl.String, "minute": pl.Int16, "volume": pl.Float32}


def write_session(
    folder: Path, date: dt.date, symbols: list[str], rows: Any, minutes: Any, volume: Any
) -> Path:
    """Write a full session's bars (row, minute after 04:00, shares), whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    frame = pl.DataFrame(
        {
            "symbol": np.array(symbols, object)[rows],
            "minute": np.asarray(minutes, np.int16),
            "volume": np.asarray(volume, np.float32),
        },
        schema=SCHEMA,
    )
    path = folder / f"{date.isoformat()}.parquet"
    draft = path.with_suffix(".draft")
    frame.write_parquet(draft)
    return draft.replace(path)


def read_profile(
    folder: Path, before: dt.date, universe: Universe, curve: npt.NDArray[np.float64]
) -> Profile | None:
    """Return the mean minute volumes of up to 20 recorded sessions before a date.

    None when nothing is recorded. Symbols are given rows; raises Rejected for a file that is not
    a profile.
    """
    dates = sorted(p.stem for p in folder.glob("????-??-??.parquet"))
    files = [folder / f"{d}.parquet" for d in dates if d < before.isoformat()][-KEEP:]
    if not files:
        return None
    frame = pl.concat([_read(path) for path in files])
    counts = frame.group_by("symbol").agg(pl.col("session").n_unique()).sort("symbol")
    place = dict(zip(counts["symbol"], range(len(counts)), strict=True))
    total = np.zeros((len(counts), MINUTES))
    at = frame["symbol"].replace_strict(place, return_dtype=pl.Int32).to_numpy()
    np.add.at(total, (at, frame["minute"].to_numpy()), frame["volume"].to_numpy())
    sessions = counts["session"].to_numpy().astype(np.int32)
    rows = np.array([universe.add(s) for s in counts["symbol"]], np.int32)
    return Profile(curve, rows, (total / sessions[:, None]).astype(np.float32), sessions)


def _read(path: Path) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(path, columns=list(SCHEMA))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise Rejected(f"{path} is no volume profile ({error}): delete it.") from error
    return frame.with_columns(session=pl.lit(path.stem))
