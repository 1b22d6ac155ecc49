"""The report: one HTML file that needs nothing beside it, and runs nothing."""

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

import numpy as np
import polars as pl

from tapelight.app.backtest.result import Backtest, Line, buckets, lines
from tapelight.app.backtest.statistics import hit_rate, mean, median
from tapelight.app.backtest.svg import COLOURS, histogram, inline_bar, lines_chart
from tapelight.app.backtest.tell import MAIN, between, number, share
from tapelight.model.outcomes import HORIZONS

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
CUMULATED = ("5m", "30m", "close")
MOST_ROWS = 50_000
"""Fires shown in the page; all are in the exports."""


def write_html(found: Backtest, folder: Path) -> Path:
    """Write report.html into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "report.html"
    path.write_text(page(found), "utf-8")
    return path


def page(found: Backtest) -> str:
    """Return the whole report."""
    style = files("tapelight.app.backtest").joinpath("style.css").read_text("utf-8")
    body = [_head(found), *(_body(found) if len(found.fires) else [_nothing(found)]), _foot(found)]
    title = escape(f"{found.title}: backtest")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{style}</style></head><body>{''.join(body)}</body></html>\n"
    )


def _head(found: Backtest) -> str:
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in found.notes)
    return (
        f"<h1>{escape(found.title)}</h1>"
        f'<p class="dim">{escape(found.name)} over {_span(found.sessions)}</p>{notes}'
        f"<details><summary>What was asked</summary><pre>{escape(found.text.strip())}</pre></details>"
    )


def _span(sessions: Sequence[str]) -> str:
    if not sessions:
        return "no session"
    if len(sessions) == 1:
        return sessions[0]
    return f"{len(sessions)} sessions, {sessions[0]} to {sessions[-1]}"


def _nothing(found: Backtest) -> str:
    return f"<h2>No fire</h2><p>{escape(found.name)} was not true once in these sessions.</p>"


def _body(found: Backtest) -> Iterable[str]:
    fires = found.fires
    whole = lines(fires)
    yield _tiles(found, whole)
    yield "<h2>What followed, by horizon</h2>" + _lines_table(whole, "horizon")
    yield "<h2>Distribution of net returns</h2>" + _histograms(fires)
    yield "<h2>Cumulative net return, the same stake on every fire, in % of it</h2>"
    yield _cumulated(fires)
    yield f"<h2>By time of day, at +{MAIN}</h2>" + _by(fires, "slot")
    for column in found.by:
        yield f"<h2>By {escape(column)}, at +{MAIN}</h2>" + _by(fires, column)
    if len(found.sessions) > 1:
        yield f"<h2>By session, at +{MAIN}</h2>" + _by_session(fires)
    if fires["r"].count():
        yield "<h2>By the strategy's own plan, in R</h2>" + _plan(fires)
    yield f"<h2>All {len(fires):,} fires</h2>" + _every(fires)


def _tiles(found: Backtest, whole: Sequence[Line]) -> str:
    fires = found.fires
    main = whole[HORIZONS.index(MAIN)]
    per_day = len(fires) / max(len(found.sessions), 1)
    extremes = f"{number(main.extremes['mae_30m'])} / {number(main.extremes['mfe_30m'])}"
    tiles = [
        ("fires", f"{len(fires):,}", f"{per_day:,.1f} a session{_filled(fires)}"),
        (f"median net at +{MAIN}", _percent(main.median.value), f"95 %: {between(main.median)}"),
        (f"hit rate at +{MAIN}", share(main.hit_rate.value), f"95 %: {between(main.hit_rate, 100.0, 0)}"),
        (f"edge over control at +{MAIN}", _percent(main.edge.value), f"95 %: {between(main.edge)}"),
        ("MAE / MFE within 30 min", extremes, "medians, % of the entry"),
    ]  # fmt: skip
    cells = "".join(
        f'<div class="tile"><span>{name}</span><b>{value}</b><span>{below}</span></div>'
        for name, value, below in tiles
    )
    return f'<div class="tiles">{cells}</div>'


def _filled(fires: pl.DataFrame) -> str:
    """Return how many entries of a strategy were traded; nothing for a scan."""
    planned = fires["filled"].drop_nulls()
    return "" if planned.is_empty() else f", {int(planned.sum()):,} filled"


def _horizon(name: str) -> str:
    return name if name == "close" else f"+{name}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2f} %"


def _lines_table(found: Sequence[Line], first: str) -> str:
    reach = max((abs(line.median.value or 0.0) for line in found), default=0.0)
    head = (first, "n", "median net", "95 %", "", "mean net", "hit rate", "95 %",
            "control", "edge", "95 %")  # fmt: skip
    rows = [
        (
            _horizon(line.horizon) if first == "horizon" else line.bucket, f"{line.n:,}",
            number(line.median.value), between(line.median),
            inline_bar(line.median.value, reach), number(line.mean.value),
            share(line.hit_rate.value), between(line.hit_rate, 100.0, 0),
            number(line.control), number(line.edge.value), between(line.edge),
        )
        for line in found
    ]  # fmt: skip
    return _table(head, rows, coloured={2, 5, 9}, raw={4}, small={3, 7, 10})


def _table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1,
    coloured: Iterable[int] = (), raw: Iterable[int] = (), small: Iterable[int] = (),
    kind: str = "",
) -> str:  # fmt: skip
    """Return a table; the first `left` columns are texts, `raw` ones are drawings of ours."""
    top = "".join(
        f"<th{' class=l' if i < left else ''}>{escape(name)}</th>" for i, name in enumerate(head)
    )
    colour, drawn, dim = frozenset(coloured), frozenset(raw), frozenset(small)

    def cell(i: int, text: str) -> str:
        tone = {"+": "up", "-": "down"}.get(text[:1], "") if i in colour and text != "-" else ""
        name = "l" if i < left else "small" if i in dim else tone
        return f"<td{f' class={name}' if name else ''}>{text if i in drawn else escape(text)}</td>"

    body = "".join(
        f"<tr>{''.join(cell(i, text) for i, text in enumerate(row))}</tr>" for row in rows
    )
    return (
        f'<div class="scroll {kind}"><table><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _numbers(fires: pl.DataFrame, name: str) -> "np.ndarray":
    return fires[name].cast(pl.Float64).to_numpy().astype(np.float64, copy=True)


def _histograms(fires: pl.DataFrame) -> str:
    figures = []
    for horizon in HORIZONS:
        values = _numbers(fires, f"net_{horizon}")
        name = "at the close" if horizon == "close" else f"+{horizon}"
        known = int((~np.isnan(values)).sum())
        figures.append(
            f"<figure><figcaption><span>{name}</span><span>{known:,} returns</span></figcaption>"
            f"{histogram(values, f'Net returns {name}')}</figure>"
        )
    return f'<div class="charts">{"".join(figures)}</div>'


def _cumulated(fires: pl.DataFrame) -> str:
    series = [(h, np.nan_to_num(_numbers(fires, f"net_{h}")).cumsum()) for h in CUMULATED]
    names = "".join(
        f'<span><i style="background:{colour}"></i>'
        f"{_horizon(name)}: {number(float(values[-1]))}</span>"
        for (name, values), colour in zip(series, COLOURS, strict=True)
    )
    chart = lines_chart(series, _day_marks(fires), "Cumulative net return")
    return f"<figure><figcaption>{names}</figcaption>{chart}</figure>"


def _day_marks(fires: pl.DataFrame) -> list[tuple[int, str]]:
    """Return where some of the sessions begin, at most ten of them."""
    dates = fires["session"].to_list()
    starts = [i for i, date in enumerate(dates) if i == 0 or date != dates[i - 1]]
    step = -(-len(starts) // 10)
    apart = max(len(dates) // 14, 1)
    chosen: list[int] = []
    for i in starts[::step]:
        if not chosen or i - chosen[-1] >= apart:
            chosen.append(i)
    return [(i, dates[i][5:]) for i in chosen]


def _by(fires: pl.DataFrame, column: str) -> str:
    found = [line for line in buckets(fires, column) if line.horizon == MAIN]
    return _lines_table(found, "from" if column == "slot" else "bucket")


def _by_session(fires: pl.DataFrame) -> str:
    found = []
    for date in fires["session"].unique().sort().to_list():
        part = fires.filter(pl.col("session") == date)
        found += [line for line in lines(part, date) if line.horizon == MAIN]
    return _lines_table(found, "session")


def _plan(fires: pl.DataFrame) -> str:
    """Return what the strategy's stops, targets and times gave, by the last exit's reason."""
    rows = []
    reasons = fires["exit_reason"].drop_nulls().unique().sort().to_list()
    by_reason = [(reason, fires.filter(pl.col("exit_reason") == reason)) for reason in reasons]
    for name, part in [("all", fires), *by_reason]:
        r = _numbers(part, "r")
        of = mean(r, part["session"].to_numpy())
        middle = median(r)
        rows.append(
            (name, f"{len(part):,}", f"{int((~np.isnan(r)).sum()):,}", number(middle.value),
             between(middle), number(of.value), between(of), share(hit_rate(r).value))
        )  # fmt: skip
    head = ("last exit", "fires", "with R", "median R", "95 %", "mean R", "95 %", "R above 0")
    return _table(head, rows, coloured={3, 5}, small={4, 6})


def _every(fires: pl.DataFrame) -> str:
    shown = fires.head(MOST_ROWS)
    has_r = bool(fires["r"].count())
    head = ["session", "time", "symbol", "side", "entry $", *(f"net {h}" for h in HORIZONS),
            "MAE 30m", "MFE 30m", "control 5m"] + ["R", "exit"] * has_r  # fmt: skip
    names = ["session", "time", "symbol", "side", "entry", *(f"net_{h}" for h in HORIZONS),
             "mae_30m", "mfe_30m", "control_5m"] + ["r", "exit_reason"] * has_r  # fmt: skip
    rows = (_fire_cells(row) for row in shown.select(names).iter_rows())
    rest = len(fires) - len(shown)
    more = f'<p class="dim">{rest:,} more are in the exports.</p>' if rest else ""
    coloured = {*range(5, 5 + len(HORIZONS)), 13}
    return _table(head, rows, left=4, coloured=coloured, kind="fires") + more


def _fire_cells(row: Sequence[object]) -> list[str]:
    """Return the cells of a fire: texts as they are, the entry in $, the rest signed."""
    cells = []
    for i, value in enumerate(row):
        if isinstance(value, float):
            cells.append(_price(value) if i == 4 else number(value))
        else:
            cells.append("-" if value is None else str(value))
    return cells


def _price(value: float) -> str:
    return f"{value:,.4f}" if value < 1 else f"{value:,.2f}"


def _foot(found: Backtest) -> str:
    quoted = int(found.fires["quoted"].sum()) if len(found.fires) else 0
    return (
        '<h2>How this was reckoned</h2><p class="dim">Every fire counts, before and after regular '
        "hours too, and none is left out. The entry is the first eligible price at or after the "
        "signal's mark; the price at a horizon is the last one as of the last mark at or before "
        "it; there is none where the session's tape ends first, or where the row was in a hole of "
        "the feed. Net returns have paid half a spread at the entry and half at the exit: "
        f"{quoted:,} of {len(found.fires):,} entries by recorded quotes, the others by an assumed "
        f"{found.costs.half_bps:g} basis points a side (at least half a cent). The control: "
        f"{escape(found.control_kind)}; the edge is the mean of each fire's gross return less "
        "that of its controls. Intervals cover with 95 % confidence: Wilson's for shares, order "
        "statistics for medians, a seeded bootstrap (of whole sessions, where there are five) for "
        "means. Past returns promise nothing.</p>"
    )
