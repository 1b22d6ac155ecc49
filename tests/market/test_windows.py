"""Rolling windows against a brute-force oracle; silences; time ahead and behind."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.tape import Tape
from tapelight.market import windows
from tapelight.market.table import WALK_S
from tapelight.model.batch import Batch, trades_of
from tapelight.model.session import NS

BASE = 10 * 3_600
"""10:00:00 in seconds of the day."""


def clock(second: float) -> str:
    whole = int(second)
    return (
        f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}.{int(second % 1 * 1000):03d}"
    )


@dataclass
class Oracle:
    """Keep every print with the second at which it counts, and sum them anew each time."""

    prints: list[tuple[int, int, float, float]]

    def add(self, now_s: int, second: int, price: float, size: float) -> None:
        self.prints.append((now_s, min(second, now_s + windows.AHEAD_S), price, size))

    def volume(self, now_s: int, span: int) -> float:
        return sum(v for at, s, _, v in self.prints if s >= now_s - span and s >= at - span)

    def volume_15m(self, now_s: int) -> float:
        return sum(
            v for at, s, _, v in self.prints
            if s // 10 >= now_s // 10 - 90 and s // 10 >= at // 10 - 90
        )  # fmt: skip

    def volume_20_minutes(self, now_s: int) -> float:
        minute = now_s // 60
        return sum(
            v for at, s, _, v in self.prints
            if minute - 20 <= s // 60 < minute and s // 60 >= at // 60 - 20
        )  # fmt: skip

    def count(self, now_s: int, span: int) -> int:
        return sum(s >= now_s - span and s >= at - span for at, s, _, _ in self.prints)


steps = st.lists(
    st.tuples(
        st.integers(1, 90),
        st.lists(st.tuples(st.integers(-1_300, 40), st.integers(1, 500)), max_size=4),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_windows_are_exact_at_whole_seconds(
    tape_steps: list[tuple[int, list[tuple[int, int]]]],
) -> None:
    tape, oracle, now = Tape(), Oracle([]), BASE
    tape.mark(clock(now))
    for ahead, prints in tape_steps:
        for offset, size in prints:
            oracle.add(now, now + offset, 10.0, float(size))
            # Received now: so an ahead stamp is clamped, a late one kept where it belongs.
            row_ns = tape.ns(clock(now + offset + 0.25))
            made = trades_of([0], [row_ns], [10.0], [float(size)], [0], [0], [0])
            tape.engine.apply(Batch(tape.ns(clock(now)), made))
        now += ahead
        tape.mark(clock(now))
        got = tape.many("vol_10s vol_1m vol_5m vol_15m")
        assert got == [oracle.volume(now, n) for n in (10, 60, 300)] + [oracle.volume_15m(now)]
        assert tape.table.rows["v20"][0] == oracle.volume_20_minutes(now)
        assert tape("trade_rate") == oracle.count(now, 60) / 60
        assert tape("trade_rate_10s") == oracle.count(now, 10) / 10
        assert tape("dv_5m") == pytest.approx(10.0 * oracle.volume(now, 300))


@pytest.mark.integration
def test_price_changes_are_exact_at_whole_seconds() -> None:
    tape = Tape()
    generator = np.random.default_rng(7)
    prices: dict[int, float] = {}
    price = 100.0
    tape.mark(clock(BASE))
    for second in range(BASE, BASE + 1_900):
        if generator.random() < 0.2:
            price = round(price * (1 + generator.normal(0, 0.0005)), 2)
            tape.trade(clock(second + 0.5), price)
        prices[second + 1] = price if second > BASE + 50 or price != 100.0 else float("nan")
        tape.mark(clock(second + 1))
    now = BASE + 1_900
    for name, span in (("chg_1m", 60), ("chg_2m", 120), ("chg_5m", 300), ("chg_10m", 600),
                       ("chg_15m", 900), ("chg_30m", 1_800)):  # fmt: skip
        assert tape(name) == pytest.approx(100 * (prices[now] / prices[now - span] - 1)), name
    assert tape("velocity") == pytest.approx(100 * (prices[now] / prices[now - 30] - 1) / 30)
    then = 100 * (prices[now - 60] / prices[now - 120] - 1)
    assert tape("accel") == pytest.approx(100 * (prices[now] / prices[now - 60] - 1) - then)


def test_fractional_sizes_leave_no_residue() -> None:
    tape = Tape(cal="24x7")
    tape.mark("10:00:00")
    for i in range(50):
        tape.trade(f"10:00:{i:02d}.5", 10.0, 1e-8 * (i + 1) + 0.1)
    tape.mark("10:00:50")
    assert tape("vol_1m") == pytest.approx(sum(1e-8 * (i + 1) + 0.1 for i in range(50)))
    tape.mark("10:01:50")
    assert tape.many("vol_10s vol_1m trade_rate") == [0.0, 0.0, 0.0]
    tape.mark("10:05:51")
    assert tape.many("vol_5m dv_5m") == [0.0, 0.0]
    tape.mark("10:16:00")
    assert tape("vol_15m") == 0.0


def test_a_tiny_trade_is_no_residue() -> None:
    tape = Tape(cal="24x7")
    tape.mark("10:00:00")
    tape.trade("10:00:01", 90_000.0, 1e-8)
    tape.mark("10:00:30")
    assert tape.many("vol_1m vol_5m vol_15m") == [1e-8] * 3


def state_of(tape: Tape) -> dict[str, object]:
    table = tape.table
    rings = {n: repr(ring[:, : table.n].tolist()) for n, ring in table.rings._asdict().items()}
    return {"rows": repr(table.live.tolist()), "now": table.now_s, **rings}


@pytest.mark.parametrize("silence_s", [WALK_S - 1, WALK_S + 1, 1_000, 3_599, 5_000])
def test_stepping_over_a_silence_is_stepping_through_it(silence_s: int) -> None:
    tapes = Tape("A", "B"), Tape("A", "B")
    for tape in tapes:
        tape.mark(clock(BASE))
        tape.quote(clock(BASE + 1), 9.9, 10.1)
        for i in range(100):
            tape.trade(clock(BASE + 2 * i), 10.0 + i / 50, 10.0 + i)
            tape.mark(clock(BASE + 2 * i + 1))
    through, over = tapes
    begin = through.table.now_s
    for second in range(begin + 1, begin + silence_s + 1):
        through.table.step_to(second)
    over.table.step_to(begin + silence_s)
    mine, theirs = state_of(over), state_of(through)
    for name, value in theirs.items():
        if name == "price10":
            wanted = [windows.price_ago(t.table.rings, t.table.now_s, 3_600) for t in tapes]
            np.testing.assert_array_equal(*wanted)
        else:
            assert mine[name] == value, name


def test_a_night_of_silence_costs_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    tape = Tape()
    tape.trade("15:59:59", 10.0)
    tape.mark("16:00:00")
    seconds = []
    step = windows.step_second
    monkeypatch.setattr(windows, "step_second", lambda *a: (seconds.append(a[2]), step(*a)))
    tape.mark("19:59:59")
    tape.mark("04:00:01", days=3)
    assert len(seconds) <= WALK_S + 1
    assert tape("vol_15m") == 0.0


def test_an_event_after_a_silence_without_marks_lies_in_its_own_second() -> None:
    tape = Tape()
    tape.trade("10:00:00", 10.0)
    tape.mark("10:00:01")
    tape.trade("10:02:00", 10.5, 200.0)
    tape.trade("10:02:01", 10.6, 300.0)
    tape.mark("10:02:02")
    assert tape.many("vol_1m vol_10s vol_5m") == [500.0, 500.0, 600.0]
    assert tape("chg_1m") == pytest.approx(6.0)
    minutes = tape.table.bars.of_row(0)["minute"] * 60 * NS
    assert minutes.tolist() == [tape.ns("10:00:00")]


def test_a_stamp_far_ahead_does_not_move_time() -> None:
    tape = Tape()
    tape.mark("10:00:00")
    tape.quote("10:00:01", 9.9, 10.1)
    before = tape.table.now_s
    far = trades_of([0], [tape.ns("15:00:00")], [10.0], [50.0], [0], [0], [0])
    tape.engine.apply(Batch(tape.ns("10:00:01"), far))
    assert tape.table.now_s == before
    tape.mark("10:00:05")
    assert tape("vol_1m") == 50.0
    tape.mark("10:01:16")
    assert tape("vol_1m") == 0.0
