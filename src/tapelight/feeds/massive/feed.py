"""The Massive feed: reference data, then the stream, then what closes its holes."""

import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from tapelight.feeds._websocket import Backoff
from tapelight.feeds.massive.config import MassiveConfig, Secret, check
from tapelight.feeds.massive.library import Library
from tapelight.feeds.massive.pull import pull, volumes
from tapelight.feeds.massive.rest import Rest
from tapelight.feeds.massive.run import Run
from tapelight.model.batch import Floats
from tapelight.model.session import Session
from tapelight.ports import Cold, Sink
from tapelight.tasks import beside


class MassiveFeed:
    """Bring the US stock market from Massive, or from anything that speaks its protocol."""

    name = "massive"
    calendar = "XNYS"

    def __init__(
        self,
        url: str = "wss://socket.massive.com/stocks",
        rest: str = "https://api.massive.com",
        api_key: Secret | str = "",
        channels: Sequence[str] = ("T", "Q", "LULD"),
        symbols: Sequence[str] | None = None,
        *,
        config: MassiveConfig | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        """Take the settings one by one, or as `config`, which then holds alone.

        Raises ConfigError for a setting that cannot be.
        """
        self._config = check(
            config
            or MassiveConfig(
                url=url,
                rest=rest,
                api_key=api_key.reveal() if isinstance(api_key, Secret) else api_key,
                channels=tuple(channels),
                symbols=None if symbols is None else tuple(symbols),
            )
        )
        self._backoff = backoff or Backoff()
        self._run: Run | None = None
        self._cold: Cold | None = None
        self.watched = False
        """Whether somebody else looks for silence, who can ask another source."""

    def keep_in(self, cold: Cold) -> None:
        """Keep reference data in `cold`, and ask for no past day that is there."""
        self._cold = cold

    async def pull(self, sessions: int, tell: Callable[[str, int, int], object]) -> Sequence[str]:
        """Bring lists and the last sessions into the cold store; return what could not be had."""
        assert self._cold is not None, "keep_in comes first"
        rest = Rest(self._config.rest, Secret(self._config.api_key))
        try:
            return await pull(Library(rest, self._cold), self._cold, sessions, tell)
        finally:
            await rest.close()

    async def volumes(
        self, symbols: Sequence[str], sessions: Sequence[Session]
    ) -> AsyncIterator[tuple[str, Mapping[dt.date, Floats]]]:
        """Yield for each symbol its shares by minute of each session, as traded."""
        rest = Rest(self._config.rest, Secret(self._config.api_key))
        try:
            async with contextlib.aclosing(volumes(Library(rest), symbols, sessions)) as found:
                async for one in found:
                    yield one
        finally:
            await rest.close()

    async def run(self, sink: Sink) -> None:
        """Feed `sink` until cancelled; raises ConfigError for a key or plan that cannot do."""
        rest = Rest(self._config.rest, Secret(self._config.api_key))
        self._run = run = Run(self._config, sink, rest, self._backoff, self._cold)
        run.watched = self.watched
        try:
            async with beside() as tasks:
                tasks.create_task(run.connections(), name="massive stream")
                tasks.create_task(run.almanac.keep(run.filled), name="massive references")
                tasks.create_task(run.newsroom.keep(run.live), name="massive news")
        finally:
            self._run = None
            run.closed()
            await rest.close()

    def owns(self) -> str:
        """Return the stream's address and the key, which allows one connection."""
        return f"{self._config.url} {self._config.api_key}"

    def reconnect(self, why: str) -> None:
        """Drop the connection and open another; the hole begins with the last frame."""
        if self._run is not None:
            self._run.reconnect(why)

    @property
    def usual_s(self) -> float:
        """Return what silence is nothing unusual, in seconds."""
        return 0.0 if self._run is None else self._run.usual_s

    @property
    def delay_ns(self) -> int:
        """Return how much older than its arrival an event is."""
        return 0 if self._run is None else self._run.delay_ns

    @property
    def coverage(self) -> str:
        """Return what share of the market the data are: SIP, delayed, synthetic."""
        return "" if self._run is None else self._run.coverage

    async def history(self, symbol: str) -> None:
        """Fetch today's minute bars of `symbol` and put them, once a connection."""
        if self._run is not None:
            await self._run.history(symbol)

    async def chains(self, symbols: Sequence[str]) -> None:
        """Fetch the option chains of `symbols` and put each, once the stream is live."""
        if self._run is not None and self._run.live.is_set():
            await self._run.chains.read(symbols)

    def counts(self) -> Mapping[str, int]:
        """Return the running totals of events, rejects, requests and connections."""
        return {} if self._run is None else self._run.counts()
