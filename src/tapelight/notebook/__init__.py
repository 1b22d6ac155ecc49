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

from tapelight.notebook.live import Live, connect
from tapelight.notebook.recording import Recording, backtest, open_recording
from tapelight.notebook.stream import Stream, Update

open = open_recording  # noqa: A001 - as in tl.open("2026-11-20")

__all__ = ["Live", "Recording", "Stream", "Update", "backtest", "connect", "open"]
