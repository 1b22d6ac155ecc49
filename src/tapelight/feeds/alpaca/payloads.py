"""The answers of Alpaca's REST services that are read, as typed structs."""

from msgspec import Struct, field

NAN = float("nan")


class PastTrade(Struct, gc=False):
    """Hold a trade of /v2/stocks/trades, or the latest one of a snapshot."""

    t: str
    p: float
    s: float
    i: int = 0
    x: str = ""
    c: tuple[str, ...] | None = ()
    z: str = ""


class LatestQuote(Struct, gc=False):
    """Hold the latest quote of a snapshot."""

    bp: float = 0.0
    bs: float = NAN
    ap: float = 0.0
    ask_size: float = field(name="as", default=NAN)


class PastBar(Struct, gc=False):
    """Hold a bar."""

    t: str
    o: float
    h: float
    l: float  # noqa: E741 - the provider's name
    c: float
    v: float
    n: float = NAN
    vw: float = 0.0


class StockSnapshot(Struct, gc=False, rename="camel"):
    """Hold a snapshot; any part may be missing."""

    latest_trade: PastTrade | None = None
    latest_quote: LatestQuote | None = None
    minute_bar: PastBar | None = None
    daily_bar: PastBar | None = None
    prev_daily_bar: PastBar | None = None


class BarsPage(Struct, gc=False):
    """Hold a page of bars by symbol."""

    bars: dict[str, list[PastBar]] | None = None
    next_page_token: str | None = None


class TradesPage(Struct, gc=False):
    """Hold a page of trades by symbol."""

    trades: dict[str, list[PastTrade]] | None = None
    next_page_token: str | None = None


class Asset(Struct, gc=False):
    """Hold a security of /v2/assets."""

    symbol: str
    name: str | None = None
    exchange: str = ""
    tradable: bool = True
