"""Symbol <-> row. A row number, once given, stays for the life of a journal."""


class Universe:
    """Give each watched symbol its row in the table, in order of first sight."""

    def __init__(self, symbols: list[str] | None = None) -> None:
        self.symbols: list[str] = []
        self.rows: dict[str, int] = {}
        self._words: tuple[str, ...] = ()
        for symbol in symbols or []:
            self.add(symbol)

    def __len__(self) -> int:
        return len(self.symbols)

    def words(self) -> tuple[str, ...]:
        """Return the symbols by row; the same tuple until there is a new one."""
        if len(self._words) < len(self.symbols):
            self._words = tuple(self.symbols)
        return self._words

    def add(self, symbol: str) -> int:
        """Return the row of `symbol`, giving it the next one if it is new."""
        row = self.rows.get(symbol)
        if row is None:
            row = self.rows[symbol] = len(self.symbols)
            self.symbols.append(symbol)
        return row
