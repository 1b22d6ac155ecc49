"""What is known of each symbol before its session, as columns; what holds from the next one on."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tapelight.market.text import Codes, Words
from tapelight.model.records import Reference

NUMBERS = (
    "prev_close prev_high prev_low prev_volume prev_chg_pct adv20 adv_sessions atr14 hv20 "
    "w52_high w52_low shares_out float_shares short_interest sma50d sma200d split_today "
    "beta_spy corr_spy_20d corr_sector_20d runner_days_1y best_day_1y_pct exchange_id"
).split()
UNKNOWN_AS_ZERO = frozenset({"adv_sessions", "exchange_id"})
TEXTS = "name exchange type sector industry float_asof float_src ipo_date".split()
Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]


class Coming:
    """Hold what was told for one session, beside what holds now; NaN and -1: nothing was."""

    def __init__(self, n: int) -> None:
        self.numbers: dict[str, Floats] = {name: np.full(n, np.nan) for name in NUMBERS}
        self.codes: dict[str, Codes] = {name: np.full(n, -1, np.int32) for name in TEXTS}

    def resize(self, n: int) -> None:
        """Make room for `n` rows."""
        for name, old in self.numbers.items():
            self.numbers[name] = _longer(old, n, np.nan)
        for name, codes in self.codes.items():
            self.codes[name] = _longer(codes, n, -1)

    def put(self, rows: Rows, references: Sequence[Reference], texts: dict[str, Words]) -> None:
        """Take references; what one leaves unknown keeps what an earlier one told."""
        for name, column in self.numbers.items():
            values = np.array([getattr(r, name) for r in references], np.float64)
            if name in UNKNOWN_AS_ZERO:
                values[values == 0.0] = np.nan
            known = ~np.isnan(values)
            column[rows[known]] = values[known]
        for name, codes in self.codes.items():
            found = texts[name].codes_of([getattr(r, name) for r in references])
            codes[rows[found >= 0]] = found[found >= 0]


class ReferenceTable:
    """Keep the reference figures of every row; NaN and null are unknown.

    What is told for a later session is built beside, and takes its place in one step when the
    session begins: a few dozen array operations, however many symbols there are.
    """

    def __init__(self, n: int) -> None:
        self.numbers: dict[str, Floats] = {name: np.full(n, np.nan) for name in NUMBERS}
        self.texts = {name: Words(n) for name in TEXTS}
        self.coming: dict[str, Coming] = {}
        """By the session's date (ISO)."""
        self._n = n

    def resize(self, n: int) -> None:
        """Make room for `n` rows."""
        self._n = n
        for name, old in self.numbers.items():
            self.numbers[name] = _longer(old, n, np.nan)
        for words in self.texts.values():
            words.resize(n)
        for coming in self.coming.values():
            coming.resize(n)

    def put(self, session: str, rows: Rows, references: Sequence[Reference]) -> None:
        """Take references that hold from a session on."""
        coming = self.coming.get(session)
        if coming is None:
            coming = self.coming[session] = Coming(self._n)
        coming.put(rows, references, self.texts)

    def enter(self, date: str) -> list[Coming]:
        """Let what was told for sessions up to `date` hold; return it, oldest first.

        What it leaves unknown keeps its earlier figure.
        """
        due = [self.coming.pop(session) for session in sorted(self.coming) if session <= date]
        for coming in due:
            for name, fresh in coming.numbers.items():
                self.numbers[name] = np.where(np.isnan(fresh), self.numbers[name], fresh)
            for name, codes in coming.codes.items():
                words = self.texts[name]
                words.codes = np.where(codes < 0, words.codes, codes)
        return due

    def roll(self, rows: np.ndarray, close: Floats) -> None:
        """Let the ended session's figures be the previous ones, where it had any.

        `rows` are the table's rows before they roll, `close` their regular closes.
        """
        with np.errstate(all="ignore"):
            change = 100.0 * (close / rows["prev_close"] - 1.0)
        regular, traded = rows["vol_rth"] != 0.0, rows["vol"] > 0.0
        for name, value, mask in (
            ("prev_high", rows["high"], regular),
            ("prev_low", rows["low"], regular),
            ("prev_close", close, regular),
            ("prev_chg_pct", change, regular),
            ("prev_volume", rows["vol"], traded),
        ):
            column = self.numbers[name][: len(rows)]
            column[mask] = value[mask]
        for name, value, pick in (("w52_high", "high", np.fmax), ("w52_low", "low", np.fmin)):
            column = self.numbers[name][: len(rows)]
            column[:] = np.where(np.isnan(column), np.nan, pick(column, rows[value]))
        self.numbers["split_today"][: len(rows)] = np.nan

    def freeze(self, n: int) -> dict[str, Any]:
        """Return what the first `n` rows hold, and what comes, as arrays by name."""
        state: dict[str, Any] = {
            "numbers": np.stack([column[:n] for column in self.numbers.values()]),
            "codes": np.stack([words.codes[:n] for words in self.texts.values()]),
        }
        for session, coming in self.coming.items():
            state[f"{session}.numbers"] = np.stack([c[:n] for c in coming.numbers.values()])
            state[f"{session}.codes"] = np.stack([c[:n] for c in coming.codes.values()])
        return state

    def words(self) -> dict[str, list[str]]:
        """Return the words of each text column, by their codes."""
        return {name: words.words() for name, words in self.texts.items()}

    def thaw(self, state: dict[str, Any], words: dict[str, list[str]]) -> None:
        """Take back what `freeze` and `words` gave."""
        for name, known in words.items():
            self.texts[name].know(known)
        _fill(self.numbers.values(), state["numbers"])
        _fill((words.codes for words in self.texts.values()), state["codes"])
        for key in (key for key in state if key.endswith(".numbers")):
            session = key.removesuffix(".numbers")
            coming = self.coming[session] = Coming(self._n)
            _fill(coming.numbers.values(), state[key])
            _fill(coming.codes.values(), state[f"{session}.codes"])


def _fill(columns: Any, figures: np.ndarray) -> None:
    for column, values in zip(columns, figures, strict=True):
        column[: len(values)] = values


def _longer(old: Any, n: int, unknown: float) -> Any:
    return np.concatenate([old, np.full(n - len(old), unknown, old.dtype)])
