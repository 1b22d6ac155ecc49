"""Minute-volume profiles of recorded sessions: one Parquet file a session, the newest 20 are used.

A file holds for each symbol that traded its shares by minute after 04:00, as 960 float32 in one
binary value: twenty sessions of the whole market are read in about a second.
"""

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
SCHEMA = {"symbol": pl.String, "volume": pl.Binary}


def write_session(
    folder: Path, date: dt.date, symbols: list[str], rows: Any, minutes: Any, volume: Any
) -> Path:
    """Write a full session's bars (row, minute after 04:00, shares), whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    traded, place = np.unique(np.asarray(rows), return_inverse=True)
    matrix = np.zeros((len(traded), MINUTES), np.float32)
    matrix[place, np.asarray(minutes)] = volume
    names = [symbols[i] for i in traded.tolist()]
    frame = pl.DataFrame({"symbol": names, "volume": [m.tobytes() for m in matrix]}, schema=SCHEMA)
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
    sessions = [_read(path) for path in files]
    names = sorted(set().union(*(symbols for symbols, _ in sessions)))
    place = dict(zip(names, range(len(names)), strict=True))
    total, count = np.zeros((len(names), MINUTES), np.float32), np.zeros(len(names), np.int32)
    for symbols, matrix in sessions:
        at = [place[s] for s in symbols]
        total[at] += matrix
        count[at] += 1
    rows = np.array([universe.add(s) for s in names], np.int32)
    mean = np.divide(total, count[:, None], dtype=np.float32)
    return Profile(curve, rows, mean, count)


def _read(path: Path) -> tuple[list[str], npt.NDArray[np.float32]]:
    try:
        frame = pl.read_parquet(path, columns=list(SCHEMA))
        matrix = np.frombuffer(b"".join(frame["volume"]), np.float32).reshape(len(frame), MINUTES)
    except (OSError, ValueError, TypeError, pl.exceptions.PolarsError) as error:
        raise Rejected(f"{path} is no volume profile ({error}): delete it.") from error
    return frame["symbol"].to_list(), matrix
