"""One trial: a market is scanned through a feed that breaks, and compared with the unbroken run."""

import asyncio
import datetime as dt
import json
import random
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from faults.provider import KEY, REST, STREAM, Market, Provider, Rest, Stream, event
from faults.virtual import VirtualLoop
from tapelight.app.runs import open_journal
from tapelight.app.scanner import Scanner
from tapelight.engine import Cycle
from tapelight.feeds._websocket import Backoff
from tapelight.feeds.failover import Failover
from tapelight.feeds.massive import MassiveConfig, MassiveFeed, MassivePictures
from tapelight.market.view import View
from tapelight.model.clock import MarketClock
from tapelight.model.records import Digest, FeedState, Questions, Record, Snapshot
from tapelight.model.signals import Signal

MS, NS = 1_000_000, 1_000_000_000
SECONDS = 75
AFTER_S = 10.5
"""A run ends so long after its stream is back."""


def ms_of(clock: str) -> int:
    """Return a New York time of the day in ms."""
    moment = dt.datetime.fromisoformat(f"2026-11-20T{clock}:00")
    return int(moment.replace(tzinfo=ZoneInfo("America/New_York")).timestamp() * 1000)


BEGIN = "09:31"
BEGIN_MS = ms_of(BEGIN)
CONNECTS_MS = 3000
MARK_MS = 50
SLACK_NS = 200_000_000
"""Two real clocks agree this well."""
LIQUID, QUIET, HALTED = 24, 1, 1
SYMBOLS = (*(f"L{i:02d}" for i in range(LIQUID)), "QUIET", "HALT")
KINDS = ("cut", "mute", "half-open", "reset", "flood")
EQUAL = ("vol", "high", "low", "pv", "v", "last", "trades", "v60", "hod")
"""Volume, high, low, VWAP (pv / v), and more, bit for bit."""
SCANS = {
    "cross": "last > vwap AND vol > 3000",
    "calm": "delta(vol, '2s') < 400 AND vol > 4000",
    "burst": "vol_1m > 9000 AND chg_1m > 0.2",
    "high": "last >= high AND vol > 6000",
}


def questions() -> Questions:
    """Return the scans that are asked."""
    head = '-- title = "{0}"\n-- kind = "events"\n-- gate = "none"\n-- cooldown_s = 2\n'
    ask = "SELECT symbol, last, vol FROM market WHERE {1}"
    return Questions({name: (head + ask).format(name, sql) for name, sql in SCANS.items()})


@lru_cache(maxsize=64)
def market_of(seed: int, *, calm: bool = False) -> Market:
    """Draw a market: 24 liquid symbols, one that trades each seven seconds, one that stands still.

    In a calm one nothing trades for 0.3 s before each whole second, when figures are compared, and
    all prints come soon after a mark: over real sockets a print comes some milliseconds after its
    time, and one that the next mark no longer saw would be told a mark later. It begins late,
    since a real connection takes a while.
    """
    draw = np.random.default_rng(seed)
    parts = []
    for row in range(LIQUID):
        count = int(draw.integers(150, 600))
        parts.append((row, np.sort(draw.integers(0, SECONDS * 100, count)) * 10 + 5))
    parts.append((LIQUID, np.arange(1500, SECONDS * 1000, 7000) + 5))
    parts.append((LIQUID + 1, np.array([1005, 1505])))
    row = np.concatenate([np.full(len(ts), r) for r, ts in parts])
    ts = np.concatenate([ts for _, ts in parts])
    order = np.lexsort((row, ts))
    row, ts = row[order], ts[order]
    if calm:
        kept = (ts % 1000 < 700) & (ts > CONNECTS_MS)
        row, ts = row[kept], ts[kept] // MARK_MS * MARK_MS + 5
    step = np.exp(draw.normal(0, 0.002, len(row)))
    price = np.empty(len(row))
    last = np.round(5.0 + 40.0 * draw.random(len(SYMBOLS)), 2)
    for i, r in enumerate(row.tolist()):
        last[r] = round(last[r] * step[i], 2)
        price[i] = last[r]
    size = draw.choice([100, 200, 37, 300, 1], len(row)).astype(np.int64)
    return Market(SYMBOLS, ts.astype(np.int64), row.astype(np.int64), price, size)


@dataclass(frozen=True)
class Fault:
    """Say what breaks, when, for how long (seconds), and what REST does meanwhile."""

    kind: str
    at_s: float
    lasts_s: float
    rest: str = ""
    rest_after_s: float = 0.0
    """How long REST stays so once the stream is sound again."""


def fault_of(seed: int) -> Fault:
    """Draw a fault."""
    draw = random.Random(seed)
    rest = draw.choice(["", "", "", "429", "500"]) if draw.random() < 0.2 else ""
    return Fault(
        draw.choice(KINDS), round(draw.uniform(4.0, 9.0), 3), round(draw.uniform(0.3, 8.0), 3), rest
    )


@dataclass
class Seen:
    """Hold what a run showed."""

    rows: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)
    """By whole second: figures of all symbols."""
    signals: list[Signal] = field(default_factory=list)
    states: list[FeedState] = field(default_factory=list)
    pictures_ns: list[int] = field(default_factory=list)
    live_while_behind: int = 0
    stale_quiet: int = 0
    """Samples in which a quiet or halted symbol was stale, though the stream was whole."""
    counts: dict[str, int] = field(default_factory=dict)
    unaccounted: int = 0
    """Events missing in the books at the end."""
    most_open: int = 0
    recovered_ns: int = 0
    """When the provider was sound again."""
    back_ns: int = 0
    """When a sound stream stood again."""
    end_ns: int = 0
    """The last mark."""
    replay_differs: int = 0
    """Digests that a replay of the journal gives otherwise."""

    def standing(self, end_ns: int) -> dict[str, tuple[str, int]]:
        """Return by id the last state of each signal up to a mark that stands, and its mark."""
        last: dict[str, Signal] = {}
        for signal in self.signals:
            if signal.ts_ns <= end_ns:
                last[signal.id] = signal
        return {k: (s.state, s.mark) for k, s in last.items() if s.state != "retracted"}


@dataclass(frozen=True)
class Plan:
    """Say what the scanner asks its provider for, and whether pictures stand by."""

    channels: tuple[str, ...] = ("T",)
    fallback: bool = True
    delayed: bool = False


WHOLE = Plan()


class _Watch(Scanner):
    """Be a scanner that notes what its feed says."""

    seen: Seen

    def put(self, record: Record) -> None:
        if isinstance(record, FeedState):
            self.seen.states.append(record)
        elif isinstance(record, Snapshot) and self.seen.states[-1].state == "polling":
            self.seen.pictures_ns.append(self.clock.now_ns())
        super().put(record)


def run(
    market: Market,
    fault: Fault | None,
    seed: int,
    folder: Path,
    begin: str = BEGIN,
    seconds: float = SECONDS,
    plan: Plan = WHOLE,
) -> Seen:
    """Run a scanner on the market to its end, in virtual time."""
    loop = VirtualLoop()
    random.seed(seed)  # the jitter of libraries that draw from here
    market = replace(market, ts_ms=market.ts_ms + ms_of(begin))
    try:
        return loop.run_until_complete(
            _run(loop, market, fault, seed, folder, seconds, begin, plan)
        )
    finally:
        loop.close()


async def _run(
    loop: VirtualLoop,
    market: Market,
    fault: Fault | None,
    seed: int,
    folder: Path,
    seconds: float,
    begin: str,
    plan: Plan,
) -> Seen:
    begin_s, begin_ms = loop.time(), ms_of(begin)

    def now_ms() -> float:
        return begin_ms + round((loop.time() - begin_s) * 1e6) / 1e3

    provider = Provider(market, now_ms, 900_000 if plan.delayed else 0)
    loop.network = {STREAM: lambda: Stream(provider), REST: lambda: Rest(provider)}
    addresses = (
        f"ws://localhost:{STREAM}/{'delayed' if plan.delayed else 'stocks'}",
        f"http://127.0.0.1:{REST}",
    )
    seen = Seen()
    breaks = _break(provider, fault, seen) if fault is not None else None
    place = Place(provider, addresses, loop.monotonic_ns, begin_ms, seconds, plan)
    return await scan(place, fault, breaks, seen, seed, folder)


@dataclass(frozen=True)
class Place:
    """Say where a scanner finds its provider, and by which time it goes."""

    provider: Provider
    addresses: tuple[str, str]
    """Of stream and REST."""
    monotonic_ns: Callable[[], int]
    begin_ms: int
    seconds: float
    plan: Plan = WHOLE


async def scan(
    place: Place,
    fault: Fault | None,
    breaks: Coroutine[Any, Any, None] | None,
    seen: Seen,
    seed: int,
    folder: Path,
) -> Seen:
    """Scan until `breaks`, which breaks things, has ended, or until the market's end."""
    provider, loop = place.provider, asyncio.get_running_loop()
    config = MassiveConfig(
        url=place.addresses[0], rest=place.addresses[1], api_key=KEY,
        channels=place.plan.channels, backfill=0, history_sessions=0, news_s=0,
    )  # fmt: skip
    uniform = random.Random(seed).uniform
    primary = MassiveFeed(config=config, backoff=Backoff(None, uniform, loop.time))
    feed = Failover(primary, MassivePictures(config)) if place.plan.fallback else primary
    scanner = _Watch(folder, questions(), "XNYS")
    scanner.seen = seen
    scanner.clock = MarketClock(place.begin_ms * MS, 1.0, place.monotonic_ns)
    scanner.clock.on_set = scanner._clock_set
    scanner.feed_counts = feed.counts
    scanner.listeners.append(lambda cycle: _note(scanner, provider, fault, cycle))
    tasks = [
        asyncio.create_task(provider.run()),
        asyncio.create_task(feed.run(scanner)),
        asyncio.create_task(scanner.run_marks()),
    ]
    if breaks is not None:
        tasks.append(asyncio.create_task(breaks))
    done, _ = await asyncio.wait(
        tasks, timeout=place.seconds - 1, return_when=asyncio.FIRST_COMPLETED
    )
    seen.counts = dict(feed.counts())
    seen.unaccounted = scanner.status()["unaccounted"]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        if not task.cancelled():
            task.result()
    scanner.close()
    seen.most_open = provider.most_open
    return seen


async def _break(provider: Provider, fault: Fault, seen: Seen) -> None:
    await asyncio.sleep(fault.at_s)
    provider.rest_fault = fault.rest
    if fault.kind == "flood":
        _flood(provider)
        seen.recovered_ns = seen.back_ns = round(provider.now_ms()) * MS
        await asyncio.sleep(AFTER_S)
        return
    _stop(provider, fault.kind)
    await asyncio.sleep(fault.lasts_s)
    provider.mute = provider.down = False
    if not fault.rest_after_s:
        provider.rest_fault = ""
    seen.recovered_ns = round(provider.now_ms()) * MS
    await provider.subscribed()
    seen.back_ns = round(provider.now_ms()) * MS
    await asyncio.sleep(fault.rest_after_s)
    provider.rest_fault = ""
    await asyncio.sleep(AFTER_S + 2.5 * fault.rest_after_s)


def _stop(provider: Provider, kind: str) -> None:
    provider.mute = kind == "mute"
    provider.down = kind in ("cut", "reset")
    for stream in list(provider.streams):
        stream.mute = provider.mute
        if kind == "half-open":
            stream.deaf = True
        elif kind == "cut":
            stream.cut()
        elif kind == "reset":
            stream.reset()


def _flood(provider: Provider) -> None:
    """Send the last 500 prints twenty times over, and as much rubbish."""
    n = provider.market.until(provider.now_ms())
    again = json.dumps([event(provider.market, i) for i in range(max(n - 500, 0), n)])
    for stream in provider.streams:
        for i in range(20):
            stream.send(again)
            stream.send(b'[{"ev":"T","sym":"L00","p":-1,"s":1,"t":%d}]' % (BEGIN_MS + i))
            stream.send('[{"ev":"T","sym":"L00","p":NaN,"s":1},{"broken')


def _note(scanner: _Watch, provider: Provider, fault: Fault | None, cycle: Cycle) -> None:
    seen = scanner.seen
    seen.signals += cycle.signals
    seen.end_ns = cycle.mark.ts_ns
    if not cycle.whole:
        return
    table = scanner.engine.table
    rows = [table.universe.rows.get(s, -1) for s in provider.market.symbols]
    second = (cycle.mark.ts_ns - BEGIN_MS * MS) // NS
    seen.rows[second] = {
        name: np.array([table.rows[name][r] if r >= 0 else np.nan for r in rows]) for name in EQUAL
    }
    view = View(table)
    stale = np.asarray(view["stale"]) | np.asarray(view["provisional"])
    behind_s = (cycle.mark.ts_ns / MS - provider.delivered_ms) / 1000.0
    if provider.delivered_ms and behind_s > 5.0 and not stale.all():
        seen.live_while_behind += 1
    healed = table.gap_since_ns == 0
    quiet = [r for r in rows[LIQUID:] if r >= 0]
    if (fault is None or second < fault.at_s) and healed and second > 2:
        seen.stale_quiet += int(stale[quiet].sum())


@dataclass(frozen=True)
class Verdict:
    """Say how a trial went; `faults` are sentences, none where all is well."""

    seed: int
    fault: Fault
    detected_s: float
    served_s: float
    """From detection to the first picture, or to the stream if that was sooner."""
    faults: tuple[str, ...]
    retracted: int
    late: int
    back_s: float
    """From the provider's recovery to the stream's return: the back-off between tries."""
    equal_s: float
    """From the stream's return until every figure equalled the unbroken run's, for good."""


@lru_cache(maxsize=64)
def unbroken(market_seed: int, *, calm: bool = False) -> Seen:
    """Return what the market shows without a fault."""
    with tempfile.TemporaryDirectory() as folder:
        return run(market_of(market_seed, calm=calm), None, market_seed, Path(folder))


def trial(seed: int, markets: int = 10) -> Verdict:
    """Run one seeded trial."""
    market_seed, fault = seed % markets, fault_of(seed)
    whole = unbroken(market_seed)
    with tempfile.TemporaryDirectory() as folder:
        seen = run(market_of(market_seed), fault, seed, Path(folder))
        seen.replay_differs = replay_differs_in(Path(folder))
    return judge(seed, fault, seen, whole)


def replay_differs_in(data: Path) -> int:
    """Replay the journal; return how many digests differ from the live ones."""
    (folder,) = data.glob("journal/*/*")
    engine, records = open_journal(folder)
    differ = 0
    for record in records:
        if isinstance(record, Digest):
            differ += record.digest != engine.digest
        engine.apply(record)
    return differ


def judge(
    seed: int, fault: Fault, seen: Seen, whole: Seen, equal: "Compare | None" = None
) -> Verdict:
    """Compare a run with the unbroken one; `equal` gives the seconds until figures were equal."""
    detected, served, found = _noticed(fault, seen)
    equal_s = (equal or _equal_s)(seen, whole)
    if equal_s > 10.0:
        found.append(f"figures equal only {equal_s:.0f} s after the stream was back")
    mine, theirs = seen.standing(seen.end_ns), whole.standing(seen.end_ns)
    wrong = {k for k in mine.keys() | theirs.keys() if mine.get(k) != theirs.get(k)}
    told = {
        f"{len(wrong)} of {len(theirs)} signals differ": wrong,
        f"{seen.replay_differs} digests of the replay differ": seen.replay_differs,
        f"{seen.live_while_behind} samples live while over 5 s behind": seen.live_while_behind,
        f"{seen.stale_quiet} samples of a quiet symbol stale": seen.stale_quiet,
        f"{seen.unaccounted} events unaccounted": seen.unaccounted,
        "two connections at once": seen.most_open > 1,
    }
    found += [words for words, is_so in told.items() if is_so]
    return Verdict(
        seed, fault, detected, served, tuple(found),
        sum(s.state == "retracted" for s in seen.signals),
        sum(s.ts_ns > s.mark for s in seen.signals),
        (seen.back_ns - seen.recovered_ns) / NS, equal_s,
    )  # fmt: skip


def _noticed(fault: Fault, seen: Seen) -> tuple[float, float, list[str]]:
    """Return the seconds to detection and from there to service, and what was wrong with them."""
    at_ns = BEGIN_MS * MS + int(fault.at_s * NS)
    gaps = [s.ts_ns for s in seen.states if s.state == "gap" and s.ts_ns >= at_ns - SLACK_NS]
    if fault.kind == "flood":
        taken = bool(gaps) or seen.counts["switches"] > 0
        return 0.0, 0.0, ["a flood was taken for a hole"] if taken else []
    if not gaps:
        return 0.0, 0.0, ["the fault was not detected"]
    detected = max(gaps[0] - at_ns, 0) / NS
    back = [s.ts_ns for s in seen.states if _delivers(s) and s.ts_ns > gaps[0]]
    served = (min([*seen.pictures_ns, *back], default=1 << 62) - gaps[0]) / NS
    told = {
        f"detected after {detected:.2f} s": detected > 2.0,
        f"nothing served for {served:.2f} s": served > 2.0 and not fault.rest,
        "the stream did not come back": not seen.back_ns,
    }
    return detected, served, [words for words, is_so in told.items() if is_so]


def _delivers(state: FeedState) -> bool:
    return state.state in ("live", "healing")


Compare = Callable[[Seen, Seen], float]


def _equal_s(seen: Seen, whole: Seen) -> float:
    """Return the seconds from the stream's return to the last sample in which a figure differed."""
    differ = [second for second, is_equal in _samples(seen, whole) if not is_equal]
    return max(max(differ, default=0) + 1 - (seen.back_ns - BEGIN_MS * MS) / NS, 0.0)


def first_equal_s(seen: Seen, whole: Seen) -> float:
    """Return the seconds from the stream's return to a sample in which every figure was equal.

    Sums are of the whole day: one such sample shows that nothing is missing, though prints on
    their way may be in later ones.
    """
    back_s = (seen.back_ns - BEGIN_MS * MS) / NS
    equal = [s for s, is_equal in _samples(seen, whole) if is_equal and s >= back_s]
    return min(equal, default=SECONDS) - back_s


def _samples(seen: Seen, whole: Seen) -> Iterator[tuple[int, bool]]:
    """Yield each second that both runs showed, and whether all figures are equal."""
    for second, figures in seen.rows.items():
        theirs = whole.rows.get(second)
        if theirs is not None:
            same = (np.array_equal(figures[n], theirs[n], equal_nan=True) for n in EQUAL)
            yield second, all(same)
