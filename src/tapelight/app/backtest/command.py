"""`tapelight backtest`: ask a scan of recorded days, and report what followed each signal."""

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tapelight.app.backtest.asking import Files, Subject, subject
from tapelight.app.backtest.day import DayResult, Job, noted_query
from tapelight.app.backtest.export import summary_of, write_exports
from tapelight.app.backtest.follow import LONG, SHORT, Costs
from tapelight.app.backtest.html import write_html
from tapelight.app.backtest.lookahead import check_lookahead, run_of
from tapelight.app.backtest.result import Backtest, fires_table, with_control
from tapelight.app.backtest.scoreboard import run_scoreboard, write_scoreboard
from tapelight.app.backtest.tapes import (
    FileSessions,
    Span,
    Tape,
    file_tapes,
    journals,
    read_span,
)
from tapelight.app.backtest.tell import told, told_scoreboard
from tapelight.app.backtest.work import default_workers, play
from tapelight.app.data.kept import Kept
from tapelight.errors import ConfigError
from tapelight.model.session import calendar

__all__ = ["BacktestOptions", "answer", "read_span", "run_backtest"]
ALL_DAYS = Span()
BARS_ALONE = (
    "Minute bars bring no quotes and no trade rate, which the common gates of strategies ask for: "
    "test strategies on recorded sessions."
)
LATE = (
    "Workers had indicators ready after their time: {}. Live they were seen at the mark at which they "
    "came, here at their time: a signal then may differ."
)
SIDES = {"long": LONG, "short": SHORT}


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestOptions:
    """Say what to test, over which days, and where the report goes."""

    name: str | None = None
    sql: Path | None = None
    data: Path
    files: Files
    span: Span = ALL_DAYS
    parquet: Path | None = None
    daily: Path | None = None
    reference: str | None = None
    """The origin whose kept days tell of the past, instead of `daily`."""
    by: tuple[str, ...] = ()
    side: str = "long"
    half_spread_bps: float = Costs().half_bps
    workers: int = 0
    """0 takes one a core."""
    quiet: bool = False
    out: Path | None = None
    """Folder of the report and the exports."""
    json: bool = False


def answer(
    options: BacktestOptions, *, scoreboard: bool = False, check: bool = False
) -> tuple[str, int]:
    """Do what the command asks; return what to print, and the exit code."""
    if scoreboard:
        return _answer_scoreboard(options), 0
    if check:
        return _answer_check(options)
    found = run_backtest(options)
    written: list[Path] = []
    if options.out is not None:
        written = [write_html(found, options.out), *write_exports(found, options.out)]
    if options.json:
        return json.dumps(summary_of(found)) + "\n", 0
    return told(found) + "".join(f"{path}\n" for path in written), 0


def _answer_scoreboard(options: BacktestOptions) -> str:
    if options.name is not None or options.sql is not None or options.parquet is not None:
        raise ConfigError("--scoreboard tells of every scan over recorded sessions: name none.")
    costs = Costs(options.half_spread_bps)
    found = run_scoreboard(options.data, options.span, costs, options.workers, options.quiet)
    written = write_scoreboard(found, options.out) if options.out is not None else []
    if options.json:
        head = {"fires": len(found.rows), "digest": found.digest}
        return json.dumps(head | {"scans": msgspec.to_builtins(found.records)}) + "\n"
    return told_scoreboard(found) + "".join(f"{path}\n" for path in written)


def _answer_check(options: BacktestOptions) -> tuple[str, int]:
    """Check the newest of the chosen sessions for look-ahead; exit code 1 when there is any."""
    tapes = find_tapes(options, sys.maxsize)
    what = subject(options.name, options.sql, options.files, tapes)
    leaks = check_lookahead(run_of(tapes[-1], what.asking))
    if options.json:
        return json.dumps({"leaks": [str(leak) for leak in leaks]}) + "\n", int(bool(leaks))
    if leaks:
        return "".join(f"{leak}\n" for leak in leaks), 1
    return f"{what.name} looks at nothing later than its mark ({tapes[-1].name}).\n", 0


def run_backtest(options: BacktestOptions) -> Backtest:
    """Play the tapes and return what was found; raises ConfigError for what can't be asked."""
    _check(options)
    workers = options.workers or default_workers()
    tapes = find_tapes(options, workers)
    what = subject(options.name, options.sql, options.files, tapes)
    borne = what.bears & {*options.by}
    if {*options.by} - borne:
        noted_query([text for text in options.by if text not in borne])
    with tempfile.TemporaryDirectory(prefix="tapelight-backtest-") as folder:
        jobs = [
            Job(tape, what.asking, what.name, options.by, borne, SIDES[options.side], Path(folder))
            for tape in tapes
        ]
        sessions = sum(len(t.sessions) if isinstance(t, FileSessions) else 1 for t in tapes)
        days = play(jobs, workers, Path(folder), sessions, options.quiet)
        return _assemble(what, days, tapes, options)


def _assemble(
    what: Subject, days: list[DayResult], tapes: list[Tape], options: BacktestOptions
) -> Backtest:
    first = tapes[0]
    zone = calendar(days[0].calendar if days else "XNYS").zone
    costs = Costs(options.half_spread_bps)
    fires = fires_table(days, options.by, costs, zone)
    fires, kind = with_control(fires, [d.grid for d in days if d.grid is not None])
    notes = what.notes
    if what.asking.chosen and isinstance(first, FileSessions) and first.tape.kind == "bars":
        notes = (*notes, BARS_ALONE)
    late = [f"{d.late} on {d.date}" for d in days if d.late]
    if late:
        notes = (*notes, LATE.format(", ".join(late)))
    return Backtest(
        name=what.name, title=what.title, text=what.text, sessions=[d.date for d in days],
        fires=fires, control_kind=kind, costs=costs, by=options.by,
        notes=notes, marks=sum(d.marks for d in days),
    )  # fmt: skip


def _check(options: BacktestOptions) -> None:
    """Refuse what contradicts itself; raises ConfigError."""
    if options.daily is not None and options.parquet is None:
        raise ConfigError("--daily goes with --parquet FILE: a journal brings its own references.")
    if options.reference is not None and (options.parquet is None or options.daily is not None):
        raise ConfigError(
            "--reference goes with --parquet FILE, instead of --daily: a journal brings its own "
            "references."
        )
    if options.side not in SIDES:
        raise ConfigError(f"--side is {options.side!r}: give long or short.")
    if not options.half_spread_bps >= 0:
        raise ConfigError(f"--half-spread-bps is {options.half_spread_bps}: give 0 or more.")
    if options.workers < 0:
        raise ConfigError(f"--workers is {options.workers}: give 1 or more.")


def find_tapes(options: BacktestOptions, parts: int) -> list[Tape]:
    """Return the tapes of the chosen days, oldest first; raises ConfigError when there are none."""
    if options.parquet is not None:
        return list(file_tapes(options.parquet, options.daily, options.span, parts, _kept(options)))
    return list(journals(options.data, options.span))


def _kept(options: BacktestOptions) -> Kept | None:
    return None if options.reference is None else Kept(options.data, options.reference)
