"""Market data in Alpaca's words: trades, quotes, bars, statuses, bands, corrections, cancels.

`Time` writes a moment: text in JSON, a timestamp extension in MessagePack.
"""

import struct
from collections.abc import Callable

import msgspec

from tapelight.feeds._sip import EXCHANGES, letters_of
from tapelight.feeds.simulator import sales
from tapelight.feeds.simulator.alpaca.order import stamp
from tapelight.feeds.simulator.bars import Closed
from tapelight.feeds.simulator.listing import TICKS, Listing
from tapelight.feeds.simulator.market import MS
from tapelight.feeds.simulator.window import Banded, Prints, Quoted

Event = dict[str, object]
Time = Callable[[int], object]
TAPES = " ABC"
LETTERS = {number: letter for letter, number in EXCHANGES.items()}
SIZE_PLACES = 6


def packed(ns: int) -> msgspec.msgpack.Ext:
    """Return a MessagePack timestamp of 64 bits: nanoseconds and seconds."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return msgspec.msgpack.Ext(-1, struct.pack(">Q", rest << 34 | seconds))


class Forms:
    """Write events of one listing; prices come in ticks, times in ms."""

    def __init__(self, listing: Listing) -> None:
        self._symbols = listing.symbols
        self._tapes = [TAPES[tape] for tape in listing.tape.tolist()]
        self._letters = {tape: [letters_of(kind, tape) for kind in sales.KINDS] for tape in "ABC"}

    def trade(self, trades: Prints, at: int, number: int, time: Time) -> Event:
        """Return a trade."""
        row = int(trades.row[at])
        tape = self._tapes[row]
        return {
            "T": "t", "S": self._symbols[row], "i": number + 1, "x": _venue(trades, at),
            "p": int(trades.price[at]) / TICKS, "s": _shares(float(trades.size[at])),
            "c": self._letters[tape][int(trades.kind[at])], "z": tape,
            "t": time(int(trades.ts_ms[at]) * MS),
        }  # fmt: skip

    def quote(self, quotes: Quoted, at: int, time: Time, venue: str = "") -> Event:
        """Return a quote; `venue` is both sides' where it is given."""
        row = int(quotes.row[at])
        return {
            "T": "q", "S": self._symbols[row], "bx": venue or "Q", "ax": venue or "P",
            "bp": int(quotes.bid[at]) / TICKS, "bs": int(quotes.bid_size[at]),
            "ap": int(quotes.ask[at]) / TICKS, "as": int(quotes.ask_size[at]), "c": ["R"],
            "z": self._tapes[row], "t": time(int(quotes.ts_ms[at]) * MS),
        }  # fmt: skip

    def bar(self, kind: str, bars: Closed, at: int, time: Time) -> Event:
        """Return a minute bar: b, or u for one that was amended."""
        found = bars.bar_of(int(bars.row[at]))
        assert found is not None
        return {"T": kind, "S": self._symbols[int(bars.row[at])], **bar_form(found, time)}

    def band(self, bands: Banded, at: int, time: Time) -> Event:
        """Return LULD bands."""
        row = int(bands.row[at])
        return {
            "T": "l", "S": self._symbols[row], "u": int(bands.upper[at]) / TICKS,
            "d": int(bands.lower[at]) / TICKS, "i": "B", "z": self._tapes[row],
            "t": time(bands.ts_ms * MS),
        }  # fmt: skip

    def status(self, row: int, halted: bool, at_ms: int, time: Time) -> Event:
        """Return a trading pause by LULD, or its end."""
        utp = self._tapes[row] == "C"
        code, words = ("H", "Trading Halt") if halted else ("T", "Trading Resumption")
        reason = (
            ("LUDP", "Volatility Trading Pause") if utp else ("M", "Limit Up-Limit Down (LULD)")
        )
        if not utp:
            code = "2" if halted else "3"
        return {
            "T": "s", "S": self._symbols[row], "sc": code, "sm": words,
            "rc": reason[0] if halted else "", "rm": reason[1] if halted else "",
            "z": self._tapes[row], "t": time(at_ms * MS),
        }  # fmt: skip

    def cancel(self, trades: Prints, at: int, number: int, now_ms: int, time: Time) -> Event:
        """Return the cancel of a trade."""
        row = int(trades.row[at])
        return {
            "T": "x", "S": self._symbols[row], "i": number + 1, "x": _venue(trades, at),
            "p": int(trades.price[at]) / TICKS, "s": _shares(float(trades.size[at])), "a": "C",
            "z": self._tapes[row], "t": time(now_ms * MS),
        }  # fmt: skip

    def correction(
        self, trades: Prints, at: int, number: int, price: int, now_ms: int, time: Time
    ) -> Event:
        """Return the correction of a trade's price."""
        row = int(trades.row[at])
        size = _shares(float(trades.size[at]))
        letters = self._letters[self._tapes[row]][int(trades.kind[at])]
        return {
            "T": "c", "S": self._symbols[row], "x": _venue(trades, at), "oi": number + 1,
            "op": int(trades.price[at]) / TICKS, "os": size, "oc": letters,
            "ci": number + 1, "cp": price / TICKS, "cs": size, "cc": letters,
            "z": self._tapes[row], "t": time(now_ms * MS),
        }  # fmt: skip


def bar_form(found: list[float], time: Time) -> Event:
    """Return [start ms, open, high, low, close, volume, vwap, trades] in Alpaca's words."""
    at, o, h, l, c, v, vw, n = found  # noqa: E741
    return {
        "o": o, "h": h, "l": l, "c": c, "v": _shares(v), "n": int(n), "vw": vw,
        "t": time(int(at) * MS),
    }  # fmt: skip


def _venue(trades: Prints, at: int) -> str:
    return LETTERS.get(int(trades.venue[at]), "D")


def _shares(size: float) -> float | int:
    return int(size) if size == int(size) else round(size, SIZE_PLACES)


__all__ = ["Event", "Forms", "Time", "bar_form", "packed", "stamp"]
