"""Made-up boards that move, to look at the dashboard without a market.

Run `PYTHONPATH=tests python -m e2e.parade` from the checkout.
"""

import contextlib
import random
import sys
import time
from collections.abc import Callable
from typing import Any

from e2e.gateway import FakeGateway

Json = Any
COLUMNS: list[tuple[str, str, str]] = [
    ("symbol", "text", "The symbol."),
    ("last", "$", "The last eligible print."),
    ("chg_pct", "%", "100 * (last - prev_close) / prev_close"),
    ("gap_pct", "%", "100 * (ref - prev_close) / prev_close, ref = open once the market opened."),
    ("vol", "shares", "Shares since 04:00 New York time."),
    ("rvol_tod", "x", "Volume so far / mean volume at this time of day over 20 sessions."),
    ("rvol_5m", "x", "Volume of five minutes / its mean at this time of day."),
    ("float_shares", "shares", "Shares that can be traded."),
    ("spread_pct", "%", "100 * (ask - bid) / mid"),
    ("trade_rate", "1/s", "Trades in the last 60 s / 60."),
    ("hod_dist_pct", "%", "100 * (last - hod) / hod"),
    ("vwap_dist_pct", "%", "100 * (last - vwap) / vwap"),
    ("atr_used", "x", "(hod - lod) / atr14"),
    ("halted", "bool", "Trading is halted."),
    ("stale", "bool", "The feed is not complete for the last 5 s."),
]
BOARDS = [
    ("premarket", "Pre-market gappers", "abs(gap_pct) >= 4 AND pm_vol >= 50_000", ["pre"]),
    ("gainers", "Top gainers", "chg_pct >= 3 AND vol >= 200_000", []),
    ("losers", "Top losers", "chg_pct <= -3 AND vol >= 200_000", []),
    ("afterhours", "After-hours movers", "abs(post_chg_pct) >= 3", ["post"]),
]
OPEN_S = 1_763_735_400  # 2025-11-21 09:30 New York
Sheet = dict[str, list[Any]]


def listed() -> list[dict[str, Json]]:
    """Return what /api/boards answers."""
    columns = [{"name": n, "unit": u, "doc": d} for n, u, d in COLUMNS]
    return [
        {"name": n, "title": t, "kind": "list", "doc": d, "columns": columns, "phases": p}
        for n, t, d, p in BOARDS
    ]


def row(chance: random.Random, symbol: str) -> list[Any]:
    """Return one made-up row in the order of COLUMNS."""
    last = round(chance.lognormvariate(2.3, 1.4), 2)
    chg = chance.expovariate(0.09) + 3
    return [
        *(symbol, last, chg, chg - chance.random() * 4, int(chance.lognormvariate(14, 1.2))),
        *(chance.expovariate(0.2) + 1, chance.expovariate(0.3)),
        None if chance.random() < 0.12 else int(chance.lognormvariate(16.5, 1)),
        *(chance.random() * 0.8, chance.expovariate(0.15), -chance.expovariate(0.6)),
        *(chance.gauss(1, 2), chance.random() * 2, chance.random() < 0.03, chance.random() < 0.02),
    ]


def sheet(chance: random.Random, rows: int) -> Sheet:
    """Return `rows` made-up rows by symbol."""
    letters = "ABCDEFGHIKLMNOPRSTUVWXYZ"
    names = {"".join(chance.choices(letters, k=chance.choice((3, 4, 4)))) for _ in range(rows)}
    return {name: row(chance, name) for name in sorted(names)}


def ranked(rows: Sheet) -> list[str]:
    """Return the symbols by change, the largest first."""
    return sorted(rows, key=lambda symbol: -rows[symbol][2])


def status(chance: random.Random, second: int) -> dict[str, Json]:
    """Return one status message's body."""
    feed = {"name": "massive", "state": "live", "coverage": "SIP, 11,000 symbols", "detail": "T Q"}
    state = {
        "phase": "pre" if second < 0 else "regular",
        "session": "2025-11-21",
        "feed": feed,
        "events_s": chance.gauss(90_000, 4_000),
        "lag_ms": {"p50": 12.0, "p99": chance.gauss(44, 8)},
        "rows": 11_000,
        "stale": 3,
        "gaps": 0,
        "quarantined": 17,
        "journal": {"state": "ok", "bytes": 1_234_567, "seq": 1000},
        "rate": 1.0,
    }
    return {"status": state}


def minutes(chance: random.Random, last: float, count: int) -> list[list[float]]:
    """Return `count` minute bars that end at the opening bell near `last`."""
    bars, price = [], last * 0.8
    for at in range(count):
        close = price * (1 + chance.gauss(0.002, 0.01))
        high, low = max(price, close) * 1.004, min(price, close) * 0.996
        start = OPEN_S - 60 * (count - at)
        bars.append([start, price, high, low, close, int(chance.lognormvariate(9, 1))])
        price = close
    return bars


def parade(gateway: FakeGateway, now: Callable[[], float], seconds: float = 3600.0) -> None:
    """Play made-up boards to `gateway` in real time, for `seconds`."""
    chance = random.Random(7)
    gateway.boards[:] = listed()
    rows = sheet(chance, 64)
    columns = [{"name": n, "unit": u, "doc": d} for n, u, d in COLUMNS]
    for name, title, _, phases in BOARDS:
        shown = {} if "post" in phases else rows
        head = {"name": name, "title": title, "board_kind": "list", "columns": columns}
        gateway.snapshot(f"board:{name}", {**head, "order": ranked(shown), "rows": shown})
    for symbol, cells in rows.items():
        named = dict(zip((n for n, _, _ in COLUMNS), cells, strict=True))
        card = [{**c, "topic": g} for c, g in zip(columns, _topics(), strict=True)]
        body = {"values": {**named, "prev_close": cells[1] * 0.9}, "columns": card}
        gateway.snapshot(f"symbol:{symbol}", body)
        gateway.snapshot(f"bars:{symbol}:1m", {"bars": minutes(chance, cells[1], 120)})
    gateway.snapshot("signals", {"signals": []})
    began, second = now(), -1000
    while now() - began < seconds:
        gateway.ts_ns = (OPEN_S - 20) * 10**9 + int((now() - began) * 1e9)
        step(gateway, chance, rows)
        current = gateway.ts_ns // 10**9 - OPEN_S
        if current != second:
            second = current
            gateway.snapshot("status", status(chance, second))
            announce(gateway, chance, rows)
        time.sleep(0.2)


def _topics() -> list[str]:
    names = {"vol": "volume", "rvol_tod": "volume", "rvol_5m": "volume", "float_shares": "volume"}
    return [names.get(n, "price") for n, _, _ in COLUMNS]


def step(gateway: FakeGateway, chance: random.Random, rows: Sheet) -> None:
    """Move some rows, and tell both boards and the symbols followed."""
    cells: list[list[Any]] = []
    for symbol in chance.sample(sorted(rows), 18):
        cells_of = rows[symbol]
        move = 1 + chance.gauss(0, 0.004)
        cells_of[1] = round(cells_of[1] * move, 2)
        cells_of[2] += (move - 1) * 100
        cells_of[4] += int(chance.lognormvariate(7, 1))
        cells += [[symbol, at, cells_of[at]] for at in (1, 2, 4)]
    for name in ("premarket", "gainers", "losers"):
        gateway.diff(f"board:{name}", {"cells": cells, "order": ranked(rows)})
    for topic in gateway.followed():
        if topic.startswith("symbol:") and topic[7:] in rows:
            cells_of = rows[topic[7:]]
            values = {"last": cells_of[1], "chg_pct": cells_of[2], "vol": cells_of[4]}
            gateway.diff(topic, {"values": values})


def announce(gateway: FakeGateway, chance: random.Random, rows: Sheet) -> None:
    """Send one made-up signal."""
    symbol = chance.choice(sorted(rows))
    text = f"new high of day {rows[symbol][1]:.2f} on {chance.uniform(3, 9):.1f}x volume"
    known = {"id": f"{gateway.ts_ns:x}", "scan": "hod_momo", "symbol": symbol, "values": {}}
    signal = {**known, "state": "fired", "ts_ns": gateway.ts_ns, "text": text}
    gateway.diff("signals", {"signals": [signal]})


if __name__ == "__main__":
    with FakeGateway([], port=8790) as shown:
        sys.stdout.write(f"The dashboard on made-up rows: {shown.url}  (Ctrl+C ends it)\n")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            parade(shown, time.monotonic)
