"""The bodies of Massive's REST answers as typed structs; nothing of them leaves this package.

Fields that a plan or a day may lack have a default. Source: the official OpenAPI document and
the example bodies of the official client.
"""

from msgspec import Struct, field


class MarketStatus(Struct, gc=False, rename="camel"):
    """Hold /v1/marketstatus/now."""

    server_time: str = ""
    market: str = ""


class ConsolidatedRules(Struct, gc=False):
    """Say what a condition lets a print move; `updates_open_close` stands for last."""

    updates_high_low: bool = True
    updates_open_close: bool = True
    updates_volume: bool = True


class UpdateRules(Struct, gc=False):
    """Hold the rules of the consolidated tape; the market centre's own differ and are left."""

    consolidated: ConsolidatedRules | None = None


class Condition(Struct):
    """Hold one of /v3/reference/conditions; ids are unique only within a data type."""

    id: int
    data_types: list[str] = []
    update_rules: UpdateRules | None = None


class Conditions(Struct):
    """Hold a page of /v3/reference/conditions."""

    results: list[Condition] = []
    next_url: str | None = None


class Ticker(Struct, gc=False):
    """Hold one of /v3/reference/tickers."""

    ticker: str
    name: str | None = None
    primary_exchange: str | None = None
    type: str | None = None


class Tickers(Struct):
    """Hold a page of /v3/reference/tickers."""

    results: list[Ticker] = []
    next_url: str | None = None


class Details(Struct, gc=False):
    """Hold the results of /v3/reference/tickers/{T}."""

    ticker: str
    share_class_shares_outstanding: float | None = None
    weighted_shares_outstanding: float | None = None
    sic_description: str | None = None
    list_date: str | None = None
    sic_code: str | None = None


class TickerDetails(Struct):
    """Hold /v3/reference/tickers/{T}."""

    results: Details | None = None


class DayBar(Struct, gc=False):
    """Hold one symbol of a grouped daily."""

    ticker: str = field(name="T")
    o: float
    h: float
    l: float  # noqa: E741 - the provider's name
    c: float
    v: float


class GroupedDaily(Struct):
    """Hold /v2/aggs/grouped/...: `results` is absent on a closed day."""

    results: list[DayBar] | None = None


class MinuteBar(Struct, gc=False):
    """Hold one aggregate of /v2/aggs/ticker/{T}/range/...; `t` is its start in ms."""

    t: int
    o: float
    h: float
    l: float  # noqa: E741 - the provider's name
    c: float
    v: float
    vw: float = 0.0
    n: float = float("nan")


class MinuteBars(Struct):
    """Hold a page of /v2/aggs/ticker/{T}/range/..."""

    results: list[MinuteBar] | None = None
    next_url: str | None = None


class PastTrade(Struct, gc=False):
    """Hold one print of /v3/trades/{T}; `correction` tells of one taken back later."""

    price: float
    size: float
    sip_timestamp: int
    sequence_number: int = 0
    conditions: tuple[int, ...] = ()
    exchange: int = 0
    decimal_size: str = ""
    correction: int = 0


class PastTrades(Struct):
    """Hold a page of /v3/trades/{T}."""

    results: list[PastTrade] | None = None
    next_url: str | None = None


class FreeFloat(Struct, gc=False):
    """Hold one of /stocks/vX/float."""

    ticker: str
    free_float: float | None = None
    effective_date: str | None = None


class FreeFloats(Struct):
    """Hold a page of /stocks/vX/float."""

    results: list[FreeFloat] = []
    next_url: str | None = None


class Split(Struct, gc=False):
    """Hold one of /stocks/v1/splits; `split_to` may be fractional."""

    ticker: str
    execution_date: str
    split_from: float
    split_to: float


class Splits(Struct):
    """Hold a page of /stocks/v1/splits."""

    results: list[Split] = []
    next_url: str | None = None


class ShortInterest(Struct, gc=False):
    """Hold one of /stocks/v1/short-interest."""

    ticker: str
    settlement_date: str = ""
    short_interest: float | None = None


class ShortInterests(Struct):
    """Hold a page of /stocks/v1/short-interest."""

    results: list[ShortInterest] = []
    next_url: str | None = None


class DayPart(Struct, gc=False):
    """Hold `day` or `prevDay` of a snapshot; 0 is unknown."""

    o: float = 0.0
    h: float = 0.0
    l: float = 0.0  # noqa: E741 - the provider's name
    c: float = 0.0
    v: float = 0.0
    vw: float = 0.0
    dv: str = ""


class MinutePart(Struct, gc=False):
    """Hold `min` of a snapshot: the last minute bar, `av` the day's volume from 04:00."""

    o: float = 0.0
    h: float = 0.0
    l: float = 0.0  # noqa: E741
    c: float = 0.0
    v: float = 0.0
    vw: float = 0.0
    n: float = 0.0
    av: float = 0.0
    dav: str = ""
    t: int = 0


class LastTrade(Struct, gc=False):
    """Hold `lastTrade` of a snapshot; `t` in ns."""

    p: float = 0.0
    c: tuple[int, ...] | None = None
    t: int = 0


class LastQuote(Struct, gc=False):
    """Hold `lastQuote` of a snapshot: p, s the bid, P, S the ask."""

    p: float = 0.0
    s: float = 0.0
    ask: float = field(name="P", default=0.0)
    ask_size: float = field(name="S", default=0.0)


class TickerSnapshot(Struct, gc=False, rename="camel"):
    """Hold one symbol of the full snapshot."""

    ticker: str
    updated: int = 0
    day: DayPart | None = None
    min: MinutePart | None = None
    prev_day: DayPart | None = None
    last_trade: LastTrade | None = None
    last_quote: LastQuote | None = None


class FullSnapshot(Struct):
    """Hold /v2/snapshot/locale/us/markets/stocks/tickers."""

    tickers: list[TickerSnapshot] = []


class Publisher(Struct):
    """Hold who published an article."""

    name: str = ""


class NewsItem(Struct, gc=False):
    """Hold one of /v2/reference/news.

    {"id": "8ec6...", "publisher": {"name": "Investing.com"}, "title": "Markets are ...",
    "published_utc": "2024-06-24T18:33:53Z", "article_url": "https://...", "tickers": ["UBS"]}
    """

    id: str
    title: str
    published_utc: str
    tickers: list[str] = []
    publisher: Publisher | None = None


class NewsItems(Struct):
    """Hold a page of /v2/reference/news."""

    results: list[NewsItem] = []
    next_url: str | None = None
