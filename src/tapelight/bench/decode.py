"""Measure the decoding of Massive's trade and quote frames, in ns an event.

The baseline is msgspec.json.decode of the same frames to plain objects, in the same run: the
least that any reader in Python pays.
"""

import json
import random
import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec

from tapelight.feeds.massive.decode import Decoder
from tapelight.model.universe import Universe

SYMBOLS = 11_000
EVENTS = 20_000
REPEATS = 7
BEGIN_MS = 1_795_185_000_000
RECV_NS = (BEGIN_MS + 1_000) * 1_000_000
_CONDITIONS = (None, None, [14, 41], [37], [14, 37, 41], [12, 37])


def run() -> list[dict[str, Any]]:
    """Return rows {name, value, unit, baseline, ratio}; ratio = value / baseline."""
    rows = [_row(f"decode_trades_{size}_a_frame", trade_frames(size), 1) for size in (200, 20, 1)]
    rows.append(_row("decode_trades_1_a_frame_64_coalesced", trade_frames(1), 64))
    rows.append(_row("decode_trades_quotes_200_a_frame", mixed_frames(200), 1))
    return rows


def trade_frames(size: int, seed: int = 1) -> list[bytes]:
    """Return frames of `size` trades each over 11,000 symbols, busy ones oftener (Zipf)."""
    return _frames(size, seed, quotes=False)


def mixed_frames(size: int, seed: int = 1) -> list[bytes]:
    """Return frames of `size` events each, trades and quotes in turn at random."""
    return _frames(size, seed, quotes=True)


def _frames(size: int, seed: int, *, quotes: bool) -> list[bytes]:
    draw = random.Random(seed)
    symbols = [f"{chr(65 + i % 26)}{chr(65 + i // 26 % 26)}{i // 676}" for i in range(SYMBOLS)]
    weights = [1 / (rank + 1) for rank in range(SYMBOLS)]
    chosen = draw.choices(symbols, weights, k=EVENTS)
    events = [
        _quote(draw, symbol, k) if quotes and draw.random() < 0.5 else _trade(draw, symbol, k)
        for k, symbol in enumerate(chosen)
    ]
    return [msgspec.json.encode(events[at : at + size]) for at in range(0, EVENTS, size)]


def _trade(draw: random.Random, symbol: str, k: int) -> dict[str, Any]:
    event = {
        "ev": "T",
        "sym": symbol,
        "x": draw.randint(1, 21),
        "i": str(draw.randint(1, 10**6)),
        "z": 3,
        "p": round(draw.uniform(1, 300), 2),
        "s": draw.choice((100, 100, 3, 200)),
        "c": draw.choice(_CONDITIONS),
        "t": BEGIN_MS + k // 20,
        "q": 3_681_328 + k,
    }
    return {name: value for name, value in event.items() if value is not None}


def _quote(draw: random.Random, symbol: str, k: int) -> dict[str, Any]:
    bid = round(draw.uniform(1, 300), 2)
    return {
        "ev": "Q",
        "sym": symbol,
        "bx": 4,
        "bp": bid,
        "bs": 100,
        "ax": 7,
        "ap": round(bid + 0.01, 2),
        "as": 300,
        "c": 1,
        "t": BEGIN_MS + k // 20,
        "q": 50_385_480 + k,
        "z": 3,
    }


def _row(name: str, frames: list[bytes], together: int) -> dict[str, Any]:
    decoder = Decoder(Universe())
    groups = [frames[at : at + together] for at in range(0, len(frames), together)]
    plain = msgspec.json.Decoder()

    def ours() -> None:
        for group in groups:
            decoder.decode(group, RECV_NS)

    def baseline() -> None:
        for frame in frames:
            plain.decode(frame)

    ours()
    value, base = _best_ns(ours, baseline)
    return {
        "name": name,
        "value": round(value, 1),
        "unit": "ns/event",
        "baseline": round(base, 1),
        "ratio": round(value / base, 3),
    }


def _best_ns(*works: Callable[[], None]) -> tuple[float, ...]:
    """Return the best CPU time of each work in ns an event, the works taking turns."""
    best = [float("inf")] * len(works)
    for _ in range(REPEATS):
        for at, work in enumerate(works):
            began = time.process_time_ns()
            work()
            best[at] = min(best[at], (time.process_time_ns() - began) / EVENTS)
    return tuple(best)


if __name__ == "__main__":
    as_json = "--json" in sys.argv[1:]
    for row in run():
        line = (
            json.dumps(row) if as_json else "{name:40} {value:9.1f} {unit}  x{ratio}".format(**row)
        )
        sys.stdout.write(line + "\n")
