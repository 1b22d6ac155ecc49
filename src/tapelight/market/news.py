"""News: the articles of the last day, and what each row knows of them."""

from collections import deque
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from tapelight.market.text import Words
from tapelight.model.records import Article, News
from tapelight.model.session import NS
from tapelight.model.universe import Universe

DAY_NS = 24 * 3600 * NS
KEPT_NS = 5 * DAY_NS
"""Since the close before a long weekend."""
MAX_ARTICLES = 50_000
Int64s = npt.NDArray[np.int64]
Rows = npt.NDArray[np.intp]


class NewsStore:
    """Keep the articles of the last days by the time at which they were published.

    An article that comes again (same id) changes nothing. Whether anybody brings news at all is
    known: without a source the columns are null, not "no news".
    """

    def __init__(self) -> None:
        self.sourced = False
        """Whether a source of news has spoken, and is not gone."""
        self._articles: deque[Article] = deque(maxlen=MAX_ARTICLES)
        self._ids: set[str] = set()
        self._named: tuple[int, Rows, Int64s] | None = None
        self._newest: tuple[int, Words, Words] | None = None

    def take(self, news: News) -> None:
        """Add what is new; raises nothing for symbols that have no row."""
        self.sourced = not news.gone
        for article in news.articles:
            if article.id not in self._ids:
                if len(self._articles) == MAX_ARTICLES:
                    self._ids.discard(self._articles[0].id)
                self._articles.append(article)
                self._ids.add(article.id)
        self._forget(news.ts_ns - KEPT_NS)
        self._named = self._newest = None

    def _forget(self, before_ns: int) -> None:
        while self._articles and self._articles[0].published_ns < before_ns:
            self._ids.discard(self._articles.popleft().id)

    def counts(self, universe: Universe, since_ns: int) -> npt.NDArray[np.float64]:
        """Return for each row how many articles were published at or after `since_ns`; NaN unsourced."""
        if not self.sourced:
            return np.full(len(universe), np.nan)
        rows, times = self._flat(universe)
        return np.bincount(rows[times >= since_ns], minlength=len(universe)).astype(np.float64)

    def latest_ns(self, universe: Universe) -> Int64s:
        """Return for each row the time of its newest article; 0 without one, and unsourced."""
        latest = np.zeros(len(universe), np.int64)
        if not self.sourced:
            return latest
        rows, times = self._flat(universe)
        np.maximum.at(latest, rows, times)
        return latest

    def newest(self, universe: Universe) -> tuple[Words, Words]:
        """Return for each row the newest article's headline and its tags."""
        if self._newest is None or self._newest[0] != len(universe):
            self._newest = (len(universe), *self._read(universe))
        return self._newest[1:]

    def _read(self, universe: Universe) -> tuple[Words, Words]:
        headlines, tags = Words(len(universe)), Words(len(universe))
        for article in sorted(self._articles, key=lambda a: (a.published_ns, a.id)):
            for symbol in article.symbols:
                row = universe.rows.get(symbol)
                if row is not None:
                    headlines.set(row, article.headline)
                    tags.set(row, ", ".join(article.tags) or None)
        return headlines, tags

    def of_symbol(self, symbol: str) -> list[Article]:
        """Return a symbol's articles, newest first."""
        own = [a for a in self._articles if symbol in a.symbols]
        return sorted(own, key=lambda a: (a.published_ns, a.id), reverse=True)

    def _flat(self, universe: Universe) -> tuple[Rows, Int64s]:
        """Return (row, time) of each naming of a symbol that has a row."""
        if self._named is None or self._named[0] != len(universe):
            self._named = (len(universe), *self._look_up(universe))
        return self._named[1:]

    def _look_up(self, universe: Universe) -> tuple[Rows, Int64s]:
        pairs = [
            (universe.rows[symbol], article.published_ns)
            for article in self._articles
            for symbol in article.symbols
            if symbol in universe.rows
        ]
        flat = np.array(pairs, np.int64).reshape(-1, 2)
        return flat[:, 0].astype(np.intp), flat[:, 1]

    # What a snapshot holds

    def freeze(self) -> dict[str, Any]:
        """Return the articles as bytes."""
        return {"articles": msgspec.msgpack.encode((self.sourced, list(self._articles)))}

    def thaw(self, state: dict[str, Any]) -> None:
        """Take back what `freeze` gave."""
        sourced, articles = msgspec.msgpack.decode(
            bytes(state["articles"]), type=tuple[bool, list[Article]]
        )
        self.sourced = sourced
        self._articles = deque(articles, maxlen=MAX_ARTICLES)
        self._ids = {a.id for a in self._articles}
        self._named = self._newest = None

    def clear(self) -> None:
        """Go on over the session's end: last night's news is what a morning is about."""
