"""`tapelight compare`: another scanner's alerts beside our signals of a recorded day."""

import bisect
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tapelight.app.alertfile import Alert, read_alerts
from tapelight.app.asof import AsOf, begin_of
from tapelight.app.reasons import why_then
from tapelight.app.runs import find_run, runs_of
from tapelight.app.why import calendar_of, last_mark
from tapelight.errors import ConfigError, Missing
from tapelight.model.session import NS, iso, session_at
from tapelight.model.signals import Signal
from tapelight.ports import Wanted
from tapelight.scan.wording import clock, span
from tapelight.stores.signals import find, open_log

MOST_SIGNALS = 1_000_000
NEAR_NS = 30 * 60 * NS
"""A signal this near an alert of the same symbol is told where none is within the window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions:
    """Say which alerts, beside which of our signals, and how far apart one may be the other."""

    alerts: Path
    data: Path
    day: str
    scan: str = ""
    """Ours to compare with; empty: all."""
    window_s: float = 60.0
    offset_s: float = 0.0
    """What their clock is ahead of ours."""
    explain: int = 20
    """Of how many that we missed the reason is looked up."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Hold an alert and the signal that is the same event; `lead_s` above 0: we were first."""

    alert: Alert
    signal: Signal
    lead_s: float


@dataclass(frozen=True, slots=True)
class Missed:
    """Hold an alert that no signal of ours matches, and why not."""

    alert: Alert
    why: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Hold what both have, and what one of them missed."""

    day: str
    pairs: list[Pair]
    missed_by_us: list[Missed]
    missed_by_them: list[Signal]
    rejected: list[str]
    """Lines of the file that could not be read, and why."""

    def summary(self) -> dict[str, Any]:
        """Return the counts, and lead in seconds: median, 10 % and 90 %."""
        leads = [pair.lead_s for pair in self.pairs]
        tenths = statistics.quantiles(leads, n=10) if len(leads) > 1 else leads * 9
        return {
            "day": self.day,
            "theirs": len(self.pairs) + len(self.missed_by_us),
            "ours": len(self.pairs) + len(self.missed_by_them),
            "both": len(self.pairs),
            "first": sum(lead > 0 for lead in leads),
            "lead_s": statistics.median(leads) if leads else None,
            "lead_s_p10": tenths[0] if leads else None,
            "lead_s_p90": tenths[-1] if leads else None,
            "missed_by_us": len(self.missed_by_us),
            "missed_by_them": len(self.missed_by_them),
            "rejected": len(self.rejected),
        }


def compare(options: CompareOptions) -> Comparison:
    """Read both sides of a day and match them; raises ConfigError for what can't be compared."""
    folder = find_run(Path(options.day), options.data)
    data, date = folder.resolve().parent.parent.parent, folder.resolve().parent.name
    calendar = calendar_of(folder)
    session = session_at(calendar, last_mark(folder))
    if session is None:
        raise ConfigError(f"{folder} ends outside a session: nothing to compare with.")
    alerts, rejected = read_alerts(
        options.alerts, session.date, calendar.zone, int(options.offset_s * NS)
    )
    ours = _signals(data, date, options.scan)
    pairs, theirs, left = match(alerts, ours, int(options.window_s * NS))
    reasons = _Reasons(data, AsOf(data, calendar), ours, options, folder)
    return Comparison(date, pairs, reasons.of(theirs), left, rejected)


def told_ns(signal: Signal) -> int:
    """Return when a signal was told: when the gateway sent it, where that is known."""
    sent = signal.hops.dispatch_ns if signal.hops is not None else None
    return sent or signal.ts_ns


def _signals(data: Path, date: str, scan: str) -> list[Signal]:
    """Return the entries that fired on a day, oldest first."""
    log = open_log(data)
    wanted = Wanted(scan=scan, state="fired", limit=MOST_SIGNALS)
    try:
        found = [s for run in runs_of(data, date) for s in find(log, wanted, f"{date}/{run.name}")]
    finally:
        log.dispose()
    return sorted((s for s in found if s.kind == "entry"), key=told_ns)


def match(
    alerts: Sequence[Alert], signals: Sequence[Signal], window_ns: int
) -> tuple[list[Pair], list[Alert], list[Signal]]:
    """Return what is the same event (same symbol, nearest in time, each once), and what is left."""
    by_symbol: dict[str, list[int]] = {}
    for i, signal in enumerate(signals):
        by_symbol.setdefault(signal.symbol, []).append(i)
    near = [
        (abs(told_ns(signals[j]) - alert.ts_ns), i, j)
        for i, alert in enumerate(alerts)
        for j in _within(by_symbol.get(alert.symbol, []), signals, alert.ts_ns, window_ns)
    ]
    theirs, ours = dict(enumerate(alerts)), dict(enumerate(signals))
    pairs = []
    for _, i, j in sorted(near):
        if i in theirs and j in ours:
            alert, signal = theirs.pop(i), ours.pop(j)
            pairs.append(Pair(alert, signal, (alert.ts_ns - told_ns(signal)) / NS))
    pairs.sort(key=lambda pair: pair.alert.ts_ns)
    return pairs, list(theirs.values()), list(ours.values())


def _within(
    mine: Sequence[int], signals: Sequence[Signal], ts_ns: int, window_ns: int
) -> Iterable[int]:
    """Return those of a symbol's signals (in order of time) that are told within the window."""
    begin = bisect.bisect_left(mine, ts_ns - window_ns, key=lambda j: told_ns(signals[j]))
    end = bisect.bisect_right(mine, ts_ns + window_ns, key=lambda j: told_ns(signals[j]))
    return mine[begin:end]


class _Reasons:
    """Say why we missed an alert: not recorded, not watched, at another time, or which leaf failed."""

    def __init__(
        self, data: Path, as_of: AsOf, ours: Sequence[Signal], options: CompareOptions, run: Path
    ) -> None:
        self._as_of = as_of
        self._options = options
        self._begin_ns = min(begin_of(r) for r in runs_of(data, run.resolve().parent.name))
        self._end_ns = last_mark(run)
        self._ours: dict[str, list[Signal]] = {}
        for signal in ours:
            self._ours.setdefault(signal.symbol, []).append(signal)

    def of(self, missed: Sequence[Alert]) -> list[Missed]:
        """Return the reasons, in the order of time; the first `explain` of them looked up."""
        ordered = sorted(missed, key=lambda alert: alert.ts_ns)
        return [Missed(a, self._why(a, i < self._options.explain)) for i, a in enumerate(ordered)]

    def _why(self, alert: Alert, look: bool) -> str:
        if not self._begin_ns <= alert.ts_ns <= self._end_ns:
            return f"not recorded: the journal spans {iso(self._begin_ns)} to {iso(self._end_ns)}"
        other = self._elsewhen(alert)
        reason = self._looked_up(alert) if look else "not looked up: raise --explain"
        return f"{other}; {reason}" if other else reason

    def _elsewhen(self, alert: Alert) -> str:
        """Say when we fired for the symbol, if not within the window."""
        mine = self._ours.get(alert.symbol, [])
        nearest = min(mine, key=lambda s: abs(told_ns(s) - alert.ts_ns), default=None)
        if nearest is None or abs(apart := told_ns(nearest) - alert.ts_ns) > NEAR_NS:
            return ""
        way = "after" if apart > 0 else "before"
        return f"{nearest.scan} fired at {clock(told_ns(nearest))}, {span(abs(apart) / NS)} {way}"

    def _looked_up(self, alert: Alert) -> str:
        scan = self._options.scan
        asked = frozenset([scan] if scan else [])
        before_ns = max(alert.ts_ns - NS, self._begin_ns)
        try:
            then = self._as_of.at(min(before_ns, alert.ts_ns), asked)
            if alert.symbol not in then.engine.table.universe.rows:
                return "not watched"
            if not scan:
                return "no scan of ours fired: name one with --scan to be told why"
            return str(why_then(then, alert.symbol, scan, alert.ts_ns, 0)["text"])
        except Missing as error:
            return str(error)
