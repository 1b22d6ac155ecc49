"""Alpaca's frames: the documented examples, a simulated market, and what no frame should be."""

import random
from typing import Any

import msgspec
import numpy as np
import pytest

from feeds.alpaca_market import Played, both
from tapelight.engine import Engine
from tapelight.feeds._sip import letters_of, mask_of_letters
from tapelight.feeds.alpaca.decode import Decoder
from tapelight.feeds.alpaca.memory import Memory
from tapelight.feeds.alpaca.moments import packed_ns, rfc, text_ns
from tapelight.feeds.simulator.alpaca.forms import packed
from tapelight.feeds.simulator.tape import dollars
from tapelight.model.batch import trades_of
from tapelight.model.codec import decode, encode
from tapelight.model.conditions import UNKNOWN, mask_of
from tapelight.model.records import Correction, Halt, Print
from tapelight.model.universe import Universe

NOW = text_ns("2023-04-06T14:30:00Z")
TRADE = {"T": "t", "S": "AAPL", "i": 96921, "x": "D", "p": 126.55, "s": 1, "c": ["@", "I"],
         "z": "C", "t": "2023-04-06T14:29:44.208Z"}  # fmt: skip
QUOTE = {"T": "q", "S": "AMD", "bx": "U", "bp": 87.66, "bs": 1, "ax": "Q", "ap": 87.68, "as": 4,
         "c": ["R"], "z": "C", "t": "2023-04-06T14:29:45.335689322Z"}  # fmt: skip
BAR = {"T": "b", "S": "SPY", "o": 388.985, "h": 389.13, "l": 388.975, "c": 389.12, "v": 49378,
       "n": 461, "vw": 389.062639, "t": "2023-04-06T14:28:00Z"}  # fmt: skip
STATUS = {"T": "s", "S": "AAPL", "sc": "H", "sm": "Trading Halt", "rc": "T12",
          "rm": "Additional Information Requested", "t": "2023-04-06T14:29:00Z", "z": "C"}  # fmt: skip
BANDS = {"T": "l", "S": "IONM", "u": 3.24, "d": 2.65, "i": "B", "z": "C",
         "t": "2023-04-06T13:34:45.565004401Z"}  # fmt: skip
CANCEL = {"T": "x", "S": "AAPL", "i": 96921, "x": "D", "p": 126.55, "s": 1, "a": "C", "z": "C",
          "t": "2023-04-06T14:29:50Z"}  # fmt: skip
CORRECTION = {"T": "c", "S": "AAPL", "x": "D", "oi": 96921, "op": 126.55, "os": 1,
              "oc": ["@", "I"], "ci": 96999, "cp": 125.5, "cs": 2, "cc": ["@"], "z": "C",
              "t": "2023-04-06T14:29:51Z"}  # fmt: skip


def decoder(pack: bool = False) -> Decoder:
    return Decoder(Universe(), pack)


def in_pack(event: dict[str, Any]) -> bytes:
    return msgspec.msgpack.encode([{**event, "t": packed(text_ns(event["t"]))}])


@pytest.mark.parametrize("pack", [False, True])
def test_the_documented_examples(pack: bool) -> None:
    frame = in_pack if pack else both
    d = decoder(pack)
    found = d.decode([frame(e) for e in (TRADE, QUOTE, BAR, STATUS, BANDS)], NOW)
    batch = found.batch
    assert batch is not None
    assert batch.trades is not None
    assert batch.quotes is not None
    assert batch.bars is not None
    assert batch.bands is not None
    trade = [column[0] for column in (
        batch.trades.ts_ns, batch.trades.price, batch.trades.size, batch.trades.conditions,
        batch.trades.exchange,
    )]  # fmt: skip
    assert trade == [text_ns(TRADE["t"]), 126.55, 1.0, mask_of([37]), 4]
    assert (batch.quotes.bid[0], batch.quotes.ask_size[0], batch.quotes.before[0]) == (87.66, 4, 1)
    assert batch.quotes.ts_ns[0] % 1_000_000_000 == 335_689_322
    assert (batch.bars.span_s[0], batch.bars.high[0], batch.bars.trades[0]) == (60, 389.13, 461)
    assert (batch.bands.lower[0], batch.bands.upper[0]) == (2.65, 3.24)
    assert found.halts == [Halt(text_ns(STATUS["t"]), "AAPL", True, "T12", source="alpaca")]
    assert found.rejected == []


@pytest.mark.parametrize("pack", [False, True])
def test_a_text_that_is_no_code_of_a_halt_is_left_out(pack: bool) -> None:
    frame = in_pack if pack else both
    for text, code in (("T12", "T12"), ("t12", ""), ("NINE CHARS", ""), ("", "")):
        found = decoder(pack).decode([frame(STATUS | {"rc": text})], NOW)
        assert [halt.code for halt in found.halts] == [code]


@pytest.mark.parametrize("pack", [False, True])
def test_a_cancel_and_a_correction_name_the_trade_that_was_folded(pack: bool) -> None:
    frame = in_pack if pack else both
    d = decoder(pack)
    other = {**TRADE, "i": 5, "p": 126.6, "t": "2023-04-06T14:29:40Z"}
    d.decode([frame(other), frame(TRADE)], NOW)
    (fixed,) = d.decode([frame(CORRECTION)], NOW).corrections
    wrong = Print(text_ns(TRADE["t"]), 126.55, 1.0, mask_of([37]), 4)
    right = Print(wrong.ts_ns, 125.5, 2.0, 0, 4)
    rest = (Print(text_ns(other["t"]), 126.6, 1.0, mask_of([37]), 4),)
    assert fixed == Correction(text_ns(CORRECTION["t"]), "AAPL", wrong, right, rest)
    gone = d.decode([frame({**CANCEL, "i": 96999})], NOW).corrections
    assert gone == [Correction(text_ns(CANCEL["t"]), "AAPL", right, None, rest)]
    assert d.decode([frame(CANCEL)], NOW).corrections == []
    assert (d.counts.corrections, d.counts.unknown_corrections) == (2, 1)


def test_a_bad_event_costs_only_itself() -> None:
    d = decoder()
    bad = [
        {**TRADE, "p": -1}, {**TRADE, "s": "many"}, {**TRADE, "t": "yesterday"},
        {**TRADE, "t": "2023-04-06T15:29:44Z"}, {**TRADE, "S": "<b>"}, {**QUOTE, "t": 5},
        {**BAR, "l": 390.0}, {**BANDS, "d": 4.0}, {"T": "zz"}, 17,
    ]  # fmt: skip
    found = d.decode([msgspec.json.encode([TRADE, *bad, QUOTE])], NOW)
    assert found.batch is not None
    assert len(found.rejected) == len(bad)
    assert {"time ahead", "symbol", "event", "b", "l"} <= {kind for kind, _ in found.rejected}
    assert (d.counts.trades, d.counts.quotes, d.counts.rejected) == (1, 1, len(bad))
    for frame in (b"", b"\xff\xfe", b"[", b"{}", b"[" * 5000, b"NaN", b'[{"T":"t","p":NaN}]'):
        assert d.decode([frame], NOW).batch is None


@pytest.mark.parametrize("pack", [False, True])
def test_no_mutated_frame_raises(pack: bool) -> None:
    frame = in_pack if pack else both
    chance, d = random.Random(11), decoder(pack)
    frames = [frame(e) for e in (TRADE, QUOTE, BAR, STATUS, BANDS, CANCEL, CORRECTION)]
    for _ in range(5_000):
        data = bytearray(chance.choice(frames))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(data))
            match chance.randrange(3):
                case 0:
                    data[at] = chance.randrange(256)
                case 1:
                    del data[at : at + chance.randrange(6)]
                    data += b" " * (not data)
                case _:
                    data[at:at] = bytes(chance.randrange(256) for _ in range(3))
        d.decode([bytes(data)], NOW)
    assert d.counts.frames == 5_000


@pytest.mark.slow
@pytest.mark.parametrize("pack", [False, True])
def test_the_table_of_the_frames_is_the_market_without_what_was_taken_back(pack: bool) -> None:
    played = Played(pack, scenario="badprints", start="11:00")
    totals = played.side.totals
    totals.begin(totals.prev_close)
    played.play(20.0)
    assert played.decoder.counts.corrections > 1
    assert played.decoder.counts.unknown_corrections == 0
    held = {one.row for one in played.side._waiting}
    there = np.array([r not in held and totals.volume[r] > 0 for r in range(len(totals.volume))])
    assert there.sum() > 100
    np.testing.assert_allclose(played.column("vol")[there], totals.volume[there], rtol=1e-12)
    regular = there & (totals.high > 0)
    quarantined = played.column("quarantined") > 0
    sure = regular & ~quarantined
    for name, ticks in (("high", totals.high), ("low", totals.low)):
        np.testing.assert_array_equal(played.column(name)[sure], dollars(ticks)[sure])
    again = Engine()
    for record in played.records:
        again.apply(decode(encode(record)))
    assert again.digest == played.engine.digest
    assert again.table.rows.tobytes() == played.engine.table.rows.tobytes()
    v, pv = played.column("v"), played.column("pv")
    np.testing.assert_allclose(pv[sure] / v[sure], totals.vwap()[sure], atol=6e-5)


@pytest.mark.slow
def test_iex_decodes_to_its_own_prints() -> None:
    played = Played(True, "iex", scenario="calm", start="11:00")
    played.play(10.0)
    assert 0 < played.decoder.counts.trades < 0.05 * played.market.totals.count.sum()
    moved = played.side.totals.volume > 0
    np.testing.assert_allclose(played.column("vol")[moved], played.side.totals.volume[moved])


def test_letters_and_numbers_go_both_ways() -> None:
    for tape, letters in (("C", "@T IAWBGD1SY"), ("A", " BEFT4MQO5NHPKRLZI9V7C6XU")):
        for letter in letters.replace(" ", ""):
            mask = mask_of_letters((letter,), tape)
            assert not mask & UNKNOWN, (tape, letter)
    assert mask_of_letters(("?",), "C") == UNKNOWN
    assert mask_of_letters(("@", "F", "T", "I"), "C") == mask_of([14, 12, 37])
    assert letters_of((14, 37, 41), "C") == ["@", "F", "I"]
    assert letters_of((2,), "C") == ["@", "W"]
    assert letters_of((2,), "A") == [" ", "B"]


def test_times_are_exact() -> None:
    ns = 1_680_790_185_335_689_322
    assert text_ns(rfc(ns)) == ns == packed_ns(packed(ns))
    for text in ("2023-04-06T14:29:45", "2023-04-06T14:29:45+00:00", "", "1970-01-01T00:00:01Z"):
        with pytest.raises(ValueError, match=r"no time|no event time|Invalid|isoformat"):
            text_ns(text)


def test_the_memory_forgets_the_oldest() -> None:
    memory = Memory(4)
    for i in range(6):
        memory.add(trades_of([1], [10**18 + i], [2.0], [3.0], [0], [4], [0]), [i])
    assert memory.find(1, 0, 4) is None
    place = memory.find(1, 3, 4)
    assert place is not None
    assert [p.ts_ns - 10**18 for p in memory.rest(place)] == [2, 4, 5]
    assert len(memory.since(10**18 + 4)) == 2
