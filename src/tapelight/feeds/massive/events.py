"""The events of Massive's stocks stream as typed structs; nothing of them leaves this package.

Every frame is a JSON array of objects told apart by `ev`. Fields stand in the order in which
Massive sends them, which is the order in which msgspec finds them fastest. Unknown fields are
skipped. Times are integers whose unit goes by magnitude (ms, us or ns), never by the docs.
Source: docs/websocket/stocks and the official client's models.
"""

from typing import Annotated, Any, Union

from msgspec import Meta, Struct, defstruct, field

NAN = float("nan")
Price = Annotated[float, Meta(gt=0, le=1e9)]
Amount = Annotated[float, Meta(ge=0, le=1e13)]


class TradeEvent(Struct, gc=False, kw_only=True, tag_field="ev", tag="T"):
    """Hold a print; `c` is absent when there is no condition, `ds` holds fractional shares.

    {"ev":"T","sym":"MSFT","x":4,"i":"12345","z":3,"p":114.125,"s":100,"c":[0,12],
    "t":1536036818784,"q":3681328}
    """

    sym: str
    x: int = 0
    p: Price
    s: Amount
    c: tuple[int, ...] = ()
    t: int
    q: int = 0
    ds: str = ""


class QuoteEvent(Struct, gc=False, kw_only=True, tag_field="ev", tag="Q"):
    """Hold a national best quote; a price of 0 or none means that the side is empty.

    {"ev":"Q","sym":"MSFT","bx":4,"bp":114.125,"bs":100,"ax":7,"ap":114.128,"as":160,"c":0,
    "i":[604],"t":1536036818784,"q":50385480,"z":3}
    """

    sym: str
    bp: Amount = 0.0
    bs: Amount = NAN
    ap: Amount = 0.0
    ask_size: Amount = field(name="as", default=NAN)
    t: int


class _Bar(Struct, gc=False, kw_only=True, tag_field="ev"):
    """Hold an aggregate; `dv` and `dav` are the fractional forms of `v` and `av`.

    {"ev":"AM","sym":"GTE","v":4110,"av":9470157,"op":0.4372,"vw":0.4488,"o":0.4488,"c":0.4486,
    "h":0.4489,"l":0.4486,"a":0.4352,"z":685,"s":1610144640000,"e":1610144700000}
    """

    sym: str
    v: Amount = NAN
    dv: str = ""
    av: Amount = NAN
    dav: str = ""
    op: Amount = 0.0
    vw: Amount = 0.0
    o: Price
    c: Price
    h: Price
    l: Price  # noqa: E741 - the provider's name
    z: Amount = NAN
    s: int


class SecondEvent(_Bar, tag="A"):
    """Hold a second bar."""


class MinuteEvent(_Bar, tag="AM"):
    """Hold a minute bar."""


class BandEvent(Struct, gc=False, kw_only=True, tag_field="ev", tag="LULD"):
    """Hold limit-up limit-down bands; the ticker's field is `T`.

    {"ev":"LULD","T":"MSFT","h":218.96,"l":198.11,"i":[21],"z":3,"t":1601316752683746,"q":290317}
    """

    ticker: str = field(name="T")
    h: Price
    l: Price  # noqa: E741 - the provider's name
    t: int


class StatusEvent(Struct, gc=False, tag_field="ev", tag="status"):
    """Hold a status: connected, auth_success, success, error, max_connections ...

    {"ev":"status","status":"success","message":"subscribed to: T.AAPL"}
    """

    status: str
    message: str = ""


IGNORED = ("NOI", "FMV", "LV", "V", "C", "CA", "CAS", "XT", "XQ", "XL2", "XA", "XAS")
"""Events of channels and markets that are not asked for: counted, not decoded."""

IGNORED_EVENTS = tuple(
    defstruct(f"Ignored{tag}", [], tag_field="ev", tag=tag, gc=False) for tag in IGNORED
)

BarEvent = SecondEvent | MinuteEvent
Event = TradeEvent | QuoteEvent | SecondEvent | MinuteEvent | BandEvent | StatusEvent | Struct
"""Any event; a `Struct` of no other kind is an ignored one."""
EventUnion: Any = Union[
    (TradeEvent, QuoteEvent, SecondEvent, MinuteEvent, BandEvent, StatusEvent, *IGNORED_EVENTS)
]
"""The union that msgspec decodes, told apart by `ev`."""
