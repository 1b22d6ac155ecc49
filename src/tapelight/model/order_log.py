"""The records of the order log: the trader's state is what they add up to."""

from decimal import Decimal

import msgspec

from tapelight.model.orders import ZERO, Account, Fill, OrderRequest, Report, Verdict


class Started(msgspec.Struct, frozen=True, tag="started"):
    """Say that a trader started; its epoch fences off every earlier one."""

    ts_ns: int
    epoch: int


class Bound(msgspec.Struct, frozen=True, tag="bound"):
    """Say whose orders the log holds, from the first answer on: no other account's are ever in it."""

    ts_ns: int
    broker: str
    host: str
    """Where the broker answers; empty = in this process."""
    account: str
    """The broker's number of it; empty = it gives none."""


class Intended(msgspec.Struct, frozen=True, tag="intended"):
    """Hold an intent and what risk said of it. Nothing is sent that no such record is durable of."""

    ts_ns: int
    request: OrderRequest
    verdict: Verdict
    cursor: int = 0
    """Place in the signal queue of the signal behind it; 0 = none."""


class Decided(msgspec.Struct, frozen=True, tag="decided"):
    """Say that a held order was let go or declined: by a person, a time-out, the kill switch."""

    ts_ns: int
    order: str
    approved: bool
    by: str


class Sent(msgspec.Struct, frozen=True, tag="sent"):
    """Say that an order is about to be sent: durable before, so the order is UNKNOWN from here."""

    ts_ns: int
    order: str


class CancelAsked(msgspec.Struct, frozen=True, tag="cancel"):
    """Say that a cancel is about to be sent."""

    ts_ns: int
    order: str
    why: str


class Reported(msgspec.Struct, frozen=True, tag="reported"):
    """Hold the venue's word on an order, and the fill that it adds, if any."""

    ts_ns: int
    report: Report
    fill: Fill | None = None


class Missed(msgspec.Struct, frozen=True, tag="missed"):
    """Say that the venue no longer knows an order that worked: two answers are without it."""

    ts_ns: int
    order: str


class Adopted(msgspec.Struct, frozen=True, tag="adopted"):
    """Book what the venue holds and no order of ours explains: a trade in the broker's own app."""

    ts_ns: int
    fill: Fill
    why: str


class Split(msgspec.Struct, frozen=True, tag="split"):
    """Turn a position into the shares of a split, at the same cost."""

    ts_ns: int
    symbol: str
    quantity: Decimal
    """Shares held after it."""
    to: str = ""
    """The new symbol, where it changed too."""


class Valued(msgspec.Struct, frozen=True, tag="valued"):
    """Hold what the venue says of the account, and the highest equity of the day."""

    ts_ns: int
    account: Account
    peak: Decimal = ZERO


class Killed(msgspec.Struct, frozen=True, tag="killed"):
    """Block entries and cancel what works, until a person arms again."""

    ts_ns: int
    reason: str
    by: str
    flatten: bool = False
    drill: bool = False
    """Only say what would be done."""


class Armed(msgspec.Struct, frozen=True, tag="armed"):
    """Let entries go again: a person said so."""

    ts_ns: int
    by: str


class Leaving(msgspec.Struct, frozen=True, tag="leaving"):
    """Want a symbol's position closed, whatever it takes; over once it is flat."""

    ts_ns: int
    symbol: str
    why: str
    by: str
    whole: bool = False
    """Whether what was traded in the broker's own app is closed too."""


class Voided(msgspec.Struct, frozen=True, tag="voided"):
    """Say that a signal no longer holds: what it asked for and did not get is cancelled."""

    ts_ns: int
    cause: str
    why: str


class ReadTo(msgspec.Struct, frozen=True, tag="read"):
    """Say up to where the signal queue was read."""

    ts_ns: int
    cursor: int


OrderRecord = (
    Started | Bound | Intended | Decided | Sent | CancelAsked | Reported | Adopted | Split | Valued
    | Missed | Killed | Armed | Leaving | Voided | ReadTo
)  # fmt: skip
