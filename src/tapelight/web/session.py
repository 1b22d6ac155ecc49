"""One WebSocket: its operations in, its topics out."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeVar

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from tapelight.errors import Rejected
from tapelight.ports import Json
from tapelight.web.client import Client
from tapelight.web.stream import ALERTS, TOPICS_A_CLIENT, Stream
from tapelight.web.who import OPEN, Who
from tapelight.web.wire import encode, nearest, quoted

Answer = TypeVar("Answer")

OPS = ("subscribe", "unsubscribe", "ping", "resume")
OPS_A_SECOND = 50
CLOSE_S = 2.0
SLOW = 4008
"""Close code of a client that fell too far behind."""
DISMISSED = 4401
"""Close code of a client whose session is over, or whose role has changed."""
GUEST_TOPICS = 16
FOR_GUESTS = frozenset({"board", "symbol", "bars", "signals", "armed", "status"})
"""Kinds of topics for everybody where guests are let in; any other is for users."""


class Op(msgspec.Struct):
    """One operation of a client; `resume` gives topics with the last seq it has."""

    op: str
    topics: list[str] | dict[str, int] = []
    epoch: str | int = ""


_decoder = msgspec.json.Decoder(Op)


def _parsed(text: str | None) -> Op:
    """Return the operation that a message asks for; raises Rejected with the remedy."""
    if text is None:
        raise Rejected("Send JSON as a text message, not a binary one.")
    try:
        op = _decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Rejected(
            f'Send {{"op":"subscribe","topics":["status"]}} or the like: {error}.'
        ) from error
    if op.op not in OPS:
        raise Rejected(f"Operation {quoted(op.op)} isn't known.{nearest(op.op, OPS)}")
    if len(op.topics) > TOPICS_A_CLIENT:
        raise Rejected(f"Name at most {TOPICS_A_CLIENT} topics in one operation.")
    return op


class Pace:
    """Hold a client to `OPS_A_SECOND`: the next operation is read when its turn has come."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._due_s = clock()

    def delay_s(self) -> float:
        """Count one operation; return how long to wait before it, after a burst of one second."""
        now_s = self._clock()
        self._due_s = max(self._due_s + 1 / OPS_A_SECOND, now_s)
        return max(0.0, self._due_s - now_s - 1.0)


class Session:
    """Serve one accepted WebSocket until either side ends it."""

    def __init__(self, stream: Stream, websocket: WebSocket, who: Who = OPEN) -> None:
        self.who = who
        self._stream = stream
        self._websocket = websocket
        self._client, self._too_slow = stream.join(is_guest=who.via == "guest")
        self._pace = Pace(stream.clock)
        self._dismissed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def dismiss(self) -> None:
        """Let the connection end: who opened it may no longer read."""
        if not self._dismissed.done():
            self._dismissed.set_result(None)

    async def run(self) -> None:
        """Read and write side by side; close with 4008 when the client is too slow."""
        reader = asyncio.create_task(self._read())
        writer = asyncio.create_task(self._client.write(self._websocket.send_text))
        tasks = (reader, writer)
        try:
            ends_it = {*tasks, self._too_slow, self._dismissed}
            await asyncio.wait(ends_it, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stream.leave(self._client)
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        if self._too_slow.done():
            reason = f"more than {self._stream.limits.slow_s:g} s behind: reconnect and resume"
            await self._close(SLOW, reason)
        elif self._dismissed.done():
            await self._close(DISMISSED, "the session is over: log in again")
        for end in ends:
            if isinstance(end, Exception) and not isinstance(end, WebSocketDisconnect):
                raise end

    async def _close(self, code: int, reason: str) -> None:
        with suppress(WebSocketDisconnect, TimeoutError, RuntimeError):
            async with asyncio.timeout(CLOSE_S):
                await self._websocket.close(code, reason)

    async def _read(self) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            await asyncio.sleep(self._pace.delay_s())
            self._take(message.get("text"))

    def _take(self, text: str | None) -> None:
        """Carry out one message; whatever is wrong with it is answered in a sentence."""
        try:
            op = _parsed(text)
            self._carry_out(op)
        except Rejected as error:
            self._refuse("Bad message", str(error))

    def _carry_out(self, op: Op) -> None:
        match op.op:
            case "ping":
                self._tell({"op": "pong", "ts_ns": self._stream.ts_ns})
            case "resume":
                self._resume(op)
            case "subscribe":
                for name in op.topics:
                    self._try(self._subscribe, name)
            case "unsubscribe":
                for name in op.topics:
                    self._try(self._stream.unsubscribe, name)

    def _subscribe(self, client: Client, name: str) -> None:
        self._check_room(client, name)
        self._stream.subscribe(client, name)

    def _recover(self, client: Client, name: str, epoch: str, seq: int) -> bool:
        if name not in client.topics:
            self._check_room(client, name)
        return self._stream.resume(client, name, epoch, seq)

    def _check_room(self, client: Client, name: str) -> None:
        mine, kind = f"{ALERTS}:{self.who.name}", name.partition(":")[0]
        if self.who.via == "guest" and kind not in FOR_GUESTS:
            raise Rejected(f"Topic {quoted(name)} is for users: log in.")
        if kind == ALERTS and name != mine:
            raise Rejected(f"Topic {quoted(name)} is another user's: yours is {quoted(mine)}.")
        if self.who.via == "guest" and len(client.topics) >= GUEST_TOPICS:
            raise Rejected(
                f"A guest may have {GUEST_TOPICS} topics: unsubscribe from some, or log in."
            )

    def _resume(self, op: Op) -> None:
        if not isinstance(op.topics, dict):
            raise Rejected(
                'Give topics with their last seq: {"op":"resume","epoch":"...",'
                '"topics":{"status":17}}.'
            )
        recovered = {
            name: self._try(self._recover, name, str(op.epoch), seq)
            for name, seq in op.topics.items()
        }
        answer = {name: whole for name, whole in recovered.items() if whole is not None}
        self._tell({"op": "resumed", "epoch": self._stream.epoch, "recovered": answer})

    def _try(self, act: Callable[..., Answer], name: str, *more: str | int) -> Answer | None:
        try:
            return act(self._client, name, *more)
        except Rejected as error:
            self._refuse("Unknown topic", str(error), topic=name[:200])
            return None

    def _refuse(self, title: str, detail: str, **more: str) -> None:
        self._stream.counters.refused += 1
        self._tell({"op": "error", "title": title, "detail": detail, **more})

    def _tell(self, answer: Mapping[str, Json]) -> None:
        self._client.tell(encode(answer).decode())
