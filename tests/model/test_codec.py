"""The wire form of records: exact, small, and refusing what is none."""

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nst
from zstandard import ZstdCompressor

from market_tape import make_day
from tapelight.errors import Rejected
from tapelight.model import codec
from tapelight.model.batch import Bands, Bars, Batch, Quotes, Trades, trades_of
from tapelight.model.conditions import US_RULES
from tapelight.model.records import (
    CalendarChoice,
    Digest,
    FeedState,
    Halt,
    Healed,
    History,
    Mark,
    Profile,
    Questions,
    Record,
    Reference,
    References,
    Rules,
    Ruling,
    Snapshot,
    Symbols,
)
from tapelight.model.session import NS, calendar, latest_session

FLOATS = st.one_of(
    st.sampled_from([0.0, -0.0, np.nan, np.inf, -np.inf, 1e300, 5e-324, 0.00005, 12.34, 1e15, 0.1]),
    st.integers(0, 10**7).map(lambda i: i / 100),
    st.integers(0, 10**9).map(lambda i: i / 10_000),
    st.floats(allow_nan=True),
)
TYPES: dict[str, Any] = {
    "row": "i4",
    "span_s": "i4",
    "before": "i4",
    "conditions": "u8",
    "exchange": "u1",
}


def arrays(part: type, n: int) -> st.SearchStrategy[Any]:
    def column(name: str) -> st.SearchStrategy[Any]:
        whole = name.endswith("_ns") or name == "seq"
        dtype = np.dtype(TYPES.get(name, "i8" if whole else "f8"))
        elements = FLOATS if dtype.kind == "f" else nst.from_dtype(dtype)
        return nst.arrays(dtype, n, elements=elements)

    names = [f.name for f in dataclasses.fields(part)]
    return st.builds(part, **{name: column(name) for name in names})


sizes = st.integers(0, 40)
batch = st.builds(
    Batch,
    st.integers(-(2**63), 2**63 - 1),
    *(
        st.none() | sizes.flatmap(lambda n, p=p: arrays(p, n))
        for p in (Trades, Quotes, Bars, Bands)
    ),
)


def same(a: Any, b: Any) -> bool:
    """Tell whether two parts are the same bit for bit."""
    if a is None or b is None:
        return a is b
    return all(
        x.dtype == y.dtype and x.tobytes() == y.tobytes() and y.flags.writeable
        for x, y in ((getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))
    )


@pytest.mark.integration
@settings(max_examples=80, deadline=None)
@given(batch)
def test_a_batch_comes_back_bit_for_bit(made: Batch) -> None:
    back = codec.decode(codec.encode(made))
    assert isinstance(back, Batch)
    assert back.ts_recv_ns == made.ts_recv_ns
    for name in ("trades", "quotes", "bars", "bands"):
        assert same(getattr(made, name), getattr(back, name)), name


@settings(max_examples=200, deadline=None)
@given(nst.arrays(np.int64, st.integers(0, 30)))
def test_integers_of_any_width_come_back(values: np.ndarray) -> None:
    back, rest = codec.unpack(memoryview(codec.pack(values) + b"rest"))
    assert back.tolist() == values.tolist()
    assert bytes(rest) == b"rest"


@pytest.mark.parametrize(
    "values",
    [
        np.array([1 << 63, 0, (1 << 63) | 1, 2**64 - 1], np.uint64),
        np.arange(300, dtype=np.uint64) << np.uint64(40),
        np.array([np.nan, -0.0, 0.0, 1e-300, 12.3456, 12.34567], np.float64),
        np.array([2**62, -(2**62), 0], np.int64),
        np.array([-(2**63), 2**63 - 1], np.int64),
        np.arange(256, dtype=np.uint64),
        np.arange(5, dtype=np.float32),
    ],
)
def test_edges_come_back_bit_for_bit(values: np.ndarray) -> None:
    back, _ = codec.unpack(memoryview(codec.pack(values)))
    assert (back.dtype, back.tobytes()) == (values.dtype, values.tobytes())


NO_TRADES = trades_of([], [], [], [], [], [], [])
MESSAGES: list[Record] = [
    Symbols(3, ["A", "Ä"]),
    References("2026-11-20", [Reference(symbol="A", prev_close=1.5)]),
    CalendarChoice("24x7"),
    Rules(US_RULES),
    Questions({"a": "b"}),
    FeedState(1, "x", "gap", "d", True, 5),
    Halt(1, "A", True, "T1", 9, "rss"),
    Ruling(2, "A", 1, 10.25, True),
    Mark(2**62, -1),
    Digest(1, "ff"),
]


@pytest.mark.parametrize("record", MESSAGES, ids=lambda r: type(r).__name__)
def test_messages_come_back(record: Record) -> None:
    assert codec.decode(codec.encode(record)) == record


def test_snapshots_history_and_profiles_come_back() -> None:
    rng = np.random.default_rng(1)
    snap = Snapshot(5, np.arange(3, dtype=np.int32), np.arange(3), *[rng.random(3)] * 11)
    bars = Bars(np.zeros(2, np.int32), np.arange(2), np.full(2, 60, np.int32), *[rng.random(2)] * 9)
    for record in (snap, History(7, bars)):
        back = codec.decode(codec.encode(record))
        assert type(back) is type(record)
    back = codec.decode(codec.encode(snap))
    assert isinstance(back, Snapshot)
    assert back.prev_close.tolist() == snap.prev_close.tolist()
    part = codec.decode(codec.encode(dataclasses.replace(snap, whole=False)))
    assert isinstance(part, Snapshot)
    assert (back.whole, part.whole) == (True, False)
    for delay_ns in (0, 900):
        healed = Healed(9, 1, 2, np.array([3], np.int32), NO_TRADES, delay_ns)
        came = codec.decode(codec.encode(healed))
        assert isinstance(came, Healed)
        assert (came.missing.tolist(), came.delay_ns) == ([3], delay_ns)
    volume = rng.random((2, 960)).astype(np.float32)
    profile = Profile(rng.random(960), np.arange(2, dtype=np.int32), volume, np.ones(2, np.int32))
    again = codec.decode(codec.encode(profile))
    assert isinstance(again, Profile)
    assert again.volume.tolist() == volume.tolist()


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"\x09abc", b"\x01", b"\x01" + b"\0" * 8 + b"\x01\xff"]
)
def test_what_is_no_record_is_rejected(data: bytes) -> None:
    with pytest.raises(Rejected, match=f"A record of {len(data)} bytes does not decode"):
        codec.decode(data)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 4))
def test_noise_is_decoded_or_rejected(noise: bytes, kind: int) -> None:
    with contextlib.suppress(Rejected):
        codec.decode(bytes([kind]) + noise)


@pytest.mark.integration
@settings(max_examples=40, deadline=None)
@given(batch, st.data())
def test_a_torn_record_is_rejected(made: Batch, data: st.DataObject) -> None:
    whole = codec.encode(made)
    keep = data.draw(st.integers(0, len(whole) - 1))
    try:
        back = codec.decode(whole[:keep])
    except Rejected:
        return
    assert isinstance(back, Batch)


def test_a_trade_takes_about_fifteen_bytes(record_property: Callable[[str, object], None]) -> None:
    session = latest_session(calendar("XNYS"), 1_795_190_400 * NS)
    trades = make_day(session, session.open_ns, 3, 20_000, 5_000, span_s=1.0).trades
    round_lots = dataclasses.replace(
        trades, size=np.round(trades.size), ts_ns=trades.ts_ns // 1_000_000 * 1_000_000
    )
    packed = codec.encode(Batch(session.open_ns, round_lots))
    size = len(ZstdCompressor(level=3).compress(packed)) / len(trades.row)
    record_property(
        "told", f"{size:.1f} bytes a trade under zstd, {len(packed) / 20_000:.1f} packed"
    )
    assert size < 20
