"""The reader of plain frames takes what it takes exactly as msgspec would, and leaves the rest."""

import json
import random
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.massive_service import quote, trade
from tapelight.bench.decode import mixed_frames, trade_frames
from tapelight.feeds._symbols import Rows
from tapelight.feeds.massive.decode import Decoder
from tapelight.feeds.massive.plain import LEAST_EVENT_BYTES, PlainReader
from tapelight.model.batch import Batch
from tapelight.model.conditions import UNKNOWN, mask_of
from tapelight.model.universe import Universe

RECV = 1_795_185_300_000_000_000
SYMBOLS = st.sampled_from(["A", "MSFT", "BRK.A", "ZVZZT", "LONGNAME", "LONGERNAME", "a b", "é", ""])
TIMES = st.sampled_from([1_536_036_818_784, 1, 0, 10**18, 10**19, 1_536_036_818_784_000])
NUMBERS = st.one_of(
    st.integers(0, 10**20),
    st.integers(0, 10**7).map(lambda cents: cents / 100),
    st.floats(0, 1e14, allow_nan=False),
    st.sampled_from([0.1 + 0.2, 1e-7, 9007199254740993, 0.30000000000000004, 1e9, 1e13, -1]),
)
OTHERS = st.one_of(st.text(max_size=4), st.booleans(), st.none(), st.lists(st.integers(-1, 99)))
EVENTS = st.fixed_dictionaries(
    {"ev": st.sampled_from(["T", "T", "Q", "Q", "LULD", "X"]), "sym": SYMBOLS, "t": TIMES},
    optional={
        "p": NUMBERS, "s": NUMBERS, "x": st.integers(0, 300), "q": st.integers(0, 10**19),
        "c": st.one_of(st.lists(st.integers(0, 130), max_size=4), st.integers(0, 3)),
        "ds": st.one_of(st.sampled_from(["", "0.25", "100", "1e3", "-1", "x"]), NUMBERS.map(str)),
        "bp": NUMBERS, "bs": NUMBERS, "ap": NUMBERS, "as": NUMBERS, "i": OTHERS, "z": OTHERS,
    },
)  # fmt: skip


@cache
def plain_frames() -> list[bytes]:
    """Return frames as the provider sends them; made when the first test asks, not when all are listed."""
    return mixed_frames(4)[:2]


def same(a: Batch | None, b: Batch | None) -> bool:
    """Tell whether two batches hold the same bits."""
    if a is None or b is None:
        return a is b
    pairs = [(a.trades, b.trades), (a.quotes, b.quotes)]
    assert (a.bars, a.bands, b.bars, b.bands) == (None, None, None, None)
    return all(_columns(x) == _columns(y) for x, y in pairs)


def _columns(part: Any) -> list[tuple[Any, bytes]]:
    if part is None:
        return []
    return [(getattr(part, f.name).dtype, getattr(part, f.name).tobytes()) for f in fields(part)]


def agree(frames: list[bytes]) -> bool:
    """Hold that what the plain reader takes is what msgspec gives; return whether it took it."""
    one, other = Decoder(Universe(["MSFT"])), Decoder(Universe(["MSFT"]))
    for _ in range(2):  # the second time every symbol is known
        plain = one._plainly(frames, RECV)
        if plain is None:
            return False
        batch, statuses, rejected = other._typedly(frames, RECV)
        assert (statuses, rejected) == ([], [])
        assert same(plain[0], batch)
        assert list(one.rows.items()) == list(other.rows.items())
        assert (one.rows.bad, one.rows.tests) == (other.rows.bad, other.rows.tests)
        assert one.counts == other.counts
    return True


def compact(events: list[Any]) -> bytes:
    return json.dumps(events, separators=(",", ":"), ensure_ascii=False).encode()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(EVENTS, min_size=1, max_size=4), min_size=1, max_size=3))
def test_whatever_it_takes_it_takes_as_msgspec_does(frames: list[list[Any]]) -> None:
    agree([compact(events) for events in frames])


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3))
def test_changed_bytes_are_left_or_read_as_msgspec_does(seed: int, changes: int) -> None:
    draw = random.Random(seed)
    frames = [bytearray(frame) for frame in plain_frames()]
    for _ in range(changes):
        frame = draw.choice(frames)
        at = draw.randrange(len(frame))
        kind = draw.randrange(3)
        if kind == 0:
            frame[at] = draw.choice(b'0123456789.,:"[]{}eE+-tTQ \n\\')
        elif kind == 1:
            del frame[at : at + draw.randrange(1, 9)]
        else:
            frame[at:at] = frame[at : at + draw.randrange(1, 40)]
    agree([bytes(frame) for frame in frames])


@pytest.mark.parametrize(("of_size", "size"), [(trade_frames, 200), (mixed_frames, 50)])
def test_what_the_provider_sends_is_plain(of_size: Callable[[int], list[bytes]], size: int) -> None:
    frames = of_size(size)
    assert all(agree(frames[at : at + 3]) for at in range(0, 9, 3))
    assert agree([compact([trade("MSFT", 10.25, 1), quote("MSFT", 10.25, 2)])])


def test_the_shortest_event_and_halves_of_frames() -> None:
    shortest = b'{"ev":"Q","sym":"A","t":1}'
    assert len(shortest) == LEAST_EVENT_BYTES
    reader = PlainReader(Rows(Universe()))
    found = reader.read([b"[" + b",".join([shortest] * 1000) + b"]"])
    assert found is not None
    assert len(found[1].key) == 1000
    whole = mixed_frames(2)[0]
    cut = whole.index(b',{"ev"')
    assert reader.read([whole[:cut], whole[cut:]]) is None
    assert reader.read([whole[:cut] + b"]", b"[" + whole[cut + 1 :]]) is not None
    for end in range(len(whole)):
        assert reader.read([whole[:end]]) is None
        assert reader.read([whole[:end], whole]) is None


def test_every_condition_has_the_mask_that_it_has_elsewhere() -> None:
    events = [trade("MSFT", 1, k + 1, c=[k]) for k in range(300)]
    assert agree([compact(events)])
    found = PlainReader(Rows(Universe())).read([compact(events)])
    assert found is not None
    assert found[0].conditions.tolist() == [mask_of((k,)) for k in range(300)]
    assert found[0].conditions[94] == UNKNOWN


def test_a_full_universe_and_bad_symbols_give_no_row() -> None:
    one, other = (Decoder(Universe(["MSFT"]), most_symbols=2) for _ in range(2))
    events = [trade("AAA", 1, 1), quote("BBB", 1, 2)]
    events += [trade(symbol, 2.5, 3) for symbol in ("ZVZZT", "MSFT", "BBB")]
    frame = [compact(events)]
    plain, typed = one._plainly(frame, RECV), other._typedly(frame, RECV)
    assert plain is not None
    assert same(plain[0], typed[0])
    assert (one.rows.bad, one.rows.tests) == (other.rows.bad, other.rows.tests)
    assert np.array_equal(typed[0].trades.row, [1, 0])  # type: ignore[union-attr]
