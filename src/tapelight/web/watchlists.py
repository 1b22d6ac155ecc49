"""/api/watchlists: lists of symbols, in the order in which their owner put them."""

import msgspec

from tapelight.errors import Rejected
from tapelight.ports import Json
from tapelight.web.documents import Kind
from tapelight.web.wire import quoted

MOST = 1_000
SYMBOL_CHARS = 32


class WatchlistText(msgspec.Struct, forbid_unknown_fields=True):
    """Bring a watchlist; a symbol need not be watched today."""

    symbols: list[str]
    shared: bool = False


def sound(body: dict[str, Json]) -> dict[str, Json]:
    """Return the list with each symbol once; raises Rejected."""
    symbols = body.get("symbols")
    if not isinstance(symbols, list) or set(body) - {"symbols"}:
        raise Rejected('A watchlist is {"symbols": ["AAPL", ...]}.')
    for symbol in symbols:
        if not isinstance(symbol, str) or not _is_symbol(symbol):
            raise Rejected(f"{quoted(str(symbol))} is no symbol: give it as in AAPL.")
    kept = list(dict.fromkeys(symbols))
    if len(kept) > MOST:
        raise Rejected(f"A watchlist holds up to {MOST:,} symbols: make two of it.")
    return {"symbols": kept}


def _is_symbol(text: str) -> bool:
    return 0 < len(text) <= SYMBOL_CHARS and text.isprintable() and not set(text) & set(" \"'<>\\")


WATCHLISTS = Kind("watchlist", "watchlists", WatchlistText, sound)
