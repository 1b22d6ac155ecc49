"""Put a scan to the test over all recorded days, and split what followed by the hour.

`.venv/bin/python examples/backtest_scan.py SCAN DATA`, as in `hod_momo data`.
"""

import sys

import polars as pl

import tapelight as tl


def try_scan(scan: str, data: str) -> None:
    """Print how many fires there were, and the median return five minutes later."""
    found = tl.backtest(scan, data=data)
    print(f"{found.title}: {len(found.fires)} fires in {len(found.sessions)} sessions")
    returns = [name for name in found.fires.columns if name.startswith("net")]
    print(found.fires.group_by("slot").agg(pl.len(), pl.col(returns).median()).sort("slot"))


if __name__ == "__main__":
    try_scan(sys.argv[1], sys.argv[2])
