"""Decode frames of Alpaca's stream, JSON or MessagePack, into one batch and what stands beside it.

A frame is decoded by one typed call; what that refuses is read again element by element, so a bad
event costs only itself.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from tapelight.feeds._conflate import seen
from tapelight.feeds._sip import EXCHANGES, mask_of_letters
from tapelight.feeds._symbols import MAX_SYMBOLS, Rows
from tapelight.feeds.alpaca import events as ev
from tapelight.feeds.alpaca.memory import Memory
from tapelight.feeds.alpaca.moments import packed_ns, text_ns
from tapelight.model.batch import (
    MAX_AHEAD_NS,
    Batch,
    Quotes,
    bands_of,
    bars_of,
    quotes_of,
    trades_of,
)
from tapelight.model.halts import halted
from tapelight.model.records import Correction, Halt, Print
from tapelight.model.universe import Universe

FAULTS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError, OverflowError)
SAMPLE_CHARS = 200
MAX_MASKS = 4_096
NAN = float("nan")
HALT_CODE = re.compile(r"[A-Z0-9]{1,8}")
"""Any other text is no code: the table keeps each word that it has heard."""
Reject = tuple[str, str]


@dataclass(slots=True)
class Decoded:
    """Hold what some frames brought, in the order in which it is to be put."""

    batch: Batch | None = None
    halts: list[Halt] = field(default_factory=list)
    corrections: list[Correction] = field(default_factory=list)
    controls: list[ev.Control] = field(default_factory=list)
    rejected: list[Reject] = field(default_factory=list)


@dataclass(slots=True)
class Counts:
    """Count what became of each event: `events` is the sum of all but frames and controls."""

    frames: int = 0
    events: int = 0
    """Of the market, sound or not; a frame that is none counts one."""
    trades: int = 0
    quotes: int = 0
    superseded: int = 0
    """Quotes that a later one of the same batch made invisible."""
    bars: int = 0
    bands: int = 0
    statuses: int = 0
    corrections: int = 0
    unknown_corrections: int = 0
    """Of trades that this process has not seen, or no longer remembers: ignored ones."""
    controls: int = 0
    ignored: int = 0
    """Of channels that nobody reads, or of unknown trades."""
    test_symbols: int = 0
    rejected: int = 0


@dataclass(slots=True)
class Lists:
    """Hold the columns of a batch while it is filled."""

    trades: list[tuple[int, int, float, float, int, int, int]] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    quotes: list[tuple[int, int, float, float, float, float, int]] = field(default_factory=list)
    bars: list[tuple[float, ...]] = field(default_factory=list)
    bands: list[tuple[int, int, float, float]] = field(default_factory=list)


class Decoder:
    """Turn frames into batches for the rows of `universe`; never raises for what it reads."""

    def __init__(
        self, universe: Universe, pack: bool = True, quote_lot: int = 1,
        most_symbols: int = MAX_SYMBOLS,
    ) -> None:  # fmt: skip
        self.counts = Counts()
        self.rows = Rows(universe, most_symbols)
        self.memory = Memory()
        self._lot = float(quote_lot)
        self._symbols = universe.symbols
        self._ns: Callable[[Any], int] = packed_ns if pack else text_ns
        codec = msgspec.msgpack if pack else msgspec.json
        union = ev.union_of(msgspec.msgpack.Ext if pack else str)
        self._frame = codec.Decoder(list[union])  # type: ignore[valid-type]
        self._parts = codec.Decoder(list[msgspec.Raw])
        self._part = codec.Decoder(union)
        self._masks: dict[tuple[tuple[str, ...], str], int] = {}
        self._take: dict[type, Callable[[Any, Lists, Decoded], None]] = {
            ev.TradeEvent: self._trade, ev.QuoteEvent: self._quote, ev.BarEvent: self._bar,
            ev.UpdatedBarEvent: self._bar, ev.BandEvent: self._band,
            ev.StatusEvent: self._status, ev.SuccessEvent: self._control,
            ev.ErrorEvent: self._control, ev.SubscriptionEvent: self._control,
        }  # fmt: skip
        self._latest_ns = 0
        self._amends: list[Any] = []

    def decode(self, frames: Sequence[bytes], ts_recv_ns: int) -> Decoded:
        """Return what `frames` bring; `ts_recv_ns` is market time."""
        found, lists = Decoded(), Lists()
        self._latest_ns = ts_recv_ns + MAX_AHEAD_NS
        self._amends = []
        for frame in frames:
            for event in self._events(frame, found):
                self._one(event, lists, found)
        found.batch = self._batch(lists, ts_recv_ns)
        for event in self._amends:
            self._amend(event, found)
        found.rejected += [("symbol", text) for text in self.rows.bad]
        self.rows.bad.clear()
        self.counts.frames += len(frames)
        self.counts.rejected += len(found.rejected)
        self.counts.test_symbols = self.rows.tests
        return found

    def _events(self, frame: bytes, found: Decoded) -> list[Any]:
        try:
            events: list[Any] = self._frame.decode(frame)
            return events
        except FAULTS:
            return self._salvaged(frame, found)

    def _salvaged(self, frame: bytes, found: Decoded) -> list[Any]:
        try:
            parts = self._parts.decode(frame)
        except FAULTS:
            self.counts.events += 1
            found.rejected.append(("frame", ascii(frame[:SAMPLE_CHARS])))
            return []
        kept: list[Any] = []
        for part in parts:
            try:
                kept.append(self._part.decode(part))
            except FAULTS:
                self.counts.events += 1
                found.rejected.append(("event", ascii(bytes(part)[:SAMPLE_CHARS])))
        return kept

    def _one(self, event: Any, lists: Lists, found: Decoded) -> None:
        take = self._take.get(type(event))
        self.counts.events += take != self._control
        if take is None:
            amends = isinstance(event, ev.CorrectionEvent | ev.CancelEvent)
            if amends:
                self._amends.append(event)
            else:
                self.counts.ignored += 1
            return
        try:
            take(event, lists, found)
        except (ValueError, OverflowError) as error:
            kind = "time ahead" if "ahead" in str(error) else str(event.__struct_config__.tag)
            found.rejected.append((kind, _shown(event)))

    def _time(self, time: Any) -> int:
        ns = self._ns(time)
        if ns > self._latest_ns:
            raise ValueError(f"{ns} lies ahead of market time")
        return ns

    def _mask(self, letters: tuple[str, ...] | None, tape: str) -> int:
        key = (letters or (), tape)
        mask = self._masks.get(key)
        if mask is None:
            if len(self._masks) >= MAX_MASKS:
                self._masks.clear()
            mask = self._masks[key] = mask_of_letters(*key)
        return mask

    def _trade(self, e: Any, lists: Lists, _: Decoded) -> None:
        ts_ns, mask = self._time(e.t), self._mask(e.c, e.z)
        if not -(2**63) <= e.i < 2**63:
            raise ValueError("a trade's id is no number of 64 bits")
        row = self.rows[e.S]
        if row >= 0:
            lists.trades.append((row, ts_ns, e.p, e.s, mask, EXCHANGES.get(e.x, 0), 0))
            lists.ids.append(e.i)

    def _quote(self, e: Any, lists: Lists, _: Decoded) -> None:
        ts_ns, row = self._time(e.t), self.rows[e.S]
        if row >= 0:
            sizes = (e.bs * self._lot, e.ask_size * self._lot)
            lists.quotes.append((row, ts_ns, e.bp or NAN, e.ap or NAN, *sizes, len(lists.trades)))

    def _bar(self, e: Any, lists: Lists, _: Decoded) -> None:
        start = self._time(e.t)
        if e.l > e.h:
            raise ValueError("a bar's low is above its high")
        row = self.rows[e.S]
        if row >= 0:
            prices = (e.o, e.h, e.l, e.c, e.v, e.vw or NAN, e.n)
            lists.bars.append((row, start, 60, *prices, NAN, NAN))

    def _band(self, e: Any, lists: Lists, _: Decoded) -> None:
        ts_ns = self._time(e.t)
        if e.d > e.u:
            raise ValueError("a lower band is above the upper one")
        row = self.rows[e.S]
        if row >= 0:
            lists.bands.append((row, ts_ns, e.d, e.u))

    def _status(self, e: Any, _: Lists, found: Decoded) -> None:
        ts_ns, row = self._time(e.t), self.rows[e.S]
        says = halted(e.sc, e.z)
        self.counts.statuses += row >= 0
        if row >= 0 and says is not None:
            found.halts.append(Halt(ts_ns, e.S, says, _code(e.rc), source="alpaca"))

    def _control(self, e: ev.Control, _: Lists, found: Decoded) -> None:
        self.counts.controls += 1
        found.controls.append(e)

    def _amend(self, event: Any, found: Decoded) -> None:
        try:
            at_ns = self._time(event.t)
            is_cancel = isinstance(event, ev.CancelEvent)
            number = event.i if is_cancel else event.oi
            row, exchange = self.rows[event.S], EXCHANGES.get(event.x, 0)
            if row < 0:
                return
            place = self.memory.find(row, number, exchange)
            if place is None:
                self.counts.unknown_corrections += 1
                self.counts.ignored += 1
                return
            found.corrections.append(self._correction(event, place, at_ns))
            self.counts.corrections += 1
        except (ValueError, OverflowError):
            tag = str(event.__struct_config__.tag)
            found.rejected.append((tag, _shown(event)))

    def _correction(self, event: Any, place: int, at_ns: int) -> Correction:
        memory = self.memory
        wrong, rest = memory.print_at(place), memory.rest(place)
        if isinstance(event, ev.CancelEvent):
            memory.forget(place)
            return Correction(at_ns, event.S, wrong, None, rest)
        mask = self._mask(event.cc, event.z)
        right = Print(wrong.ts_ns, event.cp, event.cs, mask, wrong.exchange)
        memory.put_right(place, event.ci, right)
        return Correction(at_ns, event.S, wrong, right, rest)

    def _batch(self, lists: Lists, ts_recv_ns: int) -> Batch | None:
        counts = self.counts
        trades = quotes = bars = bands = None
        if lists.trades:
            trades = trades_of(*zip(*lists.trades, strict=True))
            self.memory.add(trades, lists.ids)
            counts.trades += len(lists.trades)
        if lists.quotes:
            quotes = quotes_of(*zip(*lists.quotes, strict=True))
            keep = seen(quotes, trades)
            kept = int(np.count_nonzero(keep))
            counts.quotes += kept
            counts.superseded += len(keep) - kept
            quotes = quotes if kept == len(keep) else _taken(quotes, keep)
        if lists.bars:
            bars = bars_of(list(zip(*lists.bars, strict=True)))
            counts.bars += len(lists.bars)
        if lists.bands:
            bands = bands_of(*zip(*lists.bands, strict=True))
            counts.bands += len(lists.bands)
        if trades is None and quotes is None and bars is None and bands is None:
            return None
        return Batch(ts_recv_ns, trades, quotes, bars, bands)


def _taken(quotes: Quotes, keep: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> Quotes:
    return Quotes(
        quotes.row[keep], quotes.ts_ns[keep], quotes.bid[keep], quotes.ask[keep],
        quotes.bid_size[keep], quotes.ask_size[keep], quotes.before[keep],
    )  # fmt: skip


def _code(text: str) -> str:
    """Return a halt's code, empty for what can be none."""
    return text if HALT_CODE.fullmatch(text) else ""


def _shown(event: msgspec.Struct) -> str:
    """Return an event's fields as a sample.

    An Ext is shown by its bytes: its own repr enters a name into the interpreter's table of
    names at each call, and that table grows by them.
    """
    fields = {
        name: bytes(value.data) if isinstance(value, msgspec.msgpack.Ext) else value
        for name, value in msgspec.structs.asdict(event).items()
    }
    return ascii(fields)[:SAMPLE_CHARS]
