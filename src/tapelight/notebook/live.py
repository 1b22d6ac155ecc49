"""A running scanner, asked over its gateway."""

from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx
import polars as pl

from tapelight.errors import ConfigError, Missing, Unavailable
from tapelight.notebook.frames import bars_frame, frame, signals_frame
from tapelight.notebook.stream import LOOPBACK, Stream, Update

URL = "http://127.0.0.1:8787"
ASK_S = 35.0
"""A question about the past may take half a minute."""


def connect(url: str = URL, key: str = "") -> "Live":
    """Return a running scanner; raises Unavailable where none answers, ConfigError for a bad key."""
    live = Live(url, key)
    live.status()
    return live


class Live:
    """Ask a running scanner. `at` is a past second: HH:MM:SS New York, or ISO 8601 with offset."""

    def __init__(self, url: str = URL, key: str = "") -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"{url!r} is no address: give one such as {URL}.")
        self.url = f"{parts.scheme}://{parts.netloc}"
        self._key = key
        self._http = httpx.Client(
            base_url=self.url,
            headers={"authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(ASK_S, connect=2.0),
            trust_env=parts.hostname not in LOOPBACK,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def market(
        self, where: str = "", *, columns: str = "*", order: str = "", limit: int = 1000,
        at: str | None = None,
    ) -> pl.DataFrame:  # fmt: skip
        """Return the rows of the table that fit `where`, a condition such as gap_pct > 4."""
        asked = {"columns": columns, "where": where, "order": order, "limit": limit, "at": at}
        return frame(self._get("/api/market", **asked)["rows"])

    def boards(self) -> pl.DataFrame:
        """Return the boards and scans there are."""
        names = ("name", "title", "kind", "doc", "sql")
        return frame({n: b.get(n) for n in names} for b in self._get("/api/boards"))

    def board(self, name: str, *, at: str | None = None) -> pl.DataFrame:
        """Return a board in rank order."""
        return frame(self._get(f"/api/boards/{quote(name, safe='')}", at=at)["rows"])

    def symbol(self, symbol: str, *, at: str | None = None) -> dict[str, Any]:
        """Return every column of a symbol."""
        return dict(self._get(f"/api/symbols/{quote(symbol, safe='')}", at=at))

    def bars(self, symbol: str, span: str = "1m") -> pl.DataFrame:
        """Return today's bars of a symbol, the forming one last."""
        return bars_frame(self._get(f"/api/bars/{quote(symbol, safe='')}", span=span)["bars"])

    def signals(self, *, scan: str = "", symbol: str = "", limit: int = 100) -> pl.DataFrame:
        """Return the newest records of signals first."""
        asked = {"scan": scan or None, "symbol": symbol or None, "limit": limit}
        return signals_frame(self._get("/api/signals", **asked)["signals"])

    def why(self, symbol: str, scan: str, *, at: str | None = None) -> dict[str, Any]:
        """Return why a symbol is, or is not, on a board or fired by a scan."""
        return dict(self._get("/api/why", symbol=symbol, scan=scan, at=at))

    def status(self) -> dict[str, Any]:
        """Return the scanner's health; `ok` tells whether the market is live."""
        return dict(self._get("/health"))

    def stream(self, *topics: str) -> Stream:
        """Return a stream of topics that tells its own state and can follow others later."""
        return Stream(self.url, topics, self._key)

    def subscribe(self, *topics: str) -> AsyncGenerator[Update, None]:
        """Yield each change of topics: board:gainers, symbol:AAPL, bars:AAPL:1m, signals, status.

        Who leaves before the end closes it: contextlib.aclosing.
        """
        return self.stream(*topics).updates()

    def _get(self, path: str, **asked: Any) -> Any:
        given = {name: value for name, value in asked.items() if value not in (None, "")}
        try:
            answer = self._http.get(path, params=given)
            told = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise Unavailable(
                f"No scanner answers at {self.url}: start one (tapelight demo), or give its address."
            ) from error
        if answer.is_success or path == "/health":
            return told
        detail = str(told.get("detail", f"{self.url} answered {answer.status_code}."))
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise Missing(detail)
        raise (ConfigError if answer.is_client_error else Unavailable)(detail)
