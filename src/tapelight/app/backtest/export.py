"""Every fire as CSV and Parquet, and the summary as JSON."""

import json
from pathlib import Path
from typing import Any

import msgspec

from tapelight.app.backtest.result import Backtest, Line, buckets, lines


def write_exports(found: Backtest, folder: Path) -> list[Path]:
    """Write fires.csv, fires.parquet and summary.json into `folder`; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    table, whole = folder / "fires.csv", folder / "fires.parquet"
    found.fires.write_csv(table)
    found.fires.write_parquet(whole)
    summary = folder / "summary.json"
    summary.write_text(json.dumps(summary_of(found), indent=1) + "\n", "utf-8")
    return [table, whole, summary]


def summary_of(found: Backtest) -> dict[str, Any]:
    """Return the figures of the report as plain data."""
    planned = found.fires["filled"].drop_nulls()
    return {
        "name": found.name,
        "title": found.title,
        "sessions": found.sessions,
        "fires": len(found.fires),
        "filled": None if planned.is_empty() else int(planned.sum()),
        "half_spread_bps": found.costs.half_bps,
        "control": found.control_kind,
        "notes": list(found.notes),
        "horizons": [line_row(line) for line in lines(found.fires)],
        "by": {
            column: [line_row(line) for line in buckets(found.fires, column)] for column in found.by
        },
    }


def line_row(line: Line) -> dict[str, Any]:
    """Return a line as plain data."""
    row: dict[str, Any] = msgspec.to_builtins(
        {name: getattr(line, name) for name in Line.__slots__ if name != "extremes"}
    )
    return {**row, **line.extremes}
