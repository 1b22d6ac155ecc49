"""Decode frames of Massive's stocks stream into one batch of columns: the hottest code.

Frames that hold nothing but prints and quotes in their usual form are read byte by byte into
columns (see `plain`). Any other frame is decoded by one typed call and turned into lists column
by column; what that call refuses is read again event by event (see `salvage`), so a bad event
costs only itself.
"""

from dataclasses import dataclass, fields, replace
from itertools import compress
from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from tapelight.feeds._conflate import seen
from tapelight.feeds._symbols import MAX_SYMBOLS, Rows
from tapelight.feeds.massive.columns import (
    band_columns,
    bar_columns,
    quote_columns,
    trade_columns,
)
from tapelight.feeds.massive.events import (
    BandEvent,
    EventUnion,
    MinuteEvent,
    QuoteEvent,
    SecondEvent,
    StatusEvent,
    TradeEvent,
)
from tapelight.feeds.massive.plain import PlainReader, warm
from tapelight.feeds.massive.salvage import FAULTS, Reject, rejected_event, salvage
from tapelight.feeds.massive.sound import is_ahead, is_sound, normal_ns
from tapelight.model.batch import MAX_AHEAD_NS, Bands, Bars, Batch, Int32s, Quotes, Trades
from tapelight.model.conditions import mask_of
from tapelight.model.universe import Universe

MAX_MASKS = 4_096
PLAIN_BYTES = 4_000
"""Below it, some 35 prints, msgspec is the faster one: what is done once a batch outweighs."""
_Columns = TypeVar("_Columns", Trades, Quotes, Bars, Bands)
_Read = tuple[Batch | None, list[StatusEvent], list[Reject]]
Events = list[Any]
"""Events of any kind in arrival order; their types stand in `events`."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Hold what some frames brought; `batch` is None when no event concerns the table."""

    batch: Batch | None
    statuses: list[StatusEvent]
    rejected: list[Reject]
    """(kind, sample) of each rejected event."""


@dataclass(slots=True)
class Counts:
    """Count frames, events, and what became of each event."""

    frames: int = 0
    events: int = 0
    """All that came: the sum of what follows."""
    trades: int = 0
    quotes: int = 0
    """Quotes that went into a batch, after conflation."""
    superseded: int = 0
    """Quotes that a later one of the same batch made invisible."""
    bars: int = 0
    bands: int = 0
    statuses: int = 0
    ignored: int = 0
    """Events of channels and markets that nobody here reads."""
    test_symbols: int = 0
    rejected: int = 0


class _Masks(dict[tuple[int, ...], int]):
    """Remember the bit mask of each combination of sale conditions; bounded."""

    def __missing__(self, ids: tuple[int, ...]) -> int:
        if len(self) >= MAX_MASKS:
            self.clear()
        mask = self[ids] = mask_of(ids)
        return mask


class Decoder:
    """Turn frames into batches for the rows of `universe`; never raises for what it reads."""

    def __init__(self, universe: Universe, most_symbols: int = MAX_SYMBOLS) -> None:
        self.counts = Counts()
        self.rows = Rows(universe, most_symbols)
        self._row = self.rows.__getitem__
        self._mask = _Masks().__getitem__
        self._typed = msgspec.json.Decoder(list[EventUnion])
        self._plain = PlainReader(self.rows)
        warm()

    def decode(self, frames: list[bytes], ts_recv_ns: int) -> Decoded:
        """Return the events of `frames`, in arrival order; `ts_recv_ns` is market time."""
        many = sum(map(len, frames)) >= PLAIN_BYTES
        plain = self._plainly(frames, ts_recv_ns) if many else None
        batch, statuses, rejected = plain or self._typedly(frames, ts_recv_ns)
        rejected += [("symbol", text) for text in self.rows.bad]
        self.rows.bad.clear()
        self._count(len(frames), batch, statuses, rejected)
        return Decoded(batch, statuses, rejected)

    def _plainly(self, frames: list[bytes], ts_recv_ns: int) -> _Read | None:
        """Return what is in frames that are plain and sound; None where one is not."""
        found = self._plain.read(frames)
        if found is None:
            return None
        prints, sides = found
        dropped, latest_ns = self.rows.dropped, ts_recv_ns + MAX_AHEAD_NS
        trades = quotes = None
        try:
            trades_ns, quotes_ns = (normal_ns(each.time, latest_ns) for each in found)
        except (ValueError, OverflowError):
            return None
        self._plain.place(prints.key, prints.row)
        self._plain.place(sides.key, sides.row)
        if len(trades_ns):
            trades = Trades(prints.row, trades_ns, *prints[3:])
        if len(quotes_ns):
            quotes = Quotes(sides.row, quotes_ns, *sides[3:])
        self.counts.events += len(trades_ns) + len(quotes_ns)
        return self._batch_of(dropped, ts_recv_ns, trades, quotes), [], []

    def _typedly(self, frames: list[bytes], ts_recv_ns: int) -> _Read:
        """Return what is in any frames."""
        events, rejected = self._events(frames)
        self.counts.events += len(events) + len(rejected)
        tests = self.rows.tests
        try:
            batch, statuses = self._batch(events, ts_recv_ns)
        except (ValueError, OverflowError):
            self.rows.tests = tests
            self.rows.bad.clear()
            events, bad = _sifted(events, ts_recv_ns + MAX_AHEAD_NS)
            rejected += bad
            batch, statuses = self._batch(events, ts_recv_ns)
        return batch, statuses, rejected

    def _events(self, frames: list[bytes]) -> tuple[Events, list[Reject]]:
        events: Events = []
        rejected: list[Reject] = []
        for frame in frames:
            try:
                events += self._typed.decode(frame)
            except FAULTS:
                sound, bad = salvage(frame)
                events += sound
                rejected += bad
        return events, rejected

    def _batch(self, events: Events, ts_recv_ns: int) -> tuple[Batch | None, list[StatusEvent]]:
        """Return the batch and the statuses; raises as the functions of `columns` do."""
        by_kind, before = _by_kind(events)
        dropped, latest_ns = self.rows.dropped, ts_recv_ns + MAX_AHEAD_NS
        trades = quotes = bars = bands = None
        if found := by_kind.get(TradeEvent):
            trades = trade_columns(found, self._row, self._mask, latest_ns)
        if found := by_kind.get(QuoteEvent):
            quotes = quote_columns(found, self._row, before, latest_ns)
        if found := by_kind.get(SecondEvent, []) + by_kind.get(MinuteEvent, []):
            bars = bar_columns(found, self._row, latest_ns)
        if found := by_kind.get(BandEvent):
            bands = band_columns(found, self._row, latest_ns)
        statuses = by_kind.get(StatusEvent, [])
        self.counts.ignored += len(events) - sum(len(by_kind.get(kind, ())) for kind in _READ)
        return self._batch_of(dropped, ts_recv_ns, trades, quotes, bars, bands), statuses

    def _batch_of(
        self,
        dropped: int,
        ts_recv_ns: int,
        trades: Trades | None,
        quotes: Quotes | None,
        bars: Bars | None = None,
        bands: Bands | None = None,
    ) -> Batch | None:
        """Return the batch of what has a row and an effect; `dropped` look-ups had none before."""
        if self.rows.dropped != dropped:
            quotes, trades = _placed_quotes(quotes, trades), _placed(trades)
            bars, bands = _placed(bars), _placed(bands)
        quotes = self._conflated(quotes, trades)
        if trades is None and quotes is None and bars is None and bands is None:
            return None
        return Batch(ts_recv_ns, trades, quotes, bars, bands)

    def _conflated(self, quotes: Quotes | None, trades: Trades | None) -> Quotes | None:
        """Return the quotes that have an effect, counting the others."""
        if quotes is None:
            return None
        keep = seen(quotes, trades)
        kept = int(np.count_nonzero(keep))
        self.counts.superseded += len(keep) - kept
        return quotes if kept == len(keep) else _taken(quotes, keep)

    def _count(
        self,
        frames: int,
        batch: Batch | None,
        statuses: list[StatusEvent],
        rejected: list[Reject],
    ) -> None:
        counts = self.counts
        counts.frames += frames
        counts.statuses += len(statuses)
        counts.rejected += len(rejected)
        counts.test_symbols = self.rows.tests
        if batch is not None:
            counts.trades += 0 if batch.trades is None else len(batch.trades.row)
            counts.quotes += 0 if batch.quotes is None else len(batch.quotes.row)
            counts.bars += 0 if batch.bars is None else len(batch.bars.row)
            counts.bands += 0 if batch.bands is None else len(batch.bands.row)


_READ: tuple[type, ...] = (TradeEvent, QuoteEvent, SecondEvent, MinuteEvent, BandEvent, StatusEvent)


class _Codes(dict[type, int]):
    """Number the types that are read, from 1; all others are 0."""

    def __missing__(self, kind: type) -> int:
        return 0


_CODE = _Codes({kind: code for code, kind in enumerate(_READ, 1)}).__getitem__


def _by_kind(events: Events) -> tuple[dict[type, Events], Int32s]:
    """Return the events of each type that is read, in arrival order; and the trades before each quote."""
    codes = np.frombuffer(bytes(map(_CODE, map(type, events))), np.uint8)
    counts = np.bincount(codes, minlength=len(_READ) + 1)[1:]
    if counts.max() == len(events):
        return {_READ[int(counts.argmax())]: events}, np.zeros(len(events), np.int32)
    by_kind = {
        kind: list(compress(events, (codes == code).tolist()))
        for code, kind in enumerate(_READ, 1)
        if counts[code - 1]
    }
    before: Int32s = np.cumsum(codes == _CODE(TradeEvent), dtype=np.int32)
    return by_kind, before[codes == _CODE(QuoteEvent)]


def _sifted(events: Events, latest_ns: int) -> tuple[Events, list[Reject]]:
    """Return the events that can be true, and what is counted of the others."""
    kept: Events = []
    rejected: list[Reject] = []
    for event in events:
        if not is_sound(event):
            rejected.append(rejected_event(event))
        elif is_ahead(event, latest_ns):
            rejected.append(("time ahead", rejected_event(event)[1]))
        else:
            kept.append(event)
    return kept, rejected


def _placed_quotes(quotes: Quotes | None, trades: Trades | None) -> Quotes | None:
    """Return the quotes that have a row, counting before them only trades that have one."""
    if quotes is not None and trades is not None:
        arrived = np.concatenate(([0], np.cumsum(trades.row >= 0))).astype(np.int32)
        quotes = replace(quotes, before=arrived[quotes.before])
    return _placed(quotes)


def _placed(columns: _Columns | None) -> _Columns | None:
    """Return the columns without the events that have no row; None when nothing is left."""
    if columns is None:
        return None
    keep = columns.row >= 0
    return _taken(columns, keep) if keep.any() else None


def _taken(columns: _Columns, keep: npt.NDArray[np.bool_]) -> _Columns:
    return type(columns)(*(getattr(columns, f.name)[keep] for f in fields(columns)))
