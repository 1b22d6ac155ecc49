"""Read Kite's binary frames: big-endian packets, whose length tells their mode.

A frame is a 16-bit count, and for each packet a 16-bit length and its bytes; a frame of one byte
is a heartbeat. Source: kite.trade/docs/connect/v3/websocket and the official client's ticker.py.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from tapelight.errors import Rejected

NAN = float("nan")
NS = 1_000_000_000
LTP, INDEX_QUOTE, INDEX_FULL, QUOTE, FULL = 8, 28, 32, 44, 184
HEARTBEAT = 4
"""A frame shorter than this holds no packet."""
CURRENCIES, BSE_CURRENCIES, COMMODITIES = 3, 6, 12
DIVISORS = {CURRENCIES: 1e7, BSE_CURRENCIES: 1e4, COMMODITIES: 1e4}
"""By segment, the last byte of a token; all others count in paise."""
MOST = 1e8
"""No price is above this."""
_TWO = struct.Struct(">2I")
_INDEX = struct.Struct(">6I")
_QUOTE = struct.Struct(">11I")
_TIMES = struct.Struct(">I12xI")
_LEVEL = struct.Struct(">2I")
_BID, _ASK = 64, 124


@dataclass(frozen=True, slots=True)
class Tick:
    """Hold one packet: a sample of an instrument's state; NaN or 0 where its mode tells nothing."""

    token: int
    last: float
    volume: int = -1
    """Shares since the day's start; -1 unknown: LTP mode, and an index, which has none."""
    average: float = NAN
    open: float = NAN
    high: float = NAN
    low: float = NAN
    prev_close: float = NAN
    traded_ns: int = 0
    """Of the last trade, in whole seconds."""
    stamped_ns: int = 0
    bid: float = NAN
    ask: float = NAN
    bid_size: float = NAN
    ask_size: float = NAN


def packets(frame: bytes) -> Iterator[bytes]:
    """Yield the packets of a frame; raises Rejected where their lengths and the frame's differ."""
    if len(frame) < HEARTBEAT:
        return
    count, at = int.from_bytes(frame[:2], "big"), 2
    for _ in range(count):
        length = int.from_bytes(frame[at : at + 2], "big")
        packet = frame[at + 2 : at + 2 + length]
        if len(packet) < length or length == 0:
            raise Rejected(f"a frame of {len(frame)} bytes ends inside a packet of {length}")
        yield packet
        at += 2 + length
    if at != len(frame):
        raise Rejected(f"a frame of {len(frame)} bytes tells of packets up to byte {at}")


def tick(packet: bytes) -> Tick:
    """Return what a packet says; raises Rejected for a length or a price that cannot be."""
    length = len(packet)
    if length not in (LTP, INDEX_QUOTE, INDEX_FULL, QUOTE, FULL):
        raise Rejected(f"a packet of {length} bytes")
    token, last = _TWO.unpack_from(packet)
    unit = DIVISORS.get(token & 0xFF, 100.0)
    if not last / unit < MOST:
        raise Rejected(f"price {last / unit} of {token}")
    if length == LTP:
        return Tick(token, last / unit)
    if length in (INDEX_QUOTE, INDEX_FULL):
        return _index(packet, unit)
    return _quote(packet, unit)


def _index(packet: bytes, unit: float) -> Tick:
    """Return an index's packet: high, low, open and close, in this order."""
    token, last, high, low, open_, close = _INDEX.unpack_from(packet)
    stamp = int.from_bytes(packet[28:32], "big") if len(packet) == INDEX_FULL else 0
    return Tick(
        token, last / unit, open=_price(open_, unit), high=_price(high, unit),
        low=_price(low, unit), prev_close=_price(close, unit), stamped_ns=stamp * NS,
    )  # fmt: skip


def _quote(packet: bytes, unit: float) -> Tick:
    """Return a share's packet: open, high, low and close; the full mode adds times and depth."""
    token, last, _, average, volume, _, _, *day = _QUOTE.unpack_from(packet)
    open_, high, low, close = (_price(p, unit) for p in day)
    traded = stamped = 0
    bid = ask = bid_size = ask_size = 0
    if len(packet) == FULL:
        traded, stamped = _TIMES.unpack_from(packet, 44)
        (bid_size, bid), (ask_size, ask) = (_LEVEL.unpack_from(packet, at) for at in (_BID, _ASK))
    return Tick(
        token, last / unit, volume, _price(average, unit), open_, high, low, close,
        traded * NS, stamped * NS, _price(bid, unit), _price(ask, unit),
        float(bid_size), float(ask_size),
    )  # fmt: skip


def _price(paise: int, unit: float) -> float:
    """Return a price; 0 stands for none."""
    return paise / unit if 0 < paise / unit < MOST else NAN
