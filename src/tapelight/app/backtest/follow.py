"""Follow fired signals through the tape that brought them: live and in a backtest the same."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tapelight.healing import AGAIN
from tapelight.market.row import GAP, SOURCE_MINUTE, SOURCE_TRADES
from tapelight.market.table import Table
from tapelight.model.outcomes import HORIZONS, HORIZONS_S, Outcome
from tapelight.model.session import Session
from tapelight.model.signals import Signal

Floats = npt.NDArray[np.float64]
NS = 1_000_000_000
MINUTE_NS = 60 * NS
NEVER = np.iinfo(np.int64).max
LONG, SHORT = 1, -1
N = len(HORIZONS)
AT_30M, AT_CLOSE = HORIZONS.index("30m"), HORIZONS.index("close")

FOLLOWED = np.dtype(
    [
        ("at", "i8"),  # place of its signal
        ("row", "i4"),
        ("side", "f8"),
        ("ts_ns", "i8"),
        ("session_ns", "i8"),
        ("due_ns", "i8", (N,)),  # NEVER: settled, or there is no such horizon
        ("price", "f8", (N,)),
        ("half", "f8", (N,)),  # half the spread, $
        ("known_ns", "i8"),  # time of the last price that the mark knew
        ("entry", "f8"),
        ("entry_ns", "i8"),
        ("entry_half", "f8"),
        ("high", "f8"),  # since the entry
        ("low", "f8"),
        ("high_30m", "f8"),
        ("low_30m", "f8"),
        ("high_close", "f8"),
        ("low_close", "f8"),
        ("seen", "f8"),  # last, as of the mark before
        ("seen_ns", "i8"),
        ("seen_half", "f8"),
        ("hole", "?"),  # a hole is open
        ("holed", "?"),  # one was open since the mark
        ("planned", "?"),  # a strategy's: entered where its plan is confirmed
        ("waits", "?"),  # planned, and not confirmed yet
        ("fresh", "?"),  # begun, or settled for a horizon, since `news` was asked
    ]
)
_UNKNOWN = [n for n in FOLLOWED.names or () if FOLLOWED[n].base == np.dtype("f8") and n != "side"]


def is_fire(signal: Signal) -> bool:
    """Tell whether a signal counts: it fired, as an entry, and this is not told of it again."""
    again = signal.reason.startswith(AGAIN)
    return signal.state == "fired" and signal.kind == "entry" and not again


@dataclass(frozen=True, slots=True)
class Costs:
    """Say what half a spread is taken to be where no quote is recorded."""

    half_bps: float = 5.0
    least: float = 0.005
    """$."""

    def half(self, price: Floats, known: Floats) -> Floats:
        """Return half the spread in $ at each price: the known one, else the assumption."""
        assumed = np.maximum(self.least, price * self.half_bps / 10_000.0)
        return np.where(np.isnan(known), assumed, known)


class Follower:
    """Keep the prices that matter for each signal until its last horizon has passed.

    It reads the engine's table after each mark and changes nothing. Memory is that of the
    signals whose horizons are open, and of what `take` has not fetched.
    """

    def __init__(self, side: int = LONG) -> None:
        self._side = side
        self._signals: list[Signal] = []
        self._kept = np.zeros(64, FOLLOWED)
        self._open = self._kept[:0]
        """Those whose horizons are open: the front of `_kept`."""
        self._next_due_ns = NEVER
        self._rolls = -1
        self._done: list[np.ndarray] = []

    def __len__(self) -> int:
        return len(self._open)

    def on_mark(self, ts_ns: int, signals: Sequence[Signal], table: Table) -> None:
        """Take what a mark brought: its signals, and the prices that the table has now."""
        if table.rolls != self._rolls:
            self.end()
            self._rolls = table.rolls
        if len(self._open) and self._next_due_ns < ts_ns:
            self._settle(self._open["due_ns"] < ts_ns)
        self._admit([s for s in signals if is_fire(s)], table)
        if not len(self._open):
            return
        confirmed = {s.id for s in signals if s.kind == "entry" and s.state == "confirmed"}
        if confirmed:
            self._fill(confirmed, ts_ns, table)
        self._sample(table)
        if self._next_due_ns <= ts_ns:
            self._settle(self._open["due_ns"] <= ts_ns)

    def end(self) -> None:
        """Let the session end: what is not due yet stays unknown."""
        if len(self._open):
            self._done.append(self._open.copy())
        self._open = self._kept[:0]
        self._next_due_ns = NEVER

    def take(self) -> tuple[list[Signal], np.ndarray]:
        """Return what is settled since the last call: signals, and their FOLLOWED in that order."""
        done = np.concatenate([np.zeros(0, FOLLOWED), *self._done])
        done = done[np.argsort(done["at"], kind="stable")]
        signals = [self._signals[i] for i in done["at"].tolist()]
        self._forget()
        return signals, done

    def news(self) -> tuple[list[Signal], np.ndarray]:
        """Return what began or settled since the last call, what is still open included."""
        signals, done = self.take()
        fresh = self._open[self._open["fresh"]]
        self._open["fresh"] = False
        signals += [self._signals[i] for i in fresh["at"].tolist()]
        return signals, np.concatenate([done, fresh])

    def _forget(self) -> None:
        """Keep the signals of what is open alone, under new places."""
        self._done = []
        self._signals = [self._signals[i] for i in self._open["at"].tolist()]
        self._open["at"] = np.arange(len(self._open))

    def _admit(self, signals: Sequence[Signal], table: Table) -> None:
        if not signals:
            return
        fresh = np.zeros(len(signals), FOLLOWED)
        for name in _UNKNOWN:
            fresh[name] = np.nan
        session = table.session
        ts = np.array([s.ts_ns for s in signals])
        fresh["at"] = np.arange(len(self._signals), len(self._signals) + len(signals))
        fresh["row"] = [table.universe.rows[s.symbol] for s in signals]
        fresh["side"] = [_side(s, self._side) for s in signals]
        fresh["ts_ns"] = ts
        fresh["known_ns"] = np.maximum(table.rows["last_ns"][fresh["row"]], ts - 1)
        fresh["fresh"] = True
        fresh["planned"] = fresh["waits"] = [s.plan is not None for s in signals]
        fresh["due_ns"] = NEVER
        if session is not None:
            fresh["session_ns"] = session.start_ns
            fresh["due_ns"] = _due_ns(ts, session)
            self._next_due_ns = min(self._next_due_ns, int(fresh["due_ns"].min()))
        self._signals += signals
        self._keep(fresh)

    def _fill(self, confirmed: set[str], ts_ns: int, table: Table) -> None:
        """Enter where a strategy's entry was traded within its limit: its horizons begin there."""
        f, rows, session = self._open, table.rows, table.session
        ids = [self._signals[i].id for i in f["at"].tolist()]
        its = np.flatnonzero(f["waits"] & np.array([one in confirmed for one in ids]))
        row = f["row"][its]
        for name in ("entry", "high", "low"):
            f[name][its] = rows["last"][row]
        bid, ask = rows["bid"][row], rows["ask"][row]
        f["entry_half"][its] = _half(bid, ask)
        f["entry_ns"][its] = f["ts_ns"][its] = ts_ns
        f["known_ns"][its] = rows["last_ns"][row]
        f["waits"][its], f["holed"][its], f["fresh"][its] = False, False, True
        if session is not None:
            f["due_ns"][its] = _due_ns(np.full(len(its), ts_ns), session)
            self._next_due_ns = int(f["due_ns"].min(initial=NEVER))

    def _keep(self, fresh: np.ndarray) -> None:
        """Put `fresh` behind what is open; the area doubles where it is full."""
        begin = len(self._open)
        end = begin + len(fresh)
        if end > len(self._kept):
            grown = np.zeros(max(end, 2 * len(self._kept)), FOLLOWED)
            grown[:begin] = self._open
            self._kept = grown
        self._kept[begin:end] = fresh
        self._open = self._kept[:end]

    def _sample(self, table: Table) -> None:
        """Note the prices as of this mark, and enter where the first one has come."""
        f = self._open
        rows = table.rows
        row = f["row"]
        last, last_ns, source = (rows[n][row] for n in ("last", "last_ns", "source"))
        bid, ask = rows["bid"][row], rows["ask"][row]
        f["seen_half"] = _half(bid, ask)
        f["hole"] = (rows["provisional"][row] & GAP) != 0
        f["holed"] |= f["hole"]
        first, begin_ns, high, low = _newest(f, last, last_ns, source, table)
        at_ns = np.where(source == SOURCE_TRADES, last_ns, last_ns - 1)
        opens = begin_ns >= f["ts_ns"]
        enters = np.isnan(f["entry"]) & ~np.isnan(last) & (opens | (at_ns > f["known_ns"]))
        enters &= ~f["waits"]
        f["entry"][enters] = np.where(opens, first, last)[enters]
        f["entry_ns"][enters] = np.where(opens, begin_ns, last_ns)[enters]
        f["entry_half"][enters] = f["seen_half"][enters]
        high, low = (np.where(enters & ~opens, last, x) for x in (high, low))
        inside = ~np.isnan(f["entry"])
        f["high"][inside] = np.fmax(f["high"], high)[inside]
        f["low"][inside] = np.fmin(f["low"], low)[inside]
        f["seen"], f["seen_ns"] = last, last_ns

    def _settle(self, due: npt.NDArray[np.bool_]) -> None:
        """Note the price at the horizons that are `due`, (followed, N), by what was seen last."""
        f = self._open
        known = due & (f["entry_ns"][:, None] <= f["due_ns"]) & (f["entry_ns"] > 0)[:, None]
        known &= ~f["hole"][:, None]
        f["price"][known] = np.broadcast_to(f["seen"][:, None], known.shape)[known]
        f["half"][known] = np.broadcast_to(f["seen_half"][:, None], known.shape)[known]
        whole = known & ~f["holed"][:, None]
        for at, name in ((AT_30M, "30m"), (AT_CLOSE, "close")):
            now = whole[:, at]
            f[f"high_{name}"][now] = f["high"][now]
            f[f"low_{name}"][now] = f["low"][now]
        f["due_ns"][due] = NEVER
        f["fresh"] |= due.any(axis=1)
        self._next_due_ns = int(f["due_ns"].min(initial=NEVER))
        ended = (f["due_ns"] == NEVER).all(axis=1)
        if ended.any():
            self._done.append(f[ended])
            going_on = f[~ended]
            self._kept[: len(going_on)] = going_on
            self._open = self._kept[: len(going_on)]


def _half(bid: Floats, ask: Floats) -> Floats:
    """Return half of each quoted spread in $, NaN where there is none."""
    return np.where((bid > 0.0) & (ask >= bid), (ask - bid) / 2.0, np.nan)


def _due_ns(ts: npt.NDArray[np.int64], session: Session) -> npt.NDArray[np.int64]:
    """Return when each of HORIZONS from some times ends, (n, N); NEVER for one that is past."""
    due = np.full((len(ts), N), session.close_ns, np.int64)
    due[:, :-1] = ts[:, None] + np.array([*HORIZONS_S.values()]) * NS
    due[(due <= ts[:, None]) | (due > session.end_ns)] = NEVER
    return due


def _side(signal: Signal, otherwise: int) -> int:
    if signal.plan is None:
        return otherwise
    return SHORT if signal.plan.side == "short" else LONG


def _newest(
    f: np.ndarray,
    last: Floats,
    last_ns: npt.NDArray[np.int64],
    source: npt.NDArray[np.uint8],
    table: Table,
) -> tuple[Floats, npt.NDArray[np.int64], Floats, Floats]:
    """Return open, its time, high and low of what came since the mark before.

    A row fed by minute bars moved by a bar, whose open is a price that could be had; any other
    row is seen at each mark, and `last` is all of it (the time of its open is -1).
    """
    first, high, low = last.copy(), last.copy(), last.copy()
    begin_ns = np.full(len(f), -1, np.int64)
    moved = (source == SOURCE_MINUTE) & (last_ns > f["seen_ns"]) & (last_ns > f["ts_ns"])
    for minute in np.unique(last_ns[moved] // MINUTE_NS - 1).tolist():
        bars = table.bars.of_minute(minute)
        mine = np.flatnonzero(moved & (last_ns // MINUTE_NS - 1 == minute))
        place = np.searchsorted(bars["row"], f["row"][mine])
        found = place < len(bars)
        found[found] = bars["row"][place[found]] == f["row"][mine[found]]
        mine, bar = mine[found], bars[place[found]]
        first[mine], high[mine], low[mine] = bar["open"], bar["high"], bar["low"]
        begin_ns[mine] = minute * MINUTE_NS
    return first, begin_ns, high, low


def outcomes(
    signals: Sequence[Signal], done: np.ndarray, dates: Sequence[str], costs: Costs
) -> list[Outcome]:
    """Return the outcome of each settled entry; `dates` are the sessions' (ISO)."""
    gross, net, extremes = returns(done, costs)
    columns = zip(
        signals, done, dates, gross.tolist(), net.tolist(), extremes.tolist(), strict=True
    )
    return [
        Outcome(
            id=signal.id, scan=signal.scan, symbol=signal.symbol, ts_ns=signal.ts_ns, session=date,
            side=int(one["side"]), entry=_known(float(one["entry"])),
            entry_ns=int(one["entry_ns"]), gross=tuple(map(_known, g)), net=tuple(map(_known, n)),
            mae_30m=_known(e[0]), mfe_30m=_known(e[1]), mae=_known(e[2]), mfe=_known(e[3]),
            quoted=bool(not np.isnan(one["entry_half"])),
            filled=bool(not one["waits"]) if one["planned"] else None,
        )
        for signal, one, date, g, n, e in columns
    ]  # fmt: skip


def _known(value: float) -> float | None:
    return None if value != value else value


def returns(done: np.ndarray, costs: Costs) -> tuple[Floats, Floats, Floats]:
    """Return gross and net returns (n, N), and mae_30m, mfe_30m, mae, mfe (n, 4), all in %."""
    side, entry = done["side"][:, None], done["entry"][:, None]
    price = done["price"]
    half_in = costs.half(entry, done["entry_half"][:, None])
    half_out = costs.half(price, done["half"])
    paid, got = entry + side * half_in, price - side * half_out
    with np.errstate(all="ignore"):
        gross = 100.0 * side * (price / entry - 1.0)
        net = 100.0 * side * (got / paid - 1.0)
        moves = [
            100.0 * side[:, 0] * (done[name] / entry[:, 0] - 1.0)
            for name in ("low_30m", "high_30m", "low_close", "high_close")
        ]
    pairs = [(np.fmin(a, b), np.fmax(a, b)) for a, b in (moves[:2], moves[2:])]
    return gross, net, np.stack([x for pair in pairs for x in pair], axis=1)
