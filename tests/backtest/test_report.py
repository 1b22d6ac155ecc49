"""The report holds the figures, and asks nothing of the world."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tapelight.app.backtest.course import Course, courses
from tapelight.app.backtest.export import write_exports
from tapelight.app.backtest.follow import Costs
from tapelight.app.backtest.html import page, write_html
from tapelight.app.backtest.result import Backtest, fires_table, with_control
from tapelight.app.backtest.svg import histogram, lines_chart, nice_step, ticks
from tapelight.app.backtest.tell import told
from tapelight.model.outcomes import HORIZONS
from tapelight.model.session import NEW_YORK
from tapelight.model.signals import Plan, Signal

N = 60


def made(n: int = N, r: bool = False) -> Backtest:
    draw = np.random.default_rng(5)
    numbers = {f"{k}_{h}": draw.normal(0.1, 1.0, n).round(2) for k in ("gross", "net", "edge", "control")
               for h in HORIZONS}  # fmt: skip
    extremes = {name: draw.normal(0.0, 1.0, n) for name in ("mae_30m", "mfe_30m", "mae", "mfe")}
    fires = pl.DataFrame({
        "session": ["2026-11-19"] * (n // 2) + ["2026-11-20"] * (n - n // 2),
        "time": [f"09:{30 + i % 30}:00" for i in range(n)], "slot": ["09:30"] * n,
        "symbol": [f"S{i:03d}" for i in range(n)], "side": ["long"] * n, "entry": [10.0] * n,
        "gap_pct": draw.normal(3.0, 2.0, n), "quoted": [True] * n, **numbers, **extremes,
        "filled": [True] * n if r else [None] * n,
        "r": [1.5 if i % 3 else -1.0 for i in range(n)] if r else [None] * n,
        "exit_reason": ["target" if i % 3 else "stop" for i in range(n)] if r else [None] * n,
    }, schema_overrides={"r": pl.Float64, "exit_reason": pl.String, "filled": pl.Boolean})  # fmt: skip
    return Backtest(
        "move", "Moves <b>& more", "SELECT symbol FROM market WHERE a < 1", ["2026-11-19", "2026-11-20"],
        fires, "the same symbols", Costs(), ("gap_pct",), ("The text is another one.",),
    )  # fmt: skip


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    return reader


def test_the_page_needs_and_runs_nothing() -> None:
    text = page(made())
    tags = read(text).tags
    assert not {tag for tag, _ in tags} & {"script", "link", "img", "iframe", "a", "form", "object"}
    assert not [a for _, attrs in tags for a in attrs if a in ("src", "href") or a.startswith("on")]
    assert not re.findall(r"https?://|url\(|@import", text)
    policy = next(attrs for _, attrs in tags if attrs.get("http-equiv"))
    assert str(policy["content"]).startswith("default-src 'none'")


def test_the_page_holds_the_figures() -> None:
    found = made()
    reader = read(page(found))
    texts = [t.strip() for t in reader.texts]
    median = f"{found.fires['net_5m'].median():+.2f}"
    assert f"{median} %" in texts
    assert f"{100 * (found.fires['net_5m'] > 0).mean():.0f} %" in texts
    assert str(N) in texts
    assert f"{found.fires['net_5m'].sum():+.2f}" in " ".join(texts)
    assert "Moves <b>& more" in texts, "what the user wrote is text"
    assert "The text is another one." in texts
    assert all(symbol in texts for symbol in found.fires["symbol"]), (
        "every fire, the losing ones too"
    )
    assert sum(tag == "svg" for tag, _ in reader.tags) > 6


def test_strategies_are_told_in_r() -> None:
    texts = " ".join(read(page(made(r=True))).texts)
    assert "By the strategy's own plan, in R" in texts
    assert "By the strategy's own plan, in R" not in " ".join(read(page(made())).texts)


def test_nothing_fired_is_a_page_too(tmp_path: Path) -> None:
    fires, kind = with_control(fires_table([], ("gap_pct",), Costs(), NEW_YORK), [])
    none = Backtest("move", "Moves", "", ["2026-11-20"], fires, kind, Costs(), ("gap_pct",))
    assert "was not true once" in write_html(none, tmp_path).read_text()
    assert "Moves: 0 fires in 1 session," in told(none)
    assert write_exports(none, tmp_path)


def test_the_exports_hold_every_fire(tmp_path: Path) -> None:
    found = made()
    table, whole, summary = write_exports(found, tmp_path)
    assert pl.read_parquet(whole).equals(found.fires)
    assert len(pl.read_csv(table)) == N
    figures = json.loads(summary.read_text())
    assert [h["horizon"] for h in figures["horizons"]] == list(HORIZONS)
    assert figures["horizons"][1]["median"]["value"] == pytest.approx(
        found.fires["net_5m"].median()
    )
    assert len(figures["by"]["gap_pct"]) == 5 * len(HORIZONS)


def test_the_terminal_tells_the_same() -> None:
    found = made()
    text = told(found)
    assert text.startswith("Moves <b>& more: 60 fires in 2 sessions, 2026-11-19 to 2026-11-20")
    assert f"{found.fires['net_30m'].median():+.2f}" in text


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.0, 10.0, [0, 2, 4, 6, 8, 10]), (-0.3, 0.35, [-0.2, 0.0, 0.2]), (0.0, 0.0, [0.0])],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)
    assert nice_step(70.0, 7) == 10.0


def test_a_histogram_counts_all_even_what_lies_far_out() -> None:
    values = np.array([*np.linspace(-1, 1, 99), 50.0, np.nan])
    counts = [int(n) for n in re.findall(r"%: (\d+)</title>", histogram(values, "x"))]
    assert sum(counts) == 100
    assert "no returns" in histogram(np.array([np.nan]), "x")
    assert "no returns" in lines_chart([("a", np.zeros(0))], [], "x")


def signal(kind: str, state: str, reason: str = "", r: float | None = None, of: str = "") -> Signal:
    plan = Plan(side="long", entry=10.0, limit=10.1, stop=9.0, targets=(11.0, 12.0))
    return Signal(
        id="e" if kind == "entry" else reason, scan="s1", symbol="A", state=state, ts_ns=1, mark=1,
        values={"r": r}, kind=kind, of=of, reason=reason, plan=plan if state == "fired" else None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("later", "course"),
    [
        ([], None),
        ([signal("entry", "expired")], Course("expired", False)),
        (
            [signal("entry", "confirmed"), signal("exit", "fired", "stop", -1.1, "e")],
            Course("confirmed", True, -1.1, "stop"),
        ),
        (
            [signal("entry", "confirmed"), signal("exit", "fired", "target", 1.0, "e"),
             signal("exit", "fired", "stop", 0.2, "e")],
            Course("confirmed", True, 0.6, "stop"),
        ),
        (
            [signal("entry", "confirmed"), signal("exit", "fired", "target", 1.0, "e"),
             signal("exit", "fired", "target", 2.0, "e")],
            Course("confirmed", True, 1.5, "target"),
        ),
        (
            [signal("entry", "confirmed"), signal("exit", "fired", "target", 1.0, "e")],
            Course("confirmed", True, None, "open"),
        ),
    ],
)  # fmt: skip
def test_each_target_sells_its_part_and_the_last_exit_the_rest(
    later: list[Signal], course: Course | None
) -> None:
    assert courses([signal("entry", "fired")], later).get("e") == course
