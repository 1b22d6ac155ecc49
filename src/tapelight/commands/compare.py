"""`tapelight compare`."""

import json as jsonlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from tapelight.commands.options import ConfigFile, Data, TrustStrategies, data_folder

if TYPE_CHECKING:
    from tapelight.app.compare import Comparison

SHOWN = 25


def compare(
    alerts: Path,
    *,
    journal: str | None = None,
    scan: str = "",
    window: Annotated[float, Parameter(negative=())] = 60.0,
    offset: float = 0.0,
    explain: Annotated[int, Parameter(negative=())] = 20,
    data: Data = None,
    config: ConfigFile = None,
    trust_strategies: TrustStrategies = False,
    json: bool = False,
) -> None:
    """Compare another scanner's exported alerts with our signals of a recorded day.

    Tells lead or lag, what we missed and why, and what they missed.

    Parameters
    ----------
    alerts
        CSV with a column time and a column symbol (or ticker); a time without offset is the
        exchange's, one without a date is of the day compared.
    journal
        The recorded day (2026-11-20) or run's folder; the last one when not given.
    scan
        A scan or strategy of ours to compare with; all when not given.
    window
        Seconds within which an alert and a signal of one symbol are the same event.
    offset
        Seconds that their clock is ahead of ours.
    explain
        Of so many that we missed, the reason is looked up in the recording.
    json
        Print one JSON object.
    """
    from tapelight.app.asof import recorded_days
    from tapelight.app.compare import CompareOptions
    from tapelight.app.compare import compare as answer
    from tapelight.app.trust import Trust
    from tapelight.config import load
    from tapelight.errors import ConfigError
    from tapelight.scan.source import trusting

    settings = load(config)
    folder = data_folder(data, settings.data)
    days = recorded_days(folder)
    if journal is None and not days:
        raise ConfigError(f"{folder} holds no journal: give --data DIR of a recording.")
    if not window >= 0:
        raise ConfigError(f"--window is {window}: give seconds, 0 or more.")
    options = CompareOptions(
        alerts=alerts, data=folder, day=journal or days[-1], scan=scan, window_s=window,
        offset_s=offset, explain=explain,
    )  # fmt: skip
    with trusting(Trust(folder, Path(settings.strategies), trust_strategies)):
        found = answer(options)
    if json:
        sys.stdout.write(jsonlib.dumps(_told(found)) + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in _lines(found))


def _told(found: "Comparison") -> dict[str, Any]:
    """Return the whole comparison as JSON."""
    from tapelight.app.compare import told_ns
    from tapelight.model.session import iso

    return {
        **found.summary(),
        "pairs": [
            {"symbol": p.alert.symbol, "theirs": iso(p.alert.ts_ns), "alert": p.alert.scan,
             "ours": iso(told_ns(p.signal)), "scan": p.signal.scan, "lead_s": p.lead_s}
            for p in found.pairs
        ],
        "only_theirs": [
            {"symbol": m.alert.symbol, "theirs": iso(m.alert.ts_ns), "alert": m.alert.scan,
             "line": m.alert.line, "why": m.why}
            for m in found.missed_by_us
        ],
        "only_ours": [
            {"symbol": s.symbol, "ours": iso(told_ns(s)), "scan": s.scan, "text": s.text}
            for s in found.missed_by_them
        ],
        "faults": found.rejected,
    }  # fmt: skip


def _lines(found: "Comparison") -> Iterator[str]:
    """Yield the summary, and the newest of what one of both missed."""
    from tapelight.app.compare import told_ns
    from tapelight.scan.wording import clock

    s = found.summary()
    yield f"{s['day']}: {s['theirs']} of theirs, {s['ours']} of ours, {s['both']} in both"
    if s["both"]:
        yield (
            f"we were first in {s['first']}; lead {s['lead_s']:+.1f} s in the median, "
            f"{s['lead_s_p10']:+.1f} to {s['lead_s_p90']:+.1f} s in eight of ten"
        )
    yield f"missed by us: {s['missed_by_us']}"
    for missed in found.missed_by_us[:SHOWN]:
        alert = missed.alert
        yield f"  {clock(alert.ts_ns)} {_plain(alert.symbol):<8} {_plain(alert.scan)}: {missed.why}"
    yield f"missed by them: {s['missed_by_them']}"
    for signal in found.missed_by_them[:SHOWN]:
        yield f"  {clock(told_ns(signal))} {signal.symbol:<8} {signal.scan}: {signal.text}"
    if found.rejected:
        yield f"could not be read: {s['rejected']}, the first: {_plain(found.rejected[0])}"


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:80]
