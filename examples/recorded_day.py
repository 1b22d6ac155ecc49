"""Ask a recorded day how it looked at some seconds, and which signals it gave.

`.venv/bin/python examples/recorded_day.py DAY DATA TIME...`, as in
`2026-11-20 data 09:31:00 09:35:00`.
"""

import sys

import polars as pl

import tapelight as tl


def show(day: str, data: str, times: list[str]) -> None:
    """Print the most active symbols at each time, then the signals by scan."""
    recorded = tl.open(day, data=data)
    print(recorded)
    for time in times:
        print(time)
        print(
            recorded.market(
                "vol > 0", columns="last, vol, chg_pct", order="vol DESC", limit=3, at=time
            )
        )
    fired = recorded.signals(state="fired")
    if len(fired):
        print(fired.group_by("scan").agg(pl.len().alias("fired")).sort("fired", "scan").tail(5))


if __name__ == "__main__":
    show(sys.argv[1], sys.argv[2], sys.argv[3:])
