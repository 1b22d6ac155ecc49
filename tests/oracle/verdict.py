"""Hold what the scanner said against what the oracle reckons, second by second."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from oracle.boards import BOARDS, MOST, Bools, Membership
from oracle.market import (
    MINUTE_NS,
    Columns,
    Hours,
    Ledger,
    Reference,
    states,
    unsure_dollars,
)

NS = 1_000_000_000
EXACT = ("vol", "pm_vol")
CLOSE = ("last", "chg_pct", "gap_pct", "dollar_vol", "float_shares", "float_rot", "spread_pct")
RELATIVE = 1e-9
Answers = Mapping[str, Mapping[int, Any]]
"""Board -> second (ns) -> the answer."""
Taken = tuple[int, int]
"""Prints and quotes that the scanner had seen."""


@dataclass(frozen=True, slots=True)
class Second:
    """What is known of one whole second from outside: how much was seen, was all of it stale."""

    ts_ns: int
    taken: Taken
    stale: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """One disagreement."""

    ts_ns: int
    board: str
    what: str
    scanner: object
    oracle: object

    def __str__(self) -> str:
        """Say it in one line, with the time of day in UTC."""
        clock = dt.datetime.fromtimestamp(self.ts_ns // NS, dt.UTC).time()
        return f"{clock} {self.board} {self.what}: {self.scanner}, by the oracle {self.oracle}"


def heard(answers: Answers) -> dict[int, Second]:
    """Return the seconds for which at least one board was heard."""
    found: dict[int, Second] = {}
    for seconds in answers.values():
        for ts, answer in seconds.items():
            taken = answer["taken"]
            if "trades" not in taken:
                continue
            seen = (taken["trades"], taken["quotes"] + taken["superseded"])
            stale = any(row["stale"] for row in answer["rows"])
            earlier = found.get(ts)
            found[ts] = Second(ts, seen, stale or (earlier is not None and earlier.stale))
    return dict(sorted(found.items()))


def timeline(known: Mapping[int, Second], begin_ns: int, *, late: bool) -> list[Second]:
    """Return every second from `begin_ns`; one that was missed is like a neighbour.

    What the scanner had seen then lies between the neighbours': the one before it, or if
    `late` the one after it.
    """
    stamps = np.array(sorted(known))
    seconds = []
    for ts in range(begin_ns, int(stamps[-1]) + 1, NS):
        at = int(np.searchsorted(stamps, ts, "left" if late else "right"))
        nearest = int(stamps[at if late else at - 1])
        seconds.append(Second(ts, known[nearest].taken, known[nearest].stale))
    return seconds


def beginnings(answers: Answers) -> tuple[int, int]:
    """Return the earliest and the latest second at which the table can have been filled.

    A row that is true then is on the board at the next whole second.
    """
    everything = answers["top_volume"]
    first = min(ts for ts, answer in everything.items() if answer["rows"])
    empty = [ts for ts in everything if ts < first]
    return max(empty, default=first - NS), first - NS


class Trial:
    """Reckon every second twice, early and late where one was missed, and compare."""

    def __init__(self, answers: Answers, complete_ns: int, hours: Hours) -> None:
        self.differences: list[Difference] = []
        self.compared: dict[str, list[int]] = {name: [] for name in answers}
        self.in_doubt = 0
        self._answers = answers
        self._hours = hours
        self._known_ns = _known_since(answers["most_active"], complete_ns)
        self._complete_ns = complete_ns

    def run(self, ledger: Ledger, references: Mapping[str, Reference]) -> None:
        """Compare all boards at all seconds that were heard."""
        known = heard(self._answers)
        earliest, latest = beginnings(self._answers)
        until_ns = (latest // MINUTE_NS + 2) * MINUTE_NS
        unsure = unsure_dollars(ledger, self._hours, until_ns)
        early_s = timeline(known, latest, late=False)
        late_s = timeline(known, earliest, late=True)
        early = self._columns(ledger, references, early_s, unsure)
        late = early
        if late_s != early_s:
            late = self._columns(ledger, references, late_s, unsure)
        ours, others = self._members(early_s, early), self._members(late_s, late)
        for ts in sorted(known.keys() & ours.keys() & others.keys()):
            for name in self._answers:
                if ts in self._answers[name]:
                    doubt = set(ours[ts][name]) ^ set(others[ts][name])
                    self._compare(ts, name, early[ts], ours[ts][name], doubt)
        self.differences.sort(key=lambda d: (d.ts_ns, d.board))

    def _columns(
        self,
        ledger: Ledger,
        references: Mapping[str, Reference],
        seconds: Sequence[Second],
        unsure: Mapping[str, float],
    ) -> dict[int, Columns]:
        """Return the columns by second, the dollars corrected for what bars cannot tell."""
        reckoned = states(ledger, references, self._hours, [s.taken for s in seconds])
        found = {s.ts_ns: c for s, c in zip(seconds, reckoned, strict=True)}
        corrections = self._corrections(found, unsure)
        for columns in found.values():
            columns.correct_dollars(corrections)
        return found

    def _corrections(
        self, found: Mapping[int, Columns], unsure: Mapping[str, float]
    ) -> dict[str, float]:
        """Return what the scanner's dollars are off by when first shown, where that may be."""
        corrections: dict[str, float] = {}
        for ts, answer in sorted(self._answers["most_active"].items()):
            fresh = [row for row in answer["rows"] if row["symbol"] not in corrections]
            if ts not in found or not fresh:
                continue
            mine = dict(zip(found[ts].symbols.tolist(), found[ts].dollar_vol.tolist(), strict=True))
            for row in fresh:
                symbol = row["symbol"]
                off = row["dollar_vol"] - mine[symbol]
                allowed = abs(off) <= unsure.get(symbol, 0.0)
                corrections[symbol] = off if allowed else 0.0
        return corrections

    def _members(
        self, seconds: Sequence[Second], found: Mapping[int, Columns]
    ) -> dict[int, dict[str, list[str]]]:
        """Return the members of each board in rank order, by second."""
        boards = {name: Membership(BOARDS[name]) for name in self._answers}
        members = {}
        for second in seconds:
            columns = found[second.ts_ns]
            for name, board in boards.items():
                allowed = self._allowed(name, columns, second)
                board.step(columns, second.ts_ns, self._hours.open_ns, allowed)
            members[second.ts_ns] = {n: board.order(columns) for n, board in boards.items()}
        return members

    def _allowed(self, board: str, columns: Columns, second: Second) -> Bools:
        """Mask out what the scanner cannot know: all while stale, dollars before their history."""
        allowed = np.full(len(columns.symbols), not second.stale)
        if board == "most_active":
            since = [self._known_ns.get(s, self._complete_ns) for s in columns.symbols]
            allowed &= np.array(since) <= second.ts_ns
        return allowed

    def _compare(
        self, ts: int, board: str, columns: Columns, members: Sequence[str], doubt: set[str]
    ) -> None:
        rows = self._answers[board][ts]["rows"]
        said = [row["symbol"] for row in rows if row["symbol"] not in doubt]
        mine = [symbol for symbol in members if symbol not in doubt]
        mine = mine[: len(said) if doubt and len(rows) == MOST else MOST]
        self.compared[board].append(ts)
        self.in_doubt += len(doubt)
        if said != mine:
            self.differences.append(Difference(ts, board, "order", said, mine))
        at = {symbol: i for i, symbol in enumerate(columns.symbols.tolist())}
        for row in rows:
            self._compare_values(ts, board, row, columns, at[row["symbol"]])

    def _compare_values(
        self, ts: int, board: str, row: Mapping[str, Any], columns: Columns, at: int
    ) -> None:
        for name in (*EXACT, *CLOSE):
            if name not in row:
                continue
            said, mine = row[name], float(getattr(columns, name)[at])
            if not agree(said, mine, exactly=name in EXACT):
                what = f"{row['symbol']} {name}"
                self.differences.append(Difference(ts, board, what, said, mine))


def agree(said: float | None, mine: float, *, exactly: bool) -> bool:
    """Compare one value; null agrees with an unknown one alone."""
    if said is None or mine != mine:
        return said is None and mine != mine
    return said == mine if exactly else abs(said - mine) <= RELATIVE * abs(mine)


def _known_since(most_active: Mapping[int, Any], complete_ns: int) -> dict[str, int]:
    """Return since when each symbol's dollars were known, as far as the board shows it.

    Dollars need the minute bars from before the start, which the feed fetches symbol by symbol;
    the board shows a row one second after its history came, and at `complete_ns` all have come.
    """
    since: dict[str, int] = {}
    for ts, answer in sorted(most_active.items()):
        for row in answer["rows"]:
            since.setdefault(row["symbol"], min(ts - NS, complete_ns))
    return since
