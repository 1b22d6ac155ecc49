"""Follow the provider's news: articles since the previous close, then what is new."""

import asyncio
import datetime as dt
from collections.abc import Sequence

from tapelight.errors import ConfigError, Rejected, Unavailable
from tapelight.feeds.massive.library import Library
from tapelight.feeds.massive.payloads import NewsItem
from tapelight.model.headline import plain, tags_of
from tapelight.model.records import Article, News
from tapelight.model.session import NS, Calendar, latest_session, session_before
from tapelight.ports import Sink

MAX_SYMBOLS = 12
"""An article that names more is about the market, not about them."""
OVERLAP_NS = 120 * NS
"""Articles may appear a little out of the order of their times: asked for again, once known."""


class Newsroom:
    """Ask for news again and again, and put what is new as records."""

    def __init__(self, library: Library, sink: Sink, calendar: Calendar, every_s: float) -> None:
        self._library = library
        self._sink = sink
        self._calendar = calendar
        self._every_s = every_s
        self._known: dict[str, int] = {}
        self._since_ns = 0

    async def keep(self, begin: asyncio.Event) -> None:
        """Once told to `begin`, ask every `every_s` seconds; ends where the plan has no news."""
        if self._every_s <= 0:
            return
        await begin.wait()
        self._since_ns = self._previous_close_ns()
        told = False
        while True:
            try:
                items = await self._library.news(_utc(self._since_ns))
            except Unavailable as error:
                self._sink.reject("news", str(error))
            except (Rejected, ConfigError) as error:
                self._library.missing.append(f"news: {error}")
                return
            else:
                self._put(items, always=not told)
                told = True
            await asyncio.sleep(self._every_s)

    def _put(self, items: Sequence[NewsItem], always: bool) -> None:
        """Put what is new; the first time also nothing, which says that there is a source."""
        fresh = [a for item in items if (a := self._article(item)) is not None]
        if fresh or always:
            self._sink.put(News(self._sink.clock.now_ns(), tuple(fresh)))
        if fresh:
            self._since_ns = max(a.published_ns for a in fresh) - OVERLAP_NS
        self._known = {i: t for i, t in self._known.items() if t >= self._since_ns}

    def _article(self, item: NewsItem) -> Article | None:
        """Return the article, None when it is known already or cannot be read."""
        if item.id in self._known:
            return None
        try:
            published_ns = _ns(item.published_utc)
        except ValueError:
            self._sink.reject("news", f"{item.id}: published_utc {item.published_utc!r}")
            return None
        self._known[item.id] = published_ns
        symbols = tuple(sorted(set(item.tickers)))
        headline = plain(item.title)
        return Article(
            id=item.id,
            published_ns=published_ns,
            headline=headline,
            symbols=symbols if len(symbols) <= MAX_SYMBOLS else (),
            source=plain(item.publisher.name) if item.publisher else "",
            tags=tags_of(headline),
        )

    def _previous_close_ns(self) -> int:
        session = latest_session(self._calendar, self._sink.clock.now_ns())
        return session_before(self._calendar, session).close_ns


def _ns(text: str) -> int:
    """Return ns UTC of 2024-06-24T18:33:53Z; raises ValueError."""
    return int(dt.datetime.fromisoformat(text).timestamp()) * NS


def _utc(ts_ns: int) -> str:
    """Return a time as the service writes it."""
    return dt.datetime.fromtimestamp(ts_ns // NS, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
