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
PROVIDER = ""
"""The source that brings all news, not filings alone."""
Int64s = npt.NDArray[np.int64]
Rows = npt.NDArray[np.intp]


class NewsStore:
    """Keep the articles of the last days by the time at which they were published.

    An article that comes again (same id) changes nothing. Whether anybody brings news at all is
    known: without a source the columns are null, not "no news".
    """

    def __init__(self) -> None:
        self._sources: set[str] = set()
        """Who has spoken, and is not gone."""
        self._articles: deque[Article] = deque(maxlen=MAX_ARTICLES)
        self._ids: set[str] = set()
        self._named: tuple[int, Rows, Int64s] | None = None
        self._newest: tuple[int, Words, Words, Words] | None = None
        self._filed: dict[str, Int64s] = {}
        """Times of the newest filings, by tag."""

    @property
    def sourced(self) -> bool:
        """Tell whether a source of news, or of filings, has spoken and is not gone."""
        return bool(self._sources)

    def take(self, news: News) -> None:
        """Add what is new; raises nothing for symbols that have no row."""
        if news.gone:
            self._sources.discard(news.source)
        else:
            self._sources.add(news.source)
        for article in news.articles:
            if article.id not in self._ids:
                if len(self._articles) == MAX_ARTICLES:
                    self._ids.discard(self._articles[0].id)
                self._articles.append(article)
                self._ids.add(article.id)
        self._forget(news.ts_ns - KEPT_NS)
        self._named = self._newest = None
        self._filed = {}

    def _forget(self, before_ns: int) -> None:
        while self._articles and self._articles[0].published_ns < before_ns:
            self._ids.discard(self._articles.popleft().id)

    def counts(self, universe: Universe, since_ns: int) -> npt.NDArray[np.float64]:
        """Return for each row how many articles were published at or after `since_ns`; NaN unsourced.

        A source of filings alone knows of no other news: a row without a filing is then unknown.
        """
        if not self.sourced:
            return np.full(len(universe), np.nan)
        rows, times = self._flat(universe)
        count = np.bincount(rows[times >= since_ns], minlength=len(universe)).astype(np.float64)
        if PROVIDER not in self._sources:
            count[count == 0.0] = np.nan
        return count

    def latest_ns(self, universe: Universe) -> Int64s:
        """Return for each row the time of its newest article; 0 without one, and unsourced."""
        latest = np.zeros(len(universe), np.int64)
        if not self.sourced:
            return latest
        rows, times = self._flat(universe)
        np.maximum.at(latest, rows, times)
        return latest

    def latest_filing_ns(self, universe: Universe, tag: str = "") -> Int64s:
        """Return for each row the time of its newest filing, of those with `tag`; 0 without one."""
        found = self._filed.get(tag)
        if found is None or len(found) != len(universe):
            found = self._filed[tag] = self._look_for_filings(universe, tag)
        return found

    def _look_for_filings(self, universe: Universe, tag: str) -> Int64s:
        latest = np.zeros(len(universe), np.int64)
        filings = [a for a in self._articles if a.form and (not tag or tag in a.tags)]
        for filing in filings:
            rows = [universe.rows[symbol] for symbol in filing.symbols if symbol in universe.rows]
            latest[rows] = np.maximum(latest[rows], filing.published_ns)
        return latest

    def newest(self, universe: Universe) -> tuple[Words, Words, Words]:
        """Return for each row the newest article's headline and tags, and the newest filing's form."""
        if self._newest is None or self._newest[0] != len(universe):
            self._newest = (len(universe), *self._read(universe))
        return self._newest[1:]

    def _read(self, universe: Universe) -> tuple[Words, Words, Words]:
        headlines, tags, forms = (Words(len(universe)) for _ in range(3))
        for article in sorted(self._articles, key=lambda a: (a.published_ns, a.id)):
            for symbol in article.symbols:
                row = universe.rows.get(symbol)
                if row is not None:
                    headlines.set(row, article.headline)
                    tags.set(row, ", ".join(article.tags) or None)
                    if article.form:
                        forms.set(row, article.form)
        return headlines, tags, forms

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
        return {"articles": msgspec.msgpack.encode((sorted(self._sources), list(self._articles)))}

    def thaw(self, state: dict[str, Any]) -> None:
        """Take back what `freeze` gave."""
        sources, articles = msgspec.msgpack.decode(
            bytes(state["articles"]), type=tuple[list[str], list[Article]]
        )
        self._sources = set(sources)
        self._articles = deque(articles, maxlen=MAX_ARTICLES)
        self._ids = {a.id for a in self._articles}
        self._named = self._newest = None
        self._filed = {}

    def clear(self) -> None:
        """Go on over the session's end: last night's news is what a morning is about."""
