"""The process in which ccxt runs: trades, or daily bars, as lines of JSON on standard output.

python -m tapelight.feeds._ccxt_child trades|days EXCHANGE SYMBOL...

{"trades":[["BTC/USDT",1795185300000,64000.1,0.25,"id"]]}    {"days":["BTC/USDT",[[ms,o,h,l,c,v]]]}
{"fatal":"what the user must mend"}. A failure of the network ends it with words on standard error.
"""

import asyncio
import json
import os
import sys
import threading
from collections.abc import Sequence
from typing import Any

DAYS = 400


def main() -> int:
    """Run until standard input ends or the exchange fails; return the exit status."""
    what, exchange, *symbols = sys.argv[1:]
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from ccxt import pro
    from ccxt.base.errors import BaseError, NetworkError

    make = getattr(pro, exchange, None)
    if make is None or exchange not in pro.exchanges:
        return _tell({"fatal": f"ccxt knows no exchange {exchange!r} with a stream"})
    try:
        asyncio.run(_run(make, what, symbols))
    except NetworkError as error:
        sys.stderr.write(f"{exchange}: {type(error).__name__} {str(error)[:150]}\n")
        return 1
    except BaseError as error:
        return _tell({"fatal": f"{exchange}: {type(error).__name__} {str(error)[:150]}"})
    return 0


async def _run(make: Any, what: str, symbols: Sequence[str]) -> None:
    exchange = make({"newUpdates": True, "enableRateLimit": True})
    try:
        if what == "days":
            for symbol in symbols:
                bars = await exchange.fetch_ohlcv(symbol, "1d", limit=DAYS)
                _tell({"days": [symbol, bars]})
        elif exchange.has.get("watchTradesForSymbols"):
            while True:
                _tell_trades(await exchange.watch_trades_for_symbols(list(symbols)))
        else:
            await asyncio.gather(*(_watch(exchange, symbol) for symbol in symbols))
    finally:
        await exchange.close()


async def _watch(exchange: Any, symbol: str) -> None:
    while True:
        _tell_trades(await exchange.watch_trades(symbol))


def _tell_trades(trades: Sequence[dict[str, Any]]) -> None:
    names = ("symbol", "timestamp", "price", "amount", "id")
    _tell({"trades": [[trade.get(name) for name in names] for trade in trades]})


def _tell(message: dict[str, Any]) -> int:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()
    return 0


def _end_with_parent() -> None:
    # Not sys.stdin: its lock, held here, would be wanted as the interpreter ends.
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
