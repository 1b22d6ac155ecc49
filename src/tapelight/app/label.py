"""The label: what the figures on the screen are, in plain words; part of /health and of the status."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tapelight.engine import Engine
from tapelight.market.text import Words
from tapelight.market.view import stale_count
from tapelight.model.records import FeedState
from tapelight.model.session import iso

STALE_NS = 5_000_000_000
SHARES = {"iex": "IEX alone: about 2.5 % of the market's volume", "one venue": "one venue alone"}
"""What a coverage means for volumes, where it is not the whole market."""
DELAY_MIN = 15
LATE_S = 5
"""A feed that is later than this, beyond its own delay, is said to be."""
MINUTE_NS = 60_000_000_000


class Label:
    """Say whose data these are, how late, how many rows are sound, and where the float is from."""

    def __init__(self) -> None:
        self._floats: dict[str, Any] = {}
        self._floats_of: tuple[int, int, int] | None = None

    def read(
        self, engine: Engine, feed: FeedState | None, coverage: str, origin: str, late_s: int = 0
    ) -> dict[str, Any]:
        """Return the label as of the engine's last mark; prints came `late_s` after their time."""
        table = engine.table
        provisional = int((table.live["provisional"] > 0).sum())
        stale = stale_count(table, STALE_NS)
        live = 0 if stale == table.n else table.n - provisional
        delay_min = DELAY_MIN if "delayed" in coverage else 0
        beyond_s = late_s - 60 * delay_min
        found = {
            "feed": feed.feed if feed else "",
            "serves": _serves(feed),
            "coverage": coverage,
            "share": next((words for k, words in SHARES.items() if k in coverage.lower()), ""),
            "delay_min": delay_min,
            "late_s": beyond_s if beyond_s >= LATE_S else 0,
            "live": live,
            "stale": stale,
            "provisional": provisional,
            "gap_since": iso(table.gap_since_ns) if table.gap_since_ns else "",
            "float": self._float(engine),
            "baseline": {"origin": origin, "rows": int(table.baseline.own(table.n).sum())},
        }
        return {**found, "text": _text(found)}

    def _float(self, engine: Engine) -> dict[str, Any]:
        """Return the sources of the float with their counts, and the oldest date; once a minute."""
        table = engine.table
        known = (id(table), table.n, table.now_ns // MINUTE_NS)
        if known != self._floats_of:
            self._floats_of = known
            reference, n = table.reference, table.n
            given = ~np.isnan(reference.numbers["float_shares"][:n])
            sources = _counted(reference.texts["float_src"], given)
            dates = _counted(reference.texts["float_asof"], given)
            self._floats = {
                "symbols": int(given.sum()), "sources": sources, "oldest": min(dates, default="")
            }  # fmt: skip
        return self._floats


def _counted(words: Words, rows: npt.NDArray[np.bool_]) -> dict[str, int]:
    """Return how many of `rows` have each word."""
    codes, counts = np.unique(words.codes[: len(rows)][rows], return_counts=True)
    known = words.words()
    found = zip(codes.tolist(), counts.tolist(), strict=True)
    return {known[code]: count for code, count in found if code >= 0}


def _serves(feed: FeedState | None) -> str:
    """Return what brings the figures now: stream, pictures or nothing."""
    if feed is None or feed.state in ("connecting", "gap", "closed", "waiting"):
        return "nothing"
    return "pictures" if feed.state == "polling" else "stream"


def _text(found: dict[str, Any]) -> str:
    """Return the label as a sentence."""
    late = f"{found['delay_min']} min delayed" if found["delay_min"] else "real time"
    if found["late_s"]:
        late = f"its prints come {found['late_s']:,} s late"
    elif found["serves"] == "nothing":
        late = "nothing comes in"
    words = [f"{found['feed'] or 'no feed'}: {found['coverage'] or 'no data yet'}, {late}"]
    words += [found["share"]] if found["share"] else []
    words.append(
        f"{found['live']:,} live, {found['stale']:,} stale, {found['provisional']:,} provisional"
    )
    words.append(f"a hole since {found['gap_since'][11:19]}" if found["gap_since"] else "no hole")
    if found["serves"] == "pictures":
        words.append("pictures stand in for the stream")
    given = found["float"]
    sources = ", ".join(sorted(given["sources"]))
    oldest = f" of {given['oldest']} or later" if given["oldest"] else ""
    words.append(f"float by {sources}{oldest}" if sources else "no float")
    return "; ".join(words)
