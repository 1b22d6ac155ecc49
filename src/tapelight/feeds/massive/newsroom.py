"""Follow the provider's news: articles since the previous close, then what is new."""

import asyncio
import datetime as dt
from collections.abc import Sequence

from tapelight.errors import ConfigError, Rejected, Unavailable
from tapelight.feeds._rest import NotServed
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
MOST_FAILED = 3
"""After so many failures in a row the counts are unknown, until the source answers again."""


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
        told, failed = False, 0
        while True:
            try:
                items = await self._library.news(_utc(self._since_ns))
            except (NotServed, ConfigError) as error:
                self._library.missing.append(f"news: {error}")
                if told:
                    self._put_gone()
                return
            except (Unavailable, Rejected) as error:
                self._sink.reject("news", str(error))
                failed += 1
                if failed == MOST_FAILED:
                    self._put_gone()
                    told = False
            else:
                self._put(items, always=not told)
                told, failed = True, 0
            await asyncio.sleep(self._every_s)

    def _put(self, items: Sequence[NewsItem], always: bool) -> None:
        """Put what is new; the first time also nothing, which says that there is a source."""
        fresh = [a for item in items if (a := self._article(item)) is not None]
        if fresh or always:
            self._sink.put(News(self._sink.clock.now_ns(), tuple(fresh)))
        if fresh:
            self._since_ns = max(a.published_ns for a in fresh) - OVERLAP_NS
        self._known = {i: t for i, t in self._known.items() if t >= self._since_ns}

    def _put_gone(self) -> None:
        """Say that there is no source any more: what it would have brought is unknown."""
        self._sink.put(News(self._sink.clock.now_ns(), gone=True))

    def _article(self, item: NewsItem) -> Article | None:
        """Return the article, None when it is known already or cannot be read."""
        if item.id in self._known:
            return None
        now_ns = self._sink.clock.now_ns()
        try:
            published_ns = _ns(item.published_utc, now_ns)
        except (ValueError, OverflowError):
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


def _ns(text: str, now_ns: int) -> int:
    """Return ns UTC of 2024-06-24T18:33:53Z; raises ValueError, also without an offset.

    A time ahead of ours by more than clocks differ is none; one a little ahead is now.
    """
    when = dt.datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError("no offset")
    ts_ns = int(when.timestamp()) * NS
    if not 0 < ts_ns <= now_ns + OVERLAP_NS:
        raise ValueError("ahead of now, or before 1970")
    return min(ts_ns, now_ns)


def _utc(ts_ns: int) -> str:
    """Return a time as the service writes it."""
    return dt.datetime.fromtimestamp(ts_ns // NS, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
