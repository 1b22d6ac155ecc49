"""`tapelight scan bench`: what a question costs, over a market of 11,000 rows."""

import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from tapelight.app.runs import find_run, restore
from tapelight.engine import Engine
from tapelight.market.view import View
from tapelight.model.records import Questions
from tapelight.scan.board import Board
from tapelight.scan.question import Question
from tapelight.scan.scan import Scan

ROWS = 11_000
BUDGET_US = 1_000_000.0
"""A question is asked once a second: this much of a core is there."""
REPEATS = 30


def measure(
    question: Question, texts: Mapping[str, str], engine: Engine, repeats: int = REPEATS
) -> dict[str, Any]:
    """Return us per evaluation over the engine's table: alone, and where columns are shared.

    `per_rows` scales the shared figure to 11,000 rows.
    """
    engine.apply(Questions(dict(texts)))
    alone = [_once(question, View(engine.table)) for _ in range(repeats)]
    view = View(engine.table)
    _once(question, view)
    shared = [_once(question, view) for _ in range(repeats)]
    rows = engine.table.n
    scaled = median(shared) * ROWS / max(rows, 1)
    return {
        "name": question.name,
        "kind": question.header.kind,
        "rows": rows,
        "alone_us": round(median(alone), 1),
        "shared_us": round(median(shared), 1),
        "us_at_11000": round(scaled, 1),
        "reckoned_us": round(sum(q.cost_us for q in question.queries()), 1),
        "share_of_a_core": round(scaled / BUDGET_US, 6),
    }


def _once(question: Question, view: View) -> float:
    """Return the CPU time of one whole-second evaluation, in us; the conditions are reckoned anew."""
    begin = time.process_time_ns()
    if question.header.kind == "board":
        Board(question, len(view)).evaluate(view)
    else:
        everything = np.arange(len(view))
        Scan(question).evaluate(view, everything, np.ones(len(view), np.bool_))
    return (time.process_time_ns() - begin) / 1e3


def recorded_engine(recording: str, data: Path) -> Engine:
    """Return the engine at the end of a recording; raises ConfigError for an unknown one."""
    return restore(find_run(Path(recording), data))[0]
