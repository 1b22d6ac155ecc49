"""The events of Alpaca's market-data stream as typed structs; nothing of them leaves this package.

Every frame is an array of objects told apart by `T`. Times are RFC 3339 in JSON and timestamp
extensions in MessagePack, hence the type parameter. Unknown fields are skipped.
Source: docs.alpaca.markets (real-time stock data), alpaca-py 0.44.
"""

from typing import Annotated, Any, Generic, TypeVar, Union

from msgspec import Meta, Struct, defstruct, field
from msgspec.msgpack import Ext

NAN = float("nan")
Price = Annotated[float, Meta(gt=0, le=1e9)]
Amount = Annotated[float, Meta(ge=0, le=1e13)]
Count = Annotated[float, Meta(ge=0, le=1e9)]
T = TypeVar("T", str, Ext)


class TradeEvent(Struct, Generic[T], gc=False, kw_only=True, tag_field="T", tag="t"):
    """Hold a print.

    {"T":"t","S":"AAPL","i":96921,"x":"D","p":126.55,"s":1,"c":["@","I"],"z":"C",
    "t":"2021-02-22T15:51:44.208Z"}
    """

    S: str
    i: int = 0
    x: str = ""
    p: Price
    s: Amount
    c: tuple[str, ...] | None = ()
    z: str = ""
    t: T


class QuoteEvent(Struct, Generic[T], gc=False, kw_only=True, tag_field="T", tag="q"):
    """Hold a best quote; a price of 0 means that the side is empty.

    {"T":"q","S":"AMD","bx":"U","bp":87.66,"bs":1,"ax":"Q","ap":87.68,"as":4,"c":["R"],"z":"C",
    "t":"2021-02-22T15:51:45.335689322Z"}
    """

    S: str
    bp: Amount = 0.0
    bs: Amount = NAN
    ap: Amount = 0.0
    ask_size: Amount = field(name="as", default=NAN)
    t: T


class _Bar(Struct, Generic[T], gc=False, kw_only=True, tag_field="T"):
    """Hold a bar; `t` is its start.

    {"T":"b","S":"SPY","o":388.985,"h":389.13,"l":388.975,"c":389.12,"v":49378,"n":461,
    "vw":389.062639,"t":"2021-02-22T19:15:00Z"}
    """

    S: str
    o: Price
    h: Price
    l: Price  # noqa: E741 - the provider's name
    c: Price
    v: Amount
    n: Count = NAN
    vw: Amount = 0.0
    t: T


class BarEvent(_Bar[T], tag="b"):
    """Hold a minute bar."""


class UpdatedBarEvent(_Bar[T], tag="u"):
    """Hold a minute bar that late trades changed: it replaces the one before."""


class StatusEvent(Struct, Generic[T], gc=False, kw_only=True, tag_field="T", tag="s"):
    """Hold a trading status.

    {"T":"s","S":"AAPL","sc":"H","sm":"Trading Halt","rc":"T12","rm":"Trading Halted; ...",
    "t":"2021-02-22T19:15:00Z","z":"C"}
    """

    S: str
    sc: str
    rc: str = ""
    z: str = ""
    t: T


class BandEvent(Struct, Generic[T], gc=False, kw_only=True, tag_field="T", tag="l"):
    """Hold limit-up limit-down bands.

    {"T":"l","S":"IONM","u":3.24,"d":2.65,"i":"B","t":"2023-04-06T13:34:45.565004401Z","z":"C"}
    """

    S: str
    u: Price
    d: Price
    t: T


class CorrectionEvent(Struct, Generic[T], gc=False, kw_only=True, tag_field="T", tag="c"):
    """Hold the correction of a trade.

    {"T":"c","S":"EEM","x":"M","oi":52983525033527,"op":39.1582,"os":440000,"oc":[" ","7"],
    "ci":52983525034326,"cp":39.1809,"cs":440000,"cc":[" ","7"],"z":"B",
    "t":"2023-04-06T14:25:06.542305024Z"}
    """

    S: str
    x: str = ""
    oi: int
    ci: int
    cp: Price
    cs: Amount
    cc: tuple[str, ...] | None = ()
    z: str = ""
    t: T


class CancelEvent(Struct, Generic[T], gc=False, kw_only=True, tag_field="T", tag="x"):
    """Hold the cancel of a trade (a is C), or of one in error (E).

    {"T":"x","S":"GOOGL","i":465,"x":"D","p":105.31,"s":300,"a":"C","z":"C",
    "t":"2023-04-06T13:15:42.83540958Z"}
    """

    S: str
    i: int
    x: str = ""
    t: T


class SuccessEvent(Struct, gc=False, tag_field="T", tag="success"):
    """Hold a step of the handshake: connected, authenticated."""

    msg: str = ""


class ErrorEvent(Struct, gc=False, tag_field="T", tag="error"):
    """Hold an error: {"T":"error","code":406,"msg":"connection limit exceeded"}."""

    code: int = 0
    msg: str = ""


class SubscriptionEvent(Struct, gc=False, tag_field="T", tag="subscription"):
    """Hold the whole state of the subscription."""

    trades: tuple[str, ...] = ()
    quotes: tuple[str, ...] = ()
    bars: tuple[str, ...] = ()
    updatedBars: tuple[str, ...] = ()  # noqa: N815 - the provider's name
    statuses: tuple[str, ...] = ()
    lulds: tuple[str, ...] = ()


IGNORED = ("d", "i", "n", "o")
"""Daily bars, imbalances, news, order books: not asked for."""
IGNORED_EVENTS = tuple(
    defstruct(f"Ignored{tag}", [], tag_field="T", tag=tag, gc=False) for tag in IGNORED
)
Control = SuccessEvent | ErrorEvent | SubscriptionEvent
_OF_MARKET = (
    TradeEvent, QuoteEvent, BarEvent, UpdatedBarEvent, StatusEvent, BandEvent, CorrectionEvent,
    CancelEvent,
)  # fmt: skip


def union_of(time: type) -> Any:
    """Return the union of all events whose times are of type `time`."""
    market = tuple(event[time] for event in _OF_MARKET)
    return Union[(*market, SuccessEvent, ErrorEvent, SubscriptionEvent, *IGNORED_EVENTS)]
