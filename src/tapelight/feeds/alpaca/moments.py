"""Times as Alpaca sends them, in ns UTC."""

import datetime as dt
import struct

from msgspec.msgpack import Ext

TIMESTAMP = -1
EARLIEST_NS, LATEST_NS = 10**18, 2**63 - 1
"""From September 2001: what is earlier is no time of a market that we read."""
MAX_SECONDS = 4_096
_U64, _NS_S = struct.Struct(">Q"), struct.Struct(">Iq")
_U32 = struct.Struct(">I")
_SECONDS: dict[str, int] = {}
"""Seconds since the epoch by the text up to them: thousands of events share one."""


def text_ns(text: str) -> int:
    """Return ns of RFC 3339 in UTC, such as 2021-02-22T15:51:45.335689322Z; raises ValueError."""
    whole, tail = text[:19], text[19:]
    seconds = _SECONDS.get(whole)
    if seconds is None:
        if len(_SECONDS) >= MAX_SECONDS:
            _SECONDS.clear()
        moment = dt.datetime.fromisoformat(whole).replace(tzinfo=dt.UTC)
        seconds = _SECONDS[whole] = int(moment.timestamp())
    if tail == "Z":
        return _sound(seconds * 1_000_000_000)
    if tail[:1] != "." or tail[-1:] != "Z" or not tail[1:-1].isdigit() or len(tail) > 11:
        raise ValueError(f"{text!r} is no time in UTC")
    return _sound(seconds * 1_000_000_000 + int(tail[1:-1].ljust(9, "0")))


def packed_ns(time: Ext) -> int:
    """Return ns of a MessagePack timestamp of 4, 8 or 12 bytes; raises ValueError."""
    data = bytes(time.data)
    if time.code != TIMESTAMP or len(data) not in (4, 8, 12):
        raise ValueError("no timestamp")
    if len(data) == 8:
        (both,) = _U64.unpack(data)
        return _sound((both & (1 << 34) - 1) * 1_000_000_000 + (both >> 34))
    if len(data) == 4:
        return _sound(_U32.unpack(data)[0] * 1_000_000_000)
    rest, seconds = _NS_S.unpack(data)
    return _sound(seconds * 1_000_000_000 + rest)


def _sound(ns: int) -> int:
    if not EARLIEST_NS <= ns <= LATEST_NS:
        raise ValueError(f"{ns} is no event time")
    return ns


def rfc(ns: int) -> str:
    """Return RFC 3339 of ns UTC."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
