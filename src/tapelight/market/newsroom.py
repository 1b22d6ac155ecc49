"""The news of the rows that are looked at, as the columns read them."""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tapelight.market.column import Column
from tapelight.market.table import Table
from tapelight.market.text import Text
from tapelight.model.session import NS, Session, session_before
from tapelight.model.universe import Universe


class Time(Protocol):
    """What a view's moment tells."""

    @property
    def now_ns(self) -> int: ...

    @property
    def session(self) -> Session | None: ...


class Looking(Protocol):
    """A view, as far as news are concerned."""

    table: Table

    @property
    def moment(self) -> Time: ...

    def pick(self, values: Any) -> Any: ...

    def pick_text(self, whole: Text) -> Text: ...

    def __len__(self) -> int: ...


class Newsroom:
    """Read the news of the rows: null where no source of news has spoken."""

    def __init__(self, view: Looking) -> None:
        self._view = view
        self._store = view.table.news

    def age_min(self) -> Column:
        """Return the minutes since the newest article; null without one."""
        return self._minutes_since(self._store.latest_ns(self._universe()))

    def _minutes_since(self, times: npt.NDArray[np.int64]) -> Column:
        latest: npt.NDArray[np.int64] = self._view.pick(times)
        age = np.maximum(self._view.moment.now_ns - latest, 0) / NS / 60
        return np.where(latest > 0, age, np.nan)

    def since(self, since_ns: int) -> Column:
        """Return the number of articles since a time."""
        picked: Column = self._view.pick(self._store.counts(self._universe(), since_ns))
        return picked

    def since_close(self) -> Column:
        """Return the number of articles since the previous session's regular close."""
        session = self._view.moment.session
        if session is None:
            return np.full(len(self._view), np.nan)
        return self.since(session_before(self._view.table.calendar, session).close_ns)

    def headline(self) -> Text:
        """Return the newest headline."""
        return self._text(0)

    def tags(self) -> Text:
        """Return what the newest headline is about."""
        return self._text(1)

    def filing(self) -> Text:
        """Return the form of the newest filing."""
        return self._text(2)

    def filing_age_min(self, tag: str = "") -> Column:
        """Return the minutes since the newest filing, of those with `tag`; null without one."""
        return self._minutes_since(self._store.latest_filing_ns(self._universe(), tag))

    def _text(self, which: int) -> Text:
        whole = self._store.newest(self._universe())[which].text(self._view.table.n)
        return self._view.pick_text(whole)

    def _universe(self) -> Universe:
        return self._view.table.universe
