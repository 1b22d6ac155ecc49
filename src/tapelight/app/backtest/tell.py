"""The summary on a terminal."""

import io
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table as Grid

from tapelight.app.backtest.result import Backtest, Line, buckets, lines
from tapelight.app.backtest.scoreboard import Scoreboard
from tapelight.model.outcomes import Interval

WIDTH = 110
MAIN = "5m"
"""The horizon of what is told by bucket."""
SHOWN = ("1m", "5m", "30m", "close")


def told(found: Backtest) -> str:
    """Return the summary as text."""
    sessions = found.sessions
    span = f"{sessions[0]} to {sessions[-1]}" if len(sessions) > 1 else "".join(sessions)
    head = [
        f"{found.title}: {_counted(len(found.fires), 'fire')} in "
        f"{_counted(len(sessions), 'session')}, {span}{_filled(found)}",
        *found.notes,
    ]
    out = io.StringIO()
    console = Console(file=out, width=WIDTH, highlight=False)
    console.print("\n".join(head), markup=False)
    if len(found.fires):
        console.print(_grid("all fires", lines(found.fires)))
        for column in found.by:
            by = [line for line in buckets(found.fires, column) if line.horizon == MAIN]
            console.print(_grid(f"by {column}", by))
    console.print(_fine_print(found), style="dim", markup=False)
    return out.getvalue()


def _filled(found: Backtest) -> str:
    """Return how many of a strategy's entries were traded; nothing for a scan."""
    planned = found.fires["filled"].drop_nulls()
    if not len(planned):
        return ""
    return f"; filled {int(planned.sum()):,} of {len(planned):,}, the others have no returns"


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _fine_print(found: Backtest) -> str:
    if not len(found.fires):
        return f"{found.name} was not true once in these sessions."
    quoted = int(found.fires["quoted"].sum())
    entered = found.fires["entry"].count()
    return (
        f"Returns in % after half a spread at entry and exit; {quoted:,} of {entered:,} "
        f"spreads are recorded quotes, the others {found.costs.half_bps:g} bp a side. "
        f"Control: {found.control_kind}."
    )


def _grid(title: str, rows: Sequence[Line]) -> Grid:
    grid = Grid(title=title, title_justify="left")
    for name in (
        "bucket",
        "horizon",
        "n",
        "median %",
        "95 %",
        "hit rate",
        "95 %",
        "edge %",
        "95 %",
    ):
        grid.add_column(name, justify="left" if name == "bucket" else "right")
    for line in rows:
        grid.add_row(
            line.bucket, line.horizon, f"{line.n:,}", number(line.median.value),
            between(line.median), share(line.hit_rate.value),
            between(line.hit_rate, 100.0, 0), number(line.edge.value), between(line.edge),
        )  # fmt: skip
    return grid


def number(value: float | None, digits: int = 2) -> str:
    """Return a signed number, a dash for None."""
    return "-" if value is None else f"{value:+.{digits}f}"


def share(value: float | None) -> str:
    """Return a share in percent."""
    return "-" if value is None else f"{100.0 * value:.0f} %"


def between(interval: Interval, scale: float = 1.0, digits: int = 2) -> str:
    """Return an interval's bounds."""
    if interval.low is None or interval.high is None:
        return "-"
    return f"{scale * interval.low:.{digits}f} .. {scale * interval.high:.{digits}f}"


def told_scoreboard(found: Scoreboard) -> str:
    """Return the scoreboard as text: a line for each scan, and the digest."""
    grid = Grid(
        title=f"{len(found.rows):,} fires, losing ones included; medians", title_justify="left"
    )
    names = ("scan", "fires", "filled", *(f"+{h} %" if h != "close" else "close %" for h in SHOWN),
             "hit +5m", "95 %", "MAE 30m", "MFE 30m")  # fmt: skip
    for name in names:
        is_scan = name == "scan"
        grid.add_column(name, justify="left" if is_scan else "right", no_wrap=is_scan)
    for record in found.records:
        by_name = {h.horizon: h for h in record.horizons}
        main = by_name[MAIN].hit_rate
        grid.add_row(
            record.scan, f"{record.fires:,}", "-" if record.filled is None else f"{record.filled:,}",
            *(number(by_name[h].median.value) for h in SHOWN),
            share(main.value), between(main, 100.0, 0), number(record.mae_30m),
            number(record.mfe_30m),
        )  # fmt: skip
    out = io.StringIO()
    console = Console(file=out, width=WIDTH, highlight=False)
    console.print(grid)
    for session, fires, digest in found.digests:
        console.print(f"{session}  {fires:>6,} fires  digest {digest}", markup=False)
    return out.getvalue()
