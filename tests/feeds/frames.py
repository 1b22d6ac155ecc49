"""Mutated frames through each adapter's real decoder and into the table: nothing may escape.

An adapter here is its recorded frames, and a function from frames to records; whatever that or
the engine raises is an escape. `tools/fuzz_frames.py` runs millions, the tests some thousands.
"""

import json
import random
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import msgspec

from tapelight.app.accounts import accounts, unaccounted
from tapelight.engine import Engine
from tapelight.feeds import binance, coinbase, kraken
from tapelight.feeds._venue import Venue, VenueFeed
from tapelight.feeds.alpaca.decode import Decoder as AlpacaDecoder
from tapelight.feeds.alpaca.memory import Memory
from tapelight.feeds.kite.config import KiteConfig
from tapelight.feeds.kite.feed import KiteFeed
from tapelight.feeds.massive.decode import Decoder
from tapelight.feeds.simulator.alpaca.forms import packed
from tapelight.model.batch import Batch, size
from tapelight.model.clock import MarketClock
from tapelight.model.records import Mark, Record, Symbols
from tapelight.model.universe import Universe

NS = 1_000_000_000
NOW_NS = 1_795_185_300 * NS
"""Friday, 20 November 2026, 09:35 in New York."""
SYMBOLS = 1_000
"""Rows of a whole-market feed; a new symbol gets one only below this."""
FRAMES_A_READ = 4
READS_A_MARK = 25
MINUTE_FRAMES = 2_000
"""Time stands still here: a minute has no more prints than these bring, lest each correction of one
look at millions."""
RING = 10_000
"""Prints that Alpaca's decoder remembers: so few that the ring is full before memory is measured."""
ESCAPES_KEPT = 5
Read = Callable[[list[bytes]], Sequence[Record]]

VALUES = [
    b"null", b"true", b"-1", b"0", b"1e308", b"-1e308", b"1e-320", b"NaN", b"Infinity", b"-Infinity",
    b"9223372036854775808", b"18446744073709551616", b"9" * 400, b"0.1e", b"01", b'""', b'"x"',
    b'"\\ud800"', b'"1e400"', b'"nan"', b'"-5"', b"[]", b"{}", b"[[1]]", b'{"a":1}', b"\xff\xfe",
    b"[" * 5_000, b'{"a":' * 5_000,
]  # fmt: skip
"""What may stand where a number or a text stood."""
HOSTILE = [b"", b"[", b"]", b"{", b"null", b"[null]", b"[[]]", b"[5]", b"\x00" * 64, b"\xff" * 64,
           b"[" * 100_000, b'"' * 1_000, b"{}" * 1_000]  # fmt: skip


@dataclass(slots=True)
class Tally:
    """What became of the frames."""

    frames: int = 0
    rejected: int = 0
    records: int = 0
    events: int = 0
    """In batches."""
    unaccounted: int = 0
    """Events of which nobody knows what became."""
    escaped: list[str] = field(default_factory=list)
    escapes: int = 0


class Bin:
    """A sink for what an adapter rejects."""

    def __init__(self, symbols: Sequence[str]) -> None:
        self.universe = Universe(list(symbols))
        self.clock = MarketClock(NOW_NS, rate=0.0)
        self.rejected = 0

    def put(self, record: Record) -> None: ...

    def alive(self, complete_ns: int) -> None: ...

    def raw(self, frames: Sequence[bytes]) -> None: ...

    def reject(self, kind: str, sample: bytes | str) -> None:
        self.rejected += 1


@dataclass(slots=True)
class Adapter:
    """A feed's decoder with a table behind it."""

    name: str
    calendar: str
    sink: Bin
    frames: list[bytes]
    read: Read
    counts: Callable[[], Mapping[str, int]]
    before: Sequence[Record] = ()
    """What it has read already."""


def fuzz(adapter: Adapter, count: int, seed: int) -> Iterator[Tally]:
    """Send `count` mutated frames; yield the tally now and then."""
    tally, engine, rng = Tally(), Engine(adapter.calendar), random.Random(seed)
    engine.apply(Symbols(0, adapter.sink.universe.symbols))
    _apply(engine, adapter.sink.universe, adapter.before)
    tally.events = _events(adapter.before)
    reads = 0
    while tally.frames < count:
        frames = [mutated(adapter.frames, rng) for _ in range(FRAMES_A_READ)]
        tally.frames += len(frames)
        reads += 1
        try:
            records = adapter.read(frames)
            tally.records += len(records)
            tally.events += _events(records)
            _apply(engine, adapter.sink.universe, records)
            if reads % READS_A_MARK == 0:
                now_ns = NOW_NS + reads * 1_000_000
                engine.apply(Mark(now_ns // 50_000_000 * 50_000_000, now_ns))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
            tally.escapes += 1
            if len(tally.escaped) < ESCAPES_KEPT:
                tally.escaped.append(f"{type(error).__name__}: {error} from {frames!r}"[:2_000])
        if reads % 2_500 == 0:
            yield _told(tally, adapter, engine)
    yield _told(tally, adapter, engine)


def _events(records: Sequence[Record]) -> int:
    return sum(size(r) for r in records if isinstance(r, Batch))


def _told(tally: Tally, adapter: Adapter, engine: Engine) -> Tally:
    tally.rejected = adapter.sink.rejected
    tally.unaccounted = unaccounted(accounts(adapter.counts(), engine.table, tally.events))
    return tally


def _apply(engine: Engine, universe: Universe, records: Sequence[Record]) -> None:
    known = engine.table.n
    if len(universe) > known:
        engine.apply(Symbols(known, universe.symbols[known:]))
    for record in records:
        engine.apply(record)


# --- mutation --------------------------------------------------------------------------------


def mutated(frames: Sequence[bytes], rng: random.Random) -> bytes:
    """Return a frame with some faults; one in fifty is sound, one in two hundred wholly hostile."""
    if rng.random() < 0.005:
        return rng.choice(HOSTILE)
    frame = rng.choice(frames)
    if rng.random() < 0.02:
        return frame
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        frame = rng.choice(MUTATIONS)(frame, frames, rng)
    return frame


def _flip(frame: bytes, _: Sequence[bytes], rng: random.Random) -> bytes:
    if not frame:
        return frame
    at = rng.randrange(len(frame))
    return frame[:at] + bytes([frame[at] ^ (1 << rng.randrange(8))]) + frame[at + 1 :]


def _replace(frame: bytes, _: Sequence[bytes], rng: random.Random) -> bytes:
    at = rng.randrange(len(frame) + 1)
    return frame[:at] + rng.randbytes(rng.randrange(1, 5)) + frame[at + 1 :]


def _cut(frame: bytes, _: Sequence[bytes], rng: random.Random) -> bytes:
    begin, end = sorted((rng.randrange(len(frame) + 1), rng.randrange(len(frame) + 1)))
    return frame[:begin] if rng.random() < 0.5 else frame[:begin] + frame[end:]


def _twice(frame: bytes, _: Sequence[bytes], rng: random.Random) -> bytes:
    begin, end = sorted((rng.randrange(len(frame) + 1), rng.randrange(len(frame) + 1)))
    return frame[:end] + frame[begin:]


def _spliced(frame: bytes, frames: Sequence[bytes], rng: random.Random) -> bytes:
    other = rng.choice(frames)
    return frame[: rng.randrange(len(frame) + 1)] + other[rng.randrange(len(other) + 1) :]


def _digit(frame: bytes, _: Sequence[bytes], rng: random.Random) -> bytes:
    """Change, add or remove a digit: numbers stay numbers and become absurd."""
    digits = [i for i, c in enumerate(frame) if 48 <= c <= 57]
    if not digits:
        return frame
    at = rng.choice(digits)
    new = b"" if rng.random() < 0.2 else b"%d" % rng.randrange(10 ** rng.choice((1, 1, 3, 9, 30)))
    return frame[:at] + new + frame[at + 1 :]


def _value(frame: bytes, _: Sequence[bytes], rng: random.Random) -> bytes:
    """Put another value after a colon or a comma."""
    marks = [i for i, c in enumerate(frame) if c in b":,"]
    if not marks:
        return frame
    at = rng.choice(marks) + 1
    ends = [i for i in (frame.find(c, at) for c in (b",", b"}", b"]")) if i >= 0]
    return frame[:at] + rng.choice(VALUES) + frame[min(ends, default=len(frame)) :]


def _word(frame: bytes, _: Sequence[bytes], rng: random.Random) -> bytes:
    """Set four bytes in a row to an extreme: what a binary field may hold."""
    at = rng.randrange(max(len(frame) - 3, 1))
    extreme = rng.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, rng.randrange(1 << 32)))
    return frame[:at] + struct.pack(">I", extreme) + frame[at + 4 :]


MUTATIONS = [_flip, _replace, _cut, _twice, _spliced, _digit, _digit, _value, _value, _word]


# --- adapters --------------------------------------------------------------------------------


def massive() -> Adapter:
    symbols = ["AAPL", "MSFT", *(f"S{i:03d}" for i in range(SYMBOLS - 2))]
    sink = Bin(symbols)
    decoder = Decoder(sink.universe, most_symbols=SYMBOLS)

    def read(frames: list[bytes]) -> Sequence[Record]:
        decoded = decoder.decode(frames, NOW_NS)
        for kind, sample in decoded.rejected:
            sink.reject(kind, sample)
        return [] if decoded.batch is None else [decoded.batch]

    return Adapter("massive", "XNYS", sink, _massive_frames(), read, lambda: asdict(decoder.counts))


def _massive_frames() -> list[bytes]:
    ms = NOW_NS // 1_000_000
    trade = {"ev": "T", "sym": "AAPL", "x": 4, "i": "12345", "z": 3, "p": 114.125, "s": 100,
             "c": [0, 12], "t": ms, "q": 3681328, "ds": "100.5"}  # fmt: skip
    quote = {"ev": "Q", "sym": "MSFT", "bx": 4, "bp": 114.125, "bs": 100, "ax": 7, "ap": 114.128,
             "as": 160, "c": 0, "i": [604], "t": ms, "q": 50385480, "z": 3}  # fmt: skip
    bar = {"ev": "AM", "sym": "S001", "v": 4110, "av": 9470157, "op": 0.4372, "vw": 0.4488,
           "o": 0.4488, "c": 0.4486, "h": 0.4489, "l": 0.4486, "a": 0.4352, "z": 685,
           "s": ms - 60_000, "e": ms}  # fmt: skip
    band = {"ev": "LULD", "T": "MSFT", "h": 218.96, "l": 98.11, "i": [21], "z": 3, "t": ms, "q": 9}
    status = {"ev": "status", "status": "success", "message": "subscribed to: T.AAPL"}
    second = bar | {"ev": "A", "s": ms - 1_000, "e": ms}
    lists = [[trade], [quote], [bar], [second], [band], [status], [trade, quote, trade, quote],
             [quote, quote, trade, bar, band], [{"ev": "NOI", "T": "X"}, trade]]  # fmt: skip
    return [json.dumps(events, separators=(",", ":")).encode() for events in lists]


def _venue(venue: Venue, frames: list[bytes]) -> Adapter:
    sink, feed = Bin(venue.symbols), VenueFeed(venue)
    feed._sink = sink
    first = feed.decoded(frames[:1])  # from now on a refusal is one more bad message
    return Adapter(venue.name, "24x7", sink, frames, feed.decoded, feed.counts, first)


def coinbase_() -> Adapter:
    when = b'"time":"2026-11-20T14:34:59.244075Z"}'
    return _venue(coinbase.Coinbase(coinbase.Config()), [
        b'{"type":"match","trade_id":881613,"maker_order_id":"a-b","side":"sell","size":"0.04",'
        b'"price":"14.7775","product_id":"BTC-USD","sequence":333938798,' + when,
        b'{"type":"ticker","sequence":1,"product_id":"ETH-USD","price":"1285.22","best_bid":'
        b'"1285.04","best_bid_size":"0.46","best_ask":"1285.27","best_ask_size":"1.56",' + when,
        b'{"type":"heartbeat","sequence":90,"last_trade_id":20,"product_id":"BTC-USD",' + when,
        b'{"type":"subscriptions","channels":[{"name":"matches","product_ids":["BTC-USD"]}]}',
        b'{"type":"error","message":"Failed to subscribe","reason":"X is not a valid product"}',
    ])  # fmt: skip


def kraken_() -> Adapter:
    trade = (b'{"symbol":"BTC/USD","side":"buy","price":64000.1,"qty":0.25,"ord_type":"market",'
             b'"trade_id":7,"timestamp":"2026-11-20T14:34:59.925533Z"}')  # fmt: skip
    return _venue(kraken.Kraken(kraken.Config()), [
        b'{"channel":"trade","type":"update","data":[' + trade + b"]}",
        b'{"channel":"trade","type":"snapshot","data":[' + b",".join([trade] * 5) + b"]}",
        b'{"channel":"heartbeat"}',
        b'{"channel":"status","type":"update","data":[{"system":"online","version":"2.0.0"}]}',
        b'{"method":"subscribe","success":false,"error":"Currency pair not supported X","req_id":1}',
    ])  # fmt: skip


def binance_() -> Adapter:
    return _venue(binance.Binance(binance.Config()), [
        b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1795185299343,"s":"BTCUSDT",'
        b'"t":3735683259,"p":"61837.63","q":"0.02","T":1795185299342,"m":true,"M":true}}',
        b'{"stream":"btcusdt@bookTicker","data":{"u":50093239212,"s":"BTCUSDT","b":"61837.63",'
        b'"B":"3.78","a":"61837.64","A":"1.54"}}',
        b'{"result":null,"id":1}',
        b'{"code":2,"msg":"Invalid request: unknown variant"}',
    ])  # fmt: skip


def kite() -> Adapter:
    tokens = {408065: 0, 2953217: 1, 256265: 2}
    sink = Bin(["INFY", "TCS", "NIFTY 50"])
    feed = KiteFeed(KiteConfig(api_key="k", access_token="t"), now_ns=lambda: NOW_NS)
    feed._sink = sink
    feed._samples.follow(tokens)

    def read(frames: list[bytes]) -> Sequence[Record]:
        for frame in frames:
            feed._each(feed.decode(frame), feed._samples.take)
        return [r for r in feed._samples.records(NOW_NS) if r is not None]

    return Adapter("kite", "XNSE", sink, _kite_frames(), read, feed.counts)


def _kite_frames() -> list[bytes]:
    at = NOW_NS // NS
    full = struct.pack(">16I", 408065, 160005, 7, 159500, 123456, 10, 20, 158000, 161000, 157500,
                       158500, at, 0, 0, 0, at) + struct.pack(">2IHH", 9, 160000, 1, 0) * 10  # fmt: skip
    quote = struct.pack(
        ">11I", 2953217, 350005, 7, 349500, 5456, 1, 2, 348000, 351000, 347500, 348500
    )
    index = struct.pack(">8I", 256265, 2500050, 2510000, 2480000, 2490000, 2495000, 50, at)
    ltp = struct.pack(">2I", 408065, 160010)

    def frame(*packets: bytes) -> bytes:
        parts = [struct.pack(">H", len(p)) + p for p in packets]
        return struct.pack(">H", len(packets)) + b"".join(parts)

    text = b'{"type":"error","data":"Not subscribed"}'
    return [frame(full), frame(quote), frame(index), frame(ltp), frame(full, quote, index),
            frame(index[:28], ltp, ltp), b"\x00", text, b'{"type":"order","data":{"order_id":"1"}}']  # fmt: skip


def alpaca(pack: bool) -> Adapter:
    symbols = ["AAPL", "MSFT", *(f"S{i:03d}" for i in range(SYMBOLS - 2))]
    sink = Bin(symbols)
    decoder = AlpacaDecoder(sink.universe, pack, most_symbols=SYMBOLS)
    counts = decoder.counts

    def read(frames: list[bytes]) -> Sequence[Record]:
        if counts.frames % MINUTE_FRAMES == 0:
            decoder.memory = Memory(RING)
        decoded = decoder.decode(frames, NOW_NS)
        for kind, sample in decoded.rejected:
            sink.reject(kind, sample)
        batch = [] if decoded.batch is None else [decoded.batch]
        return [*batch, *decoded.halts, *decoded.corrections]

    return Adapter("alpaca", "XNYS", sink, _alpaca_frames(pack), read, lambda: asdict(counts))


def _alpaca_frames(pack: bool) -> list[bytes]:
    at = packed(NOW_NS) if pack else "2026-11-20T14:35:00.000000001Z"
    trade = {"T": "t", "S": "AAPL", "i": 96921, "x": "D", "p": 126.55, "s": 1, "c": ["@", "I"],
             "z": "C", "t": at}  # fmt: skip
    quote = {"T": "q", "S": "MSFT", "bx": "U", "bp": 87.66, "bs": 1, "ax": "Q", "ap": 87.68,
             "as": 4, "c": ["R"], "z": "C", "t": at}  # fmt: skip
    bar = {"T": "b", "S": "S001", "o": 388.985, "h": 389.13, "l": 388.975, "c": 389.12,
           "v": 49378, "n": 461, "vw": 389.062639, "t": at}  # fmt: skip
    status = {
        "T": "s",
        "S": "AAPL",
        "sc": "H",
        "sm": "Trading Halt",
        "rc": "T12",
        "z": "C",
        "t": at,
    }
    bands = {"T": "l", "S": "S002", "u": 3.24, "d": 2.65, "i": "B", "z": "C", "t": at}
    cancel = {"T": "x", "S": "AAPL", "i": 96921, "x": "D", "p": 126.55, "s": 1, "a": "C", "z": "C",
              "t": at}  # fmt: skip
    correction = {"T": "c", "S": "AAPL", "x": "D", "oi": 96921, "op": 126.55, "os": 1,
                  "oc": ["@", "I"], "ci": 96921, "cp": 125.5, "cs": 2, "cc": ["@"], "z": "C",
                  "t": at}  # fmt: skip
    said = {"T": "success", "msg": "connected"}
    lists = [[trade], [quote], [bar], [{**bar, "T": "u"}], [status], [bands], [trade, correction],
             [trade, quote, trade, cancel], [said], [{"T": "error", "code": 406, "msg": "x"}],
             [{"T": "subscription", "trades": ["AAPL"]}], [{"T": "d"}, trade, quote]]  # fmt: skip
    codec = msgspec.msgpack if pack else msgspec.json
    return [codec.encode(events) for events in lists]


ADAPTERS: dict[str, Callable[[], Adapter]] = {
    "massive": massive,
    "coinbase": coinbase_,
    "kraken": kraken_,
    "binance": binance_,
    "kite": kite,
    "alpaca": lambda: alpaca(pack=True),
    "alpaca-json": lambda: alpaca(pack=False),
}


def resident_bytes() -> int:
    """Return this process's resident memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
