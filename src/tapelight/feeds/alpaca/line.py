"""Speak Alpaca's stream protocol on one connection: handshake, subscriptions, frames."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from tapelight.errors import ConfigError, Unavailable
from tapelight.feeds._held import Held
from tapelight.feeds._standing import Evicted
from tapelight.feeds._websocket import Stream
from tapelight.feeds.alpaca.config import FREE_SYMBOLS, AlpacaConfig
from tapelight.feeds.alpaca.decode import Decoded, Decoder
from tapelight.feeds.alpaca.events import Control, ErrorEvent, SubscriptionEvent, SuccessEvent
from tapelight.feeds.alpaca.rest import NO_PLAN, REFUSED
from tapelight.ports import Sink

HANDSHAKE_S = 10.0
CONFIRM_S = 10.0
SYMBOLS_A_MESSAGE = 1000
TOO_MANY_SYMBOLS, TOO_MANY_CONNECTIONS = 405, 406
ONCE_A_MINUTE = "bars"


class TooMany(Unavailable):
    """Say that the plan does not allow so many symbols."""


@dataclass(frozen=True, slots=True)
class Granted:
    """Say which channels are subscribed, and in words what is not."""

    channels: frozenset[str]
    detail: str = ""

    @property
    def ticks(self) -> bool:
        """Tell whether trades or quotes come, not minute bars alone."""
        return bool(self.channels & {"trades", "quotes"})


class Line:
    """Read one connection; what it brings is held back until a snapshot has been put before it."""

    def __init__(self, stream: Stream, decoder: Decoder, sink: Sink, config: AlpacaConfig) -> None:
        self.last_ns = sink.clock.now_ns()
        """Market time of the last frame."""
        self._stream, self._decoder, self._sink = stream, decoder, sink
        self._config = config
        self._pack = config.encoding == "msgpack"
        self.held = Held(sink)

    async def authenticate(self) -> None:
        """Go through the handshake; raises ConfigError when the keys are refused."""
        config = self._config
        await self._until("connected")
        await self._send({"action": "auth", "key": config.key, "secret": config.secret})
        await self._until("authenticated")

    async def subscribe(self, channels: Sequence[str], symbols: Sequence[str] | None) -> Granted:
        """Subscribe; where the plan refuses all trades, minute bars of all symbols stand in."""
        try:
            return await self._subscribed(channels, symbols)
        except TooMany as error:
            if symbols is not None:
                raise ConfigError(
                    f"The free plan allows {FREE_SYMBOLS} symbols of trades and quotes: shorten "
                    "feed.alpaca.symbols, or leave it out for minute bars of the whole market."
                ) from error
        kept = [c for c in channels if c not in ("trades", "quotes")]
        granted = await self._subscribed(sorted({*kept, ONCE_A_MINUTE}), None)
        words = "trades and quotes of all symbols are refused by the plan: minute bars alone"
        return replace(granted, detail=words)

    async def _subscribed(self, channels: Sequence[str], symbols: Sequence[str] | None) -> Granted:
        wanted = ["*"] if symbols is None else list(symbols)
        messages = 0
        for at in range(0, len(wanted), SYMBOLS_A_MESSAGE):
            some = wanted[at : at + SYMBOLS_A_MESSAGE]
            message: dict[str, object] = {"action": "subscribe", **dict.fromkeys(channels, some)}
            if ONCE_A_MINUTE in channels:
                message["updatedBars"] = some
            await self._send(message)
            messages += 1
        return await self._confirmed(channels, messages)

    async def _confirmed(self, channels: Sequence[str], messages: int) -> Granted:
        """Wait for an answer to each message; the last is the whole state."""
        answers: list[SubscriptionEvent] = []
        try:
            async with asyncio.timeout(CONFIRM_S):
                while len(answers) < messages:
                    answers += [e for e in await self.read() if isinstance(e, SubscriptionEvent)]
        except TimeoutError as error:
            raise Unavailable(
                f"Alpaca did not confirm the subscription within {CONFIRM_S:g} s."
            ) from error
        state = answers[-1]
        granted = frozenset(c for c in channels if getattr(state, c))
        refused = [c for c in channels if c not in granted]
        return Granted(granted, f"not granted: {', '.join(refused)}" if refused else "")

    async def read(self) -> list[Control]:
        """Read what waits, deliver it, and return the control messages; none after a wake.

        Raises Unavailable when the stream has ended or the provider says that it will.
        """
        frames = await self._stream.take()
        if not frames:
            return []
        self._sink.raw(frames)
        now_ns = self._sink.clock.now_ns()
        found = self._decoder.decode(frames, now_ns)
        self.last_ns = now_ns
        for kind, sample in found.rejected:
            self._sink.reject(kind, sample)
        self._deliver(found)
        for control in found.controls:
            if isinstance(control, ErrorEvent):
                _fail(control)
        if not self.held.holds:
            self._sink.alive(now_ns)
        return found.controls

    def _deliver(self, found: Decoded) -> None:
        if found.batch is not None:
            self.held.put(found.batch)
        for halt in found.halts:
            self.held.put(halt)
        for correction in found.corrections:
            self.held.put(correction)

    async def _until(self, wanted: str) -> None:
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                while not any(
                    isinstance(e, SuccessEvent) and e.msg == wanted for e in await self.read()
                ):
                    pass
        except TimeoutError as error:
            raise Unavailable(f"Alpaca did not say {wanted!r} within {HANDSHAKE_S:g} s.") from error

    async def _send(self, message: dict[str, object]) -> None:
        if self._pack:
            await self._stream.send(msgspec.msgpack.encode(message))
        else:
            await self._stream.send(msgspec.json.encode(message).decode())


def _fail(error: ErrorEvent) -> None:
    """Raise what an error means for the connection.

    Source of the codes: docs.alpaca.markets, streaming market data, errors.
    """
    words = "".join(c for c in error.msg if c.isprintable())[:160]
    match error.code:
        case 402 | 411:
            raise ConfigError(REFUSED)
        case 408 | 409:
            raise ConfigError(NO_PLAN)
        case 410:
            raise ConfigError(
                f"This Alpaca feed does not have a channel that is asked for ({words}): shorten "
                "feed.alpaca.channels."
            )
        case 405:
            raise TooMany(f"Alpaca allows fewer symbols on this plan: {words}.")
        case 406:
            raise Evicted(
                "Another program uses these Alpaca keys, and the plan allows one connection: stop "
                "it, or give this one keys of its own."
            )
    raise Unavailable(f"Alpaca ended the connection: {error.code} {words}".rstrip() + ".")
