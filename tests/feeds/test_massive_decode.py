"""Decoding Massive's frames: values, malformed input, conflation."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.massive_service import quote, status, trade
from tapelight.bench.decode import mixed_frames, run, trade_frames
from tapelight.feeds._conflate import seen
from tapelight.feeds._symbols import MAX_SYMBOLS, is_test
from tapelight.feeds.massive.columns import trade_count
from tapelight.feeds.massive.decode import Decoded, Decoder
from tapelight.model.batch import Batch, Quotes, Trades
from tapelight.model.conditions import mask_of
from tapelight.model.universe import Universe

MS = 1_536_036_818_784
RECV = 1_795_185_300_000_000_000


def decoded(*events: Any, decoder: Decoder | None = None) -> Decoded:
    return (decoder or Decoder(Universe())).decode([json.dumps(events).encode()], RECV)


def trades_of(found: Decoded) -> Trades:
    assert found.batch is not None
    assert found.batch.trades is not None
    return found.batch.trades


def quotes_of(found: Decoded) -> Quotes:
    assert found.batch is not None
    assert found.batch.quotes is not None
    return found.batch.quotes


@pytest.fixture(scope="module")
def examples(shared: Path) -> dict[str, Any]:
    path = shared / "data/ws_frames/massive_ws_spec_examples.json"
    return {e["path"]: e["example"] for e in json.loads(path.read_text())}


def test_every_example_of_the_documentation_decodes(examples: dict[str, Any]) -> None:
    decoder = Decoder(Universe())
    for example in examples.values():
        assert decoded(example, decoder=decoder).rejected == []
    counts = decoder.counts
    assert (counts.trades, counts.quotes, counts.bars, counts.bands) == (2, 2, 10, 1)
    assert counts.ignored == len(examples) - 15


def test_the_example_of_a_trade(examples: dict[str, Any]) -> None:
    universe = Universe(["AAPL"])
    trades = trades_of(decoded(examples["/stocks/T"], decoder=Decoder(universe)))
    assert universe.symbols == ["AAPL", "MSFT"]
    assert trades.row.tolist() == [1]
    assert trades.ts_ns.tolist() == [MS * 1_000_000]
    assert (trades.price[0], trades.size[0], trades.exchange[0]) == (114.125, 100.0, 4)
    assert trades.conditions.tolist() == [mask_of([0, 12])]
    assert trades.seq.tolist() == [3_681_328]


def test_the_example_of_a_quote(examples: dict[str, Any]) -> None:
    quotes = quotes_of(decoded(examples["/stocks/Q"]))
    assert (quotes.bid[0], quotes.ask[0]) == (114.125, 114.128)
    assert (quotes.bid_size[0], quotes.ask_size[0], quotes.before[0]) == (100.0, 160.0, 0)


def test_the_examples_of_bars(examples: dict[str, Any]) -> None:
    found = decoded(examples["/stocks/A"], examples["/stocks/AM"])
    assert found.batch is not None
    bars = found.batch.bars
    assert bars is not None
    assert bars.span_s.tolist() == [1, 60]
    assert bars.start_ns.tolist() == [1_610_144_868_000_000_000, 1_610_144_640_000_000_000]
    assert bars.volume.tolist() == [200.0, 4110.0]
    assert bars.day_volume.tolist() == [8_642_007.0, 9_470_157.0]
    assert bars.day_open.tolist() == [25.66, 0.4372]
    assert (bars.open[1], bars.high[1], bars.low[1], bars.close[1]) == (
        0.4488,
        0.4489,
        0.4486,
        0.4486,
    )
    assert bars.vwap.tolist() == [25.3981, 0.4488]
    assert bars.trades.tolist() == [4.0, 6.0]


def test_the_example_of_bands_is_in_microseconds(examples: dict[str, Any]) -> None:
    found = decoded(examples["/stocks/LULD"])
    assert found.batch is not None
    bands = found.batch.bands
    assert bands is not None
    assert bands.ts_ns.tolist() == [1_601_316_752_683_746_000]
    assert (bands.lower[0], bands.upper[0]) == (198.11, 218.96)


@pytest.mark.parametrize("t", [MS, MS * 1_000, MS * 1_000_000])
def test_times_are_normalised_by_magnitude(t: int) -> None:
    trades = trades_of(decoded({**trade("A", 1.0, 1), "t": t}, {**trade("A", 1.0, 2), "t": MS}))
    assert trades.ts_ns.tolist() == [MS * 1_000_000] * 2


def test_fractional_sizes_win() -> None:
    events = [trade("A", 1.0, 1, ds="0.25"), trade("A", 1.0, 2)]
    assert trades_of(decoded(*events)).size.tolist() == [0.25, 100.0]
    bar = {"ev": "A", "sym": "A", "o": 1, "h": 1, "l": 1, "c": 1, "s": MS, "v": 7, "dv": "7.5"}
    found = decoded({**bar, "av": 90, "dav": "90.125"})
    assert found.batch is not None
    assert found.batch.bars is not None
    assert found.batch.bars.volume.tolist() == [7.5]
    assert found.batch.bars.day_volume.tolist() == [90.125]


def test_conditions_absent_and_unknown() -> None:
    found = decoded(trade("A", 1.0, 1), trade("A", 1.0, 2, c=[37]), trade("A", 1.0, 3, c=[233]))
    assert trades_of(found).conditions.tolist() == [0, 1 << 37, 1 << 63]


def test_an_empty_side_of_a_quote_is_unknown() -> None:
    quotes = quotes_of(decoded({"ev": "Q", "sym": "A", "bp": 0, "bs": 0, "ap": 2.5, "t": MS}))
    assert np.isnan(quotes.bid[0])
    assert quotes.ask[0] == 2.5
    assert np.isnan(quotes.ask_size[0])


def test_test_symbols_are_dropped_and_counted() -> None:
    decoder = Decoder(Universe())
    events = [
        trade("ZVZZT", 9.0, 1),
        quote("NTEST.Q", 9.0, 2),
        trade("A", 1.0, 3),
        quote("A", 1, 4),
    ]
    found = decoded(*events, decoder=decoder)
    assert trades_of(found).price.tolist() == [1.0]
    assert quotes_of(found).before.tolist() == [1]
    assert decoder.counts.test_symbols == 2
    assert found.rejected == []
    assert decoder.rows == {"A": 0}


def test_names_that_look_like_tests_and_are_not() -> None:
    assert [s for s in ("ZM", "ZTS", "CBOE", "NTES", "TEST", "AZZT", "ZBRA") if is_test(s)] == []


def test_the_number_of_symbols_is_bounded() -> None:
    assert MAX_SYMBOLS == 100_000
    decoder = Decoder(Universe(["A"]), most_symbols=1)
    found = decoded(trade("A", 1.0, 1), trade("B", 1.0, 2), trade("A", 1.0, 3), decoder=decoder)
    assert trades_of(found).seq.tolist() == [1, 3]
    assert found.rejected == [("symbol", "'B'")]


GOOD = trade("GOOD", 5.0, 9)
BAD_EVENTS = [
    ("T", {**GOOD, "p": -1.0}),
    ("T", {**GOOD, "p": 0}),
    ("T", {**GOOD, "p": float("nan")}),
    ("T", {**GOOD, "p": float("inf")}),
    ("T", {**GOOD, "p": "5.0"}),
    ("T", {**GOOD, "s": -100}),
    ("T", {**GOOD, "s": None}),
    ("T", {**GOOD, "ds": "much"}),
    ("T", {**GOOD, "ds": "nan"}),
    ("T", {**GOOD, "ds": "-1"}),
    ("T", {**GOOD, "t": 0}),
    ("T", {**GOOD, "t": 10**30}),
    ("T", {**GOOD, "t": "soon"}),
    ("T", {**GOOD, "x": 999}),
    ("T", {**GOOD, "q": 2**64}),
    ("T", {**GOOD, "c": [1.5]}),
    ("T", {**GOOD, "sym": 7}),
    ("T", {k: v for k, v in GOOD.items() if k != "p"}),
    ("symbol", {**GOOD, "sym": ""}),
    ("symbol", {**GOOD, "sym": "A" * 50}),
    ("symbol", {**GOOD, "sym": "<script>"}),
    ("T", {**GOOD, "sym": "\ud800"}),
    ("Q", {**quote("A", 5.0, 1), "bp": -1}),
    ("Q", {**quote("A", 5.0, 1), "t": -5}),
    ("AM", {"ev": "AM", "sym": "A", "o": 1, "h": 1, "l": 2, "c": 1, "s": MS}),
    ("AM", {"ev": "AM", "sym": "A", "o": 1, "h": 1, "l": 1, "c": 1, "s": MS, "dv": "x"}),
    ("LULD", {"ev": "LULD", "T": "A", "h": 1, "l": 2, "t": MS}),
    ("unknown", {"ev": "NEW", "sym": "A"}),
    ("unknown", {"sym": "A"}),
    ("unknown", [1, 2]),
    ("frame", 7),
]


@pytest.mark.parametrize(("kind", "bad"), BAD_EVENTS)
def test_a_bad_event_rejects_only_itself(kind: str, bad: Any) -> None:
    decoder = Decoder(Universe())
    found = decoded(GOOD, bad, {**GOOD, "q": 10}, decoder=decoder)
    assert trades_of(found).seq.tolist() == [9, 10]
    assert [k for k, _ in found.rejected] == [kind]
    assert (decoder.counts.rejected, decoder.counts.trades) == (1, 2)
    for _, sample in found.rejected:
        assert len(sample) <= 260
        sample.encode("utf-8")


AHEAD = RECV // 10**6 + 15_001
BAR = {"sym": "A", "o": 1, "h": 1, "l": 1, "c": 1, "v": 7}
AHEAD_EVENTS = [
    {**GOOD, "t": AHEAD},
    {**GOOD, "t": AHEAD * 1_000},
    {**GOOD, "t": AHEAD + 3 * 86_400_000},
    {**quote("B", 5.0, 1), "t": AHEAD},
    {**BAR, "ev": "A", "s": AHEAD},
    {**BAR, "ev": "AM", "s": AHEAD},
    {"ev": "LULD", "T": "B", "h": 2, "l": 1, "t": AHEAD * 10**6},
]


@pytest.mark.parametrize("ahead", AHEAD_EVENTS)
@pytest.mark.parametrize("others", [2, 200])
def test_an_event_stamped_ahead_rejects_only_itself(ahead: dict[str, Any], others: int) -> None:
    decoder = Decoder(Universe())
    events = [{**GOOD, "t": AHEAD - 1, "q": n + 1} for n in range(others)]
    quoted = quote("A", 2.0, 1)
    found = decoded(*events[:-1], ahead, quoted, events[-1], decoder=decoder)
    assert trades_of(found).seq.tolist() == list(range(1, others + 1))
    assert trades_of(found).ts_ns.max() == RECV + 15 * 10**9
    assert quotes_of(found).before.tolist() == [others - 1]
    [(kind, sample)] = found.rejected
    assert kind == "time ahead"
    assert str(ahead.get("t", ahead.get("s"))) in sample
    assert (decoder.counts.rejected, decoder.rows) == (1, {"A": 1, "GOOD": 0})
    assert found.batch is not None
    assert (found.batch.bars, found.batch.bands) == (None, None)


BROKEN = [
    b"",
    b"[",
    b"nonsense",
    b"[" * 100_000,
    b'{"ev":',
    b"\xff\xfe\x00",
    b'[{"ev":"T","sym":"A\xff","p":1}]',
]


@pytest.mark.parametrize("frame", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_frame_is_counted(frame: bytes) -> None:
    found = Decoder(Universe()).decode([frame], RECV)
    assert found.batch is None
    assert len(found.rejected) >= 1


def test_a_truncated_frame_keeps_what_came_before() -> None:
    frame = json.dumps([GOOD, {**GOOD, "q": 10}, {**GOOD, "q": 11}]).encode()
    found = Decoder(Universe()).decode([frame[:-20], json.dumps([GOOD]).encode()], RECV)
    assert trades_of(found).seq.tolist() == [9, 10, 9]
    assert [k for k, _ in found.rejected] == ["frame"]


def test_broken_json_in_the_middle_costs_one_event() -> None:
    whole = [json.dumps({**GOOD, "q": n}) for n in range(3)]
    frame = f"[{whole[0]},{whole[1][:30]},{whole[2]}]".encode()
    found = Decoder(Universe()).decode([frame], RECV)
    assert trades_of(found).seq.tolist() == [0, 2]
    assert [k for k, _ in found.rejected] == ["frame"]


def test_invalid_utf8_costs_one_event() -> None:
    frame = json.dumps([GOOD, {**GOOD, "sym": "?"}, {**GOOD, "q": 10}]).encode()
    found = Decoder(Universe()).decode([frame.replace(b'"?"', b'"\xc3\x28"')], RECV)
    assert trades_of(found).seq.tolist() == [9, 10]


def test_statuses_share_a_frame_with_data() -> None:
    found = decoded(status("success", "subscribed to: T.A"), GOOD)
    assert [(s.status, s.message) for s in found.statuses] == [("success", "subscribed to: T.A")]
    assert len(trades_of(found).row) == 1


def test_a_count_of_trades_is_told_only_where_it_is_certain() -> None:
    found = trade_count(
        np.array([685.0 * 6, 1e6, 100.0, 5.0]), np.array([685.0, 120.0, 0.0, np.nan])
    )
    assert found[0] == 6.0
    assert np.isnan(found[1:]).all()


def _mutants(count: int, seed: int) -> list[bytes]:
    """Return frames of every kind with bytes flipped, cut, repeated and spliced."""
    draw = random.Random(seed)
    bar = {"ev": "AM", "sym": "A", "o": 1.5, "h": 2, "l": 1, "c": 1, "s": MS, "v": 7, "dv": "7.5"}
    band = {"ev": "LULD", "T": "A", "h": 2.5, "l": 1.5, "t": MS * 1000}
    events = [GOOD, {**GOOD, "ds": "0.5", "c": [37]}, quote("B", 3, 1), bar, band, status("x", "y")]
    seeds = [json.dumps(draw.sample(events, 3), separators=(",", ":")).encode() for _ in range(50)]
    pieces = [b"NaN", b"-1", b"1e999", b"null", b"[", b"]", b"{", b'"', b"\xff", b",", b"9" * 25]
    found = []
    for _ in range(count):
        frame = bytearray(draw.choice(seeds))
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(len(frame) + 1)
            change = draw.randrange(4)
            if change == 0 and at < len(frame):
                frame[at] = draw.randrange(256)
            elif change == 1:
                frame[at:at] = draw.choice(pieces)
            elif change == 2:
                del frame[at : at + draw.randint(1, 20)]
            else:
                frame[at : at + 6] = draw.choice(pieces)
        found.append(bytes(frame))
    return found


@pytest.mark.integration
def test_twenty_thousand_mutants_raise_nothing_and_bring_nothing_impossible() -> None:
    decoder = Decoder(Universe())
    for frame in _mutants(20_000, seed=7):
        batch = decoder.decode([frame], RECV).batch
        if batch is not None:
            _assert_possible(batch, decoder)
    counts = decoder.counts
    assert counts.frames == 20_000
    assert counts.rejected > 10_000
    assert counts.trades > 5_000


def _assert_possible(batch: Batch, decoder: Decoder) -> None:
    for part in (batch.trades, batch.quotes, batch.bars, batch.bands):
        if part is not None:
            assert ((part.row >= 0) & (part.row < len(decoder.rows))).all()
    if batch.trades is not None:
        assert (batch.trades.price > 0).all()
        assert (batch.trades.size >= 0).all()
        assert (batch.trades.ts_ns > 0).all()
    if batch.quotes is not None:
        assert not (batch.quotes.bid <= 0).any()
        assert not (batch.quotes.ask <= 0).any()


def test_columns_equal_an_independent_reading() -> None:
    for frame in trade_frames(200)[:20]:
        universe = Universe()
        trades = trades_of(Decoder(universe).decode([frame], RECV))
        events = json.loads(frame)
        assert [universe.symbols[row] for row in trades.row] == [e["sym"] for e in events]
        assert trades.ts_ns.tolist() == [e["t"] * 10**6 for e in events]
        assert trades.price.tolist() == [e["p"] for e in events]
        assert trades.size.tolist() == [e["s"] for e in events]
        assert trades.exchange.tolist() == [e["x"] for e in events]
        assert trades.seq.tolist() == [e["q"] for e in events]
        masks = [sum(1 << c for c in e.get("c", [])) for e in events]
        assert trades.conditions.tolist() == masks


def _last_quotes(events: list[tuple[str, str, float]]) -> list[tuple[str, float | None]]:
    """Return, for each trade and each symbol at the end, the bid that it sees."""
    bids: dict[str, float] = {}
    found: list[tuple[str, float | None]] = []
    for kind, symbol, number in events:
        if kind == "Q":
            bids[symbol] = number
        else:
            found.append((symbol, bids.get(symbol)))
    return found + sorted(bids.items())


def _replayed(universe: Universe, batch: Batch) -> list[tuple[str, str, float]]:
    """Return a batch's trades and quotes in arrival order."""
    quotes, trades = batch.quotes, batch.trades
    found: list[tuple[str, str, float]] = []
    at = 0
    for n in range(0 if trades is None else len(trades.row)):
        assert trades is not None
        while quotes is not None and at < len(quotes.row) and quotes.before[at] <= n:
            found.append(("Q", universe.symbols[quotes.row[at]], float(quotes.bid[at])))
            at += 1
        found.append(("T", universe.symbols[trades.row[n]], float(trades.price[n])))
    for rest in range(at, 0 if quotes is None else len(quotes.row)):
        assert quotes is not None
        found.append(("Q", universe.symbols[quotes.row[rest]], float(quotes.bid[rest])))
    return found


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("TQ"), st.sampled_from(["A", "B", "ZVZZT"])), max_size=30)
)
def test_conflation_keeps_what_every_trade_and_the_end_see(kinds: list[tuple[str, str]]) -> None:
    events = [(kind, symbol, float(n + 1)) for n, (kind, symbol) in enumerate(kinds)]
    raw = [trade(s, x, n) if k == "T" else quote(s, x, n) for n, (k, s, x) in enumerate(events)]
    universe = Universe()
    decoder = Decoder(universe)
    batch = decoded(*raw, decoder=decoder).batch
    real = [e for e in events if e[1] != "ZVZZT"]
    kept = [] if batch is None else _replayed(universe, batch)
    assert [e for e in kept if e[0] == "T"] == [e for e in real if e[0] == "T"]
    assert _last_quotes(kept) == _last_quotes(real)
    quotes = [e for e in kept if e[0] == "Q"]
    assert all(e in real for e in quotes)
    assert decoder.counts.quotes + decoder.counts.superseded == sum(e[0] == "Q" for e in real)


def test_conflation_drops_all_but_the_last_quote_between_trades() -> None:
    found = decoded(
        quote("A", 1, 1), quote("B", 7, 2), quote("A", 2, 3), trade("A", 2, 4), quote("A", 3, 5)
    )
    quotes = quotes_of(found)
    assert quotes.bid.tolist() == [7.0, 2.0, 3.0]
    assert quotes.before.tolist() == [0, 0, 1]
    assert seen(quotes, trades_of(found)).all()


def test_batches_do_not_depend_on_how_frames_are_cut() -> None:
    whole = mixed_frames(20)[:50]
    together, alone = Decoder(Universe()), Decoder(Universe())
    first = together.decode(whole, RECV).batch
    parts = [alone.decode([frame], RECV).batch for frame in whole]
    assert first is not None
    assert first.trades is not None
    prices = [p.trades.price for p in parts if p is not None and p.trades is not None]
    assert np.concatenate(prices).tolist() == first.trades.price.tolist()
    assert together.counts.trades == alone.counts.trades
    ours, theirs = together.counts, alone.counts
    assert ours.quotes + ours.superseded == theirs.quotes + theirs.superseded


@pytest.mark.slow
def test_the_benchmark_has_a_row_for_each_frame_size() -> None:
    rows = run()
    assert [r["name"] for r in rows][:3] == [f"decode_trades_{n}_a_frame" for n in (200, 20, 1)]
    assert all(r["ratio"] == pytest.approx(r["value"] / r["baseline"], rel=0.02) for r in rows)


def test_a_test_symbol_of_the_references_is_no_event() -> None:
    decoder = Decoder(Universe())
    assert [decoder.rows.of(s) for s in ("AAPL", "ZVZZT", "no symbol", "AAPL")] == [0, -1, -1, 0]
    assert (decoder.rows.dropped, decoder.rows.tests, decoder.rows.bad) == (0, 0, [])
