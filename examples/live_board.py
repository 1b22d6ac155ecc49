"""Follow a board of a running scanner, and show what changes.

Start one first (`tapelight demo`), then run
`.venv/bin/python examples/live_board.py [URL] [BOARD] [UPDATES]`.
"""

import asyncio
import sys
from contextlib import aclosing

import tapelight as tl


async def follow(url: str, board: str, updates: int) -> None:
    """Print the board's first rows with each of so many changes."""
    live = tl.connect(url)
    status = live.status()
    print(f"{status['feed']['name']} is {status['feed']['state']}, {status['rows']} symbols")
    print(
        live.market("last > 5 AND trade_rate > 0", columns="last, vol", order="vol DESC", limit=3)
    )
    async with aclosing(live.subscribe(f"board:{board}")) as found:
        async for update in found:
            print(update.kind, update.ts_ns, update.frame().head(3))
            updates -= 1
            if updates == 0:
                break
    live.close()


if __name__ == "__main__":
    given = [*sys.argv[1:], *("http://127.0.0.1:8787", "top_volume", "5")[len(sys.argv) - 1 :]]
    asyncio.run(follow(given[0], given[1], int(given[2])))
