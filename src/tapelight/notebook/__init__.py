"""Tapelight from Python: a running scanner, a recorded day, a backtest; answers as Polars frames.

import tapelight as tl

live = tl.connect()                                    # http://127.0.0.1:8787
live.market("gap_pct > 4", order="gap_pct DESC")       # a Polars frame
async for update in live.subscribe("board:gainers"):
    print(update.frame())

day = tl.open("2026-11-20")                            # a recorded day in the folder data
day.market("gap_pct > 4", at="09:35:10")
tl.backtest("hod_momo").fires
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tapelight.notebook.live import Live, connect
    from tapelight.notebook.recording import Recording, backtest
    from tapelight.notebook.recording import open_recording as open  # noqa: A004
    from tapelight.notebook.stream import Stream, Update

__all__ = ["Live", "Recording", "Stream", "Update", "backtest", "connect", "open"]

_WHERE = {
    "Live": "live", "connect": "live", "Recording": "recording", "backtest": "recording",
    "open": "recording", "Stream": "stream", "Update": "stream",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a part when it is asked for: who follows the stream needs no engine."""
    if name not in _WHERE:
        raise AttributeError(f"module 'tapelight.notebook' has no attribute {name!r}")
    module = import_module(f"tapelight.notebook.{_WHERE[name]}")
    return getattr(module, "open_recording" if name == "open" else name)
