"""Choose the instruments to follow, and give them rows."""

import datetime as dt
import re
from collections.abc import Sequence
from difflib import get_close_matches

from tapelight.errors import ConfigError
from tapelight.feeds.kite.config import EXCHANGES, MOST, KiteConfig
from tapelight.feeds.kite.rest import Instrument, Rest
from tapelight.model.records import Reference, References
from tapelight.ports import Sink

SERIES = re.compile(r"-[A-Z][A-Z0-9]$")
"""The end of a symbol of another series than the main one: -BE, -SM, -N1."""


class Listing:
    """Hold the instruments of a day: tokens change from one to the next."""

    def __init__(self, config: KiteConfig, rest: Rest) -> None:
        self.date = dt.date.min
        self.chosen: list[Instrument] = []
        self.rows: dict[int, int] = {}
        """Token to row."""
        self.detail = ""
        """What is left out, in words."""
        self._config = config
        self._rest = rest

    @property
    def tokens(self) -> list[int]:
        """Return the tokens to subscribe."""
        return list(self.rows)

    @property
    def names(self) -> list[str]:
        """Return what /quote calls the instruments."""
        return [f"{i.exchange}:{i.symbol}" for i in self.chosen]

    def token_of(self, symbol: str) -> int | None:
        """Return the token of a symbol, None for one that is not followed."""
        return next((i.token for i in self.chosen if i.symbol == symbol), None)

    async def load(self, date: dt.date, sink: Sink) -> bool:
        """Load the day's instruments unless they are there; tell whether they changed."""
        if date == self.date:
            return False
        known = await self._rest.instruments(self._config.exchange)
        self.chosen, self.detail = self._choose(known)
        sink.put(References(date.isoformat(), [self._reference(i) for i in self.chosen]))
        self.rows = {i.token: sink.universe.add(i.symbol) for i in self.chosen}
        self.date = date
        return True

    def _choose(self, known: Sequence[Instrument]) -> tuple[list[Instrument], str]:
        """Return the instruments to follow, and in words what is left out."""
        by_symbol = {i.symbol: i for i in known}
        canary = [by_symbol[s] for s in [self._config.canary] if s in by_symbol]
        if self._config.symbols is not None:
            wanted = dict.fromkeys(self._config.symbols)
            return [*canary, *(self._named(by_symbol, s) for s in wanted if s not in
                               {i.symbol for i in canary})], ""  # fmt: skip
        main = [i for i in known if self._is_main(i)]
        left = max(len(main) + len(canary) - MOST, 0)
        words = f"{left} of {len(main)} shares are left out: {MOST:,} a connection" if left else ""
        return [*canary, *main[: len(main) - left]], words

    def _is_main(self, instrument: Instrument) -> bool:
        return (
            instrument.segment == self._config.exchange
            and instrument.kind == "EQ"
            and bool(instrument.name)
            and not SERIES.search(instrument.symbol)
        )

    def _named(self, by_symbol: dict[str, Instrument], symbol: str) -> Instrument:
        if symbol in by_symbol:
            return by_symbol[symbol]
        near = get_close_matches(symbol, by_symbol, 1)
        hint = f"did you mean {near[0]!r}?" if near else "write it as in Kite's market watch."
        raise ConfigError(f"feed.kite.symbols: {self._config.exchange} has no {symbol!r}: {hint}")

    def _reference(self, instrument: Instrument) -> Reference:
        return Reference(
            symbol=instrument.symbol,
            name=instrument.name or instrument.symbol,
            exchange=EXCHANGES[self._config.exchange],
            type="INDEX" if instrument.segment == "INDICES" else "CS",
        )
