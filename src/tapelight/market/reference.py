"""What is known of each symbol before its session, as columns."""

import msgspec
import numpy as np
import numpy.typing as npt

from tapelight.market.text import Words
from tapelight.model.records import Reference

NUMBERS = (
    "prev_close prev_high prev_low prev_volume prev_chg_pct adv20 adv_sessions atr14 hv20 "
    "w52_high w52_low shares_out float_shares short_interest sma50d sma200d split_today "
    "beta_spy corr_spy_20d corr_sector_20d runner_days_1y best_day_1y_pct"
).split()
ROLLED = (
    "prev_close prev_high prev_low prev_volume prev_chg_pct w52_high w52_low split_today"
).split()
"""What the end of a session changes."""
TEXTS = "name exchange type sector industry float_asof float_src ipo_date".split()


class ReferenceTable:
    """Keep the reference figures of every row; NaN and null are unknown."""

    def __init__(self, n: int) -> None:
        self.numbers: dict[str, npt.NDArray[np.float64]] = {
            name: np.full(n, np.nan) for name in NUMBERS
        }
        self.texts = {name: Words(n) for name in TEXTS}
        self.by_symbol: dict[str, Reference] = {}

    def resize(self, n: int) -> None:
        """Make room for `n` rows."""
        for name, old in self.numbers.items():
            self.numbers[name] = np.concatenate([old, np.full(n - len(old), np.nan)])
        for words in self.texts.values():
            words.resize(n)

    def set(self, row: int, reference: Reference) -> None:
        """Let `row` hold `reference`; what it leaves unknown keeps its earlier figure."""
        known = self.by_symbol.get(reference.symbol)
        merged = merge(known, reference) if known else reference
        self.by_symbol[reference.symbol] = merged
        for name, column in self.numbers.items():
            value = getattr(merged, name)
            column[row] = np.nan if value is None else value
        for name, words in self.texts.items():
            words.set(row, getattr(merged, name))

    def roll(self, symbols: list[str], rows: np.ndarray, close: npt.NDArray[np.float64]) -> None:
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
        self._remember(symbols)

    def _remember(self, symbols: list[str]) -> None:
        """Let the references by symbol say what the columns say: later ones are merged into them."""
        columns = {name: self.numbers[name].tolist() for name in ROLLED}
        for row, symbol in enumerate(symbols):
            reference = self.by_symbol.get(symbol) or Reference(symbol=symbol)
            figures = {name: column[row] for name, column in columns.items()}
            known = {name: None if v != v else v for name, v in figures.items()}
            self.by_symbol[symbol] = msgspec.structs.replace(reference, **known)


def merge(old: Reference, new: Reference) -> Reference:
    """Return `new` with what it leaves unknown taken from `old`."""
    gaps = {
        name: getattr(old, name)
        for name in Reference.__struct_fields__
        if getattr(new, name) in (None, 0)
    }
    return msgspec.structs.replace(new, **gaps)
