"""The 30-day volatilities of past sessions: one small JSON file a session, written whole."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np

from tapelight.errors import Rejected
from tapelight.model.batch import Floats

SESSIONS = 252
"""How many past sessions are read."""


def write_volatilities(folder: Path, date: dt.date, known: Mapping[str, float]) -> Path:
    """Write a session's last volatility by symbol (fractions a year), whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{date.isoformat()}.json"
    draft = path.with_suffix(".draft")
    draft.write_bytes(msgspec.json.encode(dict(sorted(known.items()))))
    return draft.replace(path)


def read_session(folder: Path, date: dt.date) -> dict[str, float]:
    """Return a session's volatilities; none where it was not recorded. Raises Rejected."""
    path = folder / f"{date.isoformat()}.json"
    return _read(path) if path.exists() else {}


def read_volatilities(folder: Path, before: dt.date) -> dict[str, Floats]:
    """Return by symbol the volatilities of up to 252 sessions before a date, oldest first.

    NaN where a session has none of the symbol. Raises Rejected for a file that is none.
    """
    dates = sorted(p.stem for p in folder.glob("????-??-??.json"))
    dates = [d for d in dates if d < before.isoformat()][-SESSIONS:]
    found: dict[str, Floats] = {}
    for at, date in enumerate(dates):
        for symbol, volatility in _read(folder / f"{date}.json").items():
            past = found.setdefault(symbol, np.full(len(dates), np.nan))
            past[at] = volatility
    return found


def _read(path: Path) -> dict[str, float]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, float])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Rejected(f"{path} holds no volatilities ({error}): delete it.") from error
