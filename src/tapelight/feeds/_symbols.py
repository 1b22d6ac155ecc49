"""Which symbols of the provider get a row."""

import re

from tapelight.model.universe import Universe

DROPPED = -1
"""The row of an exchange's test symbol, and of a text that is no symbol: it has none."""
MAX_SYMBOLS = 100_000
_TEST = re.compile(
    r"(Z[A-Z]ZZ[TC]|[ACMNPZ]TEST([.\-p].*)?|ZTST|ZEXIT|ZIEXT|ZXIET|ZBZX|CBO|CBX|CBOX)$"
)
_SYMBOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:/\-+=^$#*]{0,31}$")


def is_test(symbol: str) -> bool:
    """Tell whether `symbol` belongs to the families that exchanges use for tests."""
    return _TEST.match(symbol) is not None


def is_symbol(text: str) -> bool:
    """Tell whether `text` can be a ticker: up to 32 plain characters."""
    return _SYMBOL.match(text) is not None


class Rows(dict[str, int]):
    """Map a symbol to its row, giving new ones a row; those without one are counted apart.

    A dict, so that a known symbol costs one look-up; `DROPPED` is never stored, so that bad
    texts cannot fill the memory.
    """

    def __init__(self, universe: Universe, most: int = MAX_SYMBOLS) -> None:
        super().__init__()
        self._universe = universe
        self._most = most
        self.dropped = 0
        """Look-ups so far that gave no row."""
        self.tests = 0
        """Events of test symbols so far."""
        self.bad: list[str] = []
        """Texts that are no symbols, one an event; whoever counts them clears the list."""

    def __missing__(self, symbol: str) -> int:
        row = self.of(symbol)
        if row == DROPPED:
            self.dropped += 1
            if is_test(symbol):
                self.tests += 1
            else:
                self.bad.append(ascii(symbol[:64]))
        return row

    def of(self, symbol: str) -> int:
        """Return the row of a symbol that no event names, or `DROPPED`: nothing is counted."""
        row = self.get(symbol)
        if row is not None:
            return row
        full = len(self._universe) >= self._most and symbol not in self._universe.rows
        if not is_symbol(symbol) or is_test(symbol) or full:
            return DROPPED
        row = self[symbol] = self._universe.add(symbol)
        return row
