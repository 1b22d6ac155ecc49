"""Orders: what is asked of a broker, what came of it, and the records that say so.

Prices and money are Decimal here and float in the market; `price_of` is the one crossing.
"""

import hashlib
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Final, Literal

import msgspec

ZERO = Decimal(0)
BUY: Final = "buy"
SELL: Final = "sell"
Side = Literal["buy", "sell"]
Kind = Literal["limit", "stop", "stop_limit", "oco", "market"]
"""oco: a target (limit) and a stop, of which one fills; together never more than the quantity."""
Purpose = Literal["entry", "stop", "exit", "flatten"]
"""stop: rests at the venue and protects what an entry filled."""
State = Literal[
    "held", "refused", "declined", "unknown",
    "working", "filled", "cancelled", "rejected", "expired", "lost",
]  # fmt: skip
"""held waits for a person. unknown: sent, or perhaps sent, and the venue has not told.
lost: the venue says that it has no such order, long after the send. refused (by risk) and declined
(by a person, a time-out, the kill switch) were never sent; the others are the venue's word."""
DONE: frozenset[State] = frozenset(
    ("refused", "declined", "filled", "cancelled", "rejected", "expired", "lost")
)
EVIDENCE: frozenset[State] = frozenset(
    ("working", "filled", "cancelled", "rejected", "expired", "lost")
)
"""What only the venue can say."""
ID_PREFIX = "tl-"
ID_BYTES = 12


def derived_id(*parts: str) -> str:
    """Return the client order id of an intent: the same parts give the same 27 characters."""
    text = msgspec.msgpack.encode(parts)
    return ID_PREFIX + hashlib.blake2b(text, digest_size=ID_BYTES).hexdigest()


def tick_of(price: float | Decimal) -> Decimal:
    """Return the smallest price step of a US stock (Rule 612): a cent, below 1 $ a hundredth of it."""
    return Decimal("0.01") if price >= 1 else Decimal("0.0001")


def price_of(price: float, tick: Decimal | None = None, toward: str = "") -> Decimal:
    """Return a market price as an order price, a multiple of `tick` (None: that of a US stock).

    `toward` is up, down, or empty for the nearest.
    """
    step = tick if tick is not None else tick_of(price)
    rounding = {"up": ROUND_CEILING, "down": ROUND_FLOOR}.get(toward, ROUND_HALF_EVEN)
    # Twelve digits hold any price that a feed can send; what lies beyond is float noise.
    exact = Decimal(f"{price:.12g}")
    return (exact / step).quantize(Decimal(1), rounding) * step


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Ask for one order. It is the intent: durable before it is sent, never changed after."""

    id: str
    """Derived from the cause, and the client order id at the venue: an intent has one order."""
    cause: str
    """What it comes from: a signal's id, the entry that it protects, or `kill`, `time`, `person`."""
    purpose: Purpose
    symbol: str
    side: Side
    quantity: Decimal
    """Shares."""
    kind: Kind
    limit: Decimal | None = None
    """limit, stop_limit, oco (the target)."""
    stop: Decimal | None = None
    """stop, stop_limit, oco."""
    strategy: str = ""
    entry: str = ""
    """The id of the entry that it protects or ends; empty where there is none."""
    tif: Literal["day", "gtc", "ioc"] = "day"
    extended: bool = False
    """Whether it may fill outside regular hours (limit and day alone)."""
    made_ns: int = 0
    signal_ns: int = 0
    """Market time of the signal; 0 where none is behind it."""
    expires_ns: int = 0
    """An entry is cancelled after this; 0 = with the session."""
    plan_stop: Decimal | None = None
    """entry: where what it fills is to be stopped."""
    plan_target: Decimal | None = None
    exit_ns: int = 0
    """entry: flat by then; 0 = no time exit."""

    @property
    def reduces(self) -> bool:
        """Tell whether it is meant to reduce risk; its quantity is capped at the position then."""
        return self.purpose != "entry"

    @property
    def signed(self) -> Decimal:
        """Return the quantity, below 0 for a sale."""
        return self.quantity if self.side == BUY else -self.quantity


class Approved(msgspec.Struct, frozen=True, tag="approved"):
    """Let an order go."""

    ts_ns: int
    waits: bool = False
    """Whether a person has to approve it too."""


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """Refuse an order: a value, never an exception."""

    ts_ns: int
    rule: str
    """The name of the rule."""
    reason: str
    """One sentence with the figures."""


Verdict = Approved | Refused


class Report(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Bring the venue's word on an order: evidence.

    `filled` and `average` are cumulative. A report may come twice, late or out of order: less
    filled than is known, or a state behind one that is terminal, changes nothing.
    """

    order: str
    """Our id; empty for an order that is not ours."""
    state: State
    """One of EVIDENCE."""
    filled: Decimal = ZERO
    average: Decimal | None = None
    """Price of all that is filled; needed where `filled` is above 0."""
    fee: Decimal = ZERO
    """Cumulative fees, $."""
    ts_ns: int = 0
    """The venue's time."""
    venue_id: str = ""
    execution: str = ""
    """The venue's id of the fill that this report tells of, if it tells of one."""
    reason: str = ""
    symbol: str = ""
    side: Side = "buy"
    quantity: Decimal = ZERO
    """What was ordered; with symbol and side, for orders that are not ours."""


class Fill(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """State one execution as booked: what the venue's cumulative figures grew by."""

    order: str
    """Our id; empty for what was not ours (a trade in the broker's own app)."""
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    cumulative: Decimal
    """Filled of the order after it: (order, cumulative) names a fill once."""
    fee: Decimal = ZERO
    ts_ns: int = 0
    execution: str = ""

    @property
    def signed(self) -> Decimal:
        """Return the quantity, below 0 for a sale."""
        return self.quantity if self.side == BUY else -self.quantity


class Order(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Hold an order as its records tell it."""

    request: OrderRequest
    state: State
    venue_id: str = ""
    filled: Decimal = ZERO
    average: Decimal = ZERO
    fee: Decimal = ZERO
    sent_ns: int = 0
    """When the intent to send became durable; 0 = never sent."""
    tries: int = 0
    """How often it may have been sent; above 1 only where the venue refuses a repeated id."""
    cancel_ns: int = 0
    """When a cancel was asked; 0 = never."""
    reason: str = ""
    ts_ns: int = 0
    """Of its newest record."""

    @property
    def id(self) -> str:
        """Return the intent's id."""
        return self.request.id

    @property
    def open(self) -> bool:
        """Tell whether it may still fill, as far as we know."""
        return self.state in ("unknown", "working")

    @property
    def left(self) -> Decimal:
        """Return what may still fill, shares."""
        return max(self.request.quantity - self.filled, ZERO) if self.open else ZERO


class Position(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Hold what a symbol's fills add up to."""

    symbol: str
    quantity: Decimal = ZERO
    """Shares, below 0 for a short."""
    ours: Decimal = ZERO
    """What of them orders of ours hold; the rest was traded in the broker's own app."""
    average: Decimal = ZERO
    """Entry price of what is held."""
    realised: Decimal = ZERO
    """$, fees not taken off."""
    fees: Decimal = ZERO
    bought: Decimal = ZERO
    """Shares bought in all, and sold."""
    sold: Decimal = ZERO


class Holding(msgspec.Struct, frozen=True):
    """State what the venue says an account holds of a symbol."""

    symbol: str
    quantity: Decimal
    average: Decimal = ZERO


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """State what the venue says of the account; manual trades are in it."""

    equity: Decimal
    buying_power: Decimal
    last_equity: Decimal
    """At the close before today."""
    ts_ns: int = 0
    blocked: str = ""
    """Why the broker lets it send no order; empty = it does."""
    may_short: bool = False
    day_trades_left: int | None = None
    """How many day trades the broker still allows; None = no such rule holds."""
    number: str = ""
    """By which the broker names the account; empty = it gives none."""


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """Bring everything that a venue says at one time: the answer to `Broker.look`."""

    account: Account
    orders: tuple[Report, ...] = ()
    """Every open order of the account, ours or not, and each asked-for one that it knows."""
    holdings: tuple[Holding, ...] = ()
    ts_ns: int = 0


class Picture(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Show what the desk may know of a symbol's market; None is unknown, prices in $."""

    symbol: str
    ts_ns: int
    """Market time up to which it is known to be complete."""
    state: str = "LIVE"
    """LIVE, STALE, PROVISIONAL or HALTED."""
    bid: float | None = None
    ask: float | None = None
    last: float | None = None
    luld_up: float | None = None
    luld_down: float | None = None
    short_restricted: bool = False
    """Rule 201: no short sale at or below the bid."""
    tick: Decimal | None = None
    """From reference data; None = that of a US stock."""
