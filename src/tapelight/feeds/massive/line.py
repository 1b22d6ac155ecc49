"""Speak Massive's stream protocol on one connection: handshake, subscriptions, frames."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from tapelight.errors import ConfigError, Unavailable
from tapelight.feeds._held import Held
from tapelight.feeds._standing import Evicted
from tapelight.feeds._websocket import Stream
from tapelight.feeds.massive.config import Secret
from tapelight.feeds.massive.decode import Decoder
from tapelight.feeds.massive.events import StatusEvent
from tapelight.ports import Sink

HANDSHAKE_S = 10.0
CONFIRM_S = 3.0
"""How long subscriptions may take to be confirmed; what is not by then is refused."""
TOPICS_A_MESSAGE = 500
PRICES = ("T", "A", "AM")
"""Channels that carry prices, the best first."""


@dataclass(frozen=True, slots=True)
class Granted:
    """Say which channels the provider confirmed and which it refused."""

    channels: frozenset[str]
    refused: tuple[str, ...]

    @property
    def by_the_minute(self) -> bool:
        """Tell whether prices come as minute bars alone."""
        return self.channels & set(PRICES) == {"AM"}

    @property
    def detail(self) -> str:
        """Return the refusals in words, empty when there are none."""
        if not self.refused:
            return ""
        return f"refused by the plan: {', '.join(self.refused)}"


class Line:
    """Read one connection; batches are held back until a snapshot has been put before them."""

    def __init__(self, stream: Stream, decoder: Decoder, sink: Sink) -> None:
        self.last_ns = sink.clock.now_ns()
        """Market time of the last frame."""
        self._stream = stream
        self._decoder = decoder
        self._sink = sink
        self._authenticated = False
        self.held = Held(sink)

    async def authenticate(self, key: Secret) -> None:
        """Go through the handshake; raises ConfigError when the key is refused."""
        await self._until("connected")
        message = {"action": "auth", "params": key.reveal()}
        await self._stream.send(msgspec.json.encode(message).decode())
        await self._until("auth_success")
        self._authenticated = True

    async def subscribe(
        self, channels: Sequence[str], symbols: Sequence[str] | None, canary: str
    ) -> Granted:
        """Subscribe, stepping down from T to A to AM where the plan refuses.

        Raises ConfigError when no channel with prices is granted.
        """
        granted = await self._confirmed(_topics(channels, symbols, canary))
        refused = [c for c in channels if c not in granted]
        for lower in PRICES:
            if granted & set(PRICES):
                break
            if lower not in channels:
                granted |= await self._confirmed(_topics([lower], symbols, canary))
        if not granted & set(PRICES):
            raise ConfigError(
                "The plan of this Massive key grants none of the channels T, A and AM: "
                "choose a plan with real-time or delayed aggregates, and its address as "
                "feed.massive.url."
            )
        return Granted(frozenset(granted), tuple(refused))

    async def read(self) -> list[StatusEvent]:
        """Read what waits, deliver it, and return the statuses; none after a wake.

        Raises Unavailable when the stream has ended or the provider says that it will.
        """
        frames = await self._stream.take()
        if not frames:
            return []
        self._sink.raw(frames)
        now_ns = self._sink.clock.now_ns()
        decoded = self._decoder.decode(frames, now_ns)
        self.last_ns = now_ns
        for kind, sample in decoded.rejected:
            self._sink.reject(kind, sample)
        if decoded.batch is not None:
            self.held.put(decoded.batch)
        for status in decoded.statuses:
            self._check(status)
        if not self.held.holds:
            self._sink.alive(now_ns)
        return decoded.statuses

    async def _until(self, wanted: str) -> None:
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                while all(s.status != wanted for s in await self.read()):
                    pass
        except TimeoutError as error:
            raise Unavailable(
                f"Massive did not say {wanted!r} within {HANDSHAKE_S:g} s."
            ) from error

    async def _confirmed(self, topics: Iterable[str]) -> set[str]:
        """Subscribe and return the channels of which at least one topic was confirmed."""
        wanted = set(topics)
        ordered = sorted(wanted)
        for at in range(0, len(ordered), TOPICS_A_MESSAGE):
            params = ",".join(ordered[at : at + TOPICS_A_MESSAGE])
            message = {"action": "subscribe", "params": params}
            await self._stream.send(msgspec.json.encode(message).decode())
        confirmed: set[str] = set()
        errors = 0
        try:
            async with asyncio.timeout(CONFIRM_S):
                while len(confirmed) + errors < len(wanted):
                    statuses = await self.read()
                    errors += sum(s.status == "error" for s in statuses)
                    confirmed |= wanted & _acknowledged(statuses)
        except TimeoutError:
            pass  # what is not confirmed by now is refused: the provider does not name it
        return {topic.partition(".")[0] for topic in confirmed}

    def _check(self, status: StatusEvent) -> None:
        """Raise what a status means for the connection, if anything."""
        words = "".join(c for c in status.message if c.isprintable())[:160]
        if status.status == "auth_failed" or (
            status.status == "error" and not self._authenticated and "auth" in words.lower()
        ):
            raise ConfigError(
                "Massive refuses the key: check feed.massive.api_key in tapelight.toml."
            )
        if status.status == "max_connections":
            raise Evicted(
                "Another program uses this Massive key, and the plan allows one connection: "
                "stop it, or give this one a key of its own."
            )
        if status.status in ("auth_timeout", "slow_consumer", "force_disconnect"):
            raise Unavailable(f"Massive ended the connection: {status.status} {words}".rstrip())


def _topics(channels: Iterable[str], symbols: Sequence[str] | None, canary: str) -> list[str]:
    if symbols is None:
        return [f"{channel}.*" for channel in channels]
    listed = dict.fromkeys([*symbols, canary] if canary else symbols)
    return [f"{channel}.{symbol}" for channel in channels for symbol in listed]


def _acknowledged(statuses: Iterable[StatusEvent]) -> set[str]:
    """Return the topics named by `subscribed to: T.AAPL` and the like."""
    found: set[str] = set()
    for status in statuses:
        before, colon, after = status.message.partition(":")
        if status.status == "success" and colon and before.strip() == "subscribed to":
            found |= {topic.strip() for topic in after.split(",")}
    return found
