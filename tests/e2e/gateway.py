"""A small gateway that speaks the dashboard's wire contract, told what to say by a test.

It stands on the other side of the wire: the page under test is the real, built one.
"""

import asyncio
import contextlib
import json
import socket
import threading
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

Json = Any
STATIC = Path(__file__).parents[2] / "src" / "tapelight" / "web" / "static"
POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data:; font-src 'self'; "
    b"connect-src 'self' ws:; base-uri 'none'; frame-ancestors 'none'"
)
HISTORY = 100


@dataclass
class Topic:
    """The newest snapshot of a topic, its sequence and the last diffs."""

    snapshot: dict[str, Json]
    seq: int = 1
    diffs: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=HISTORY))


class Client:
    """One connected page: what it follows and what waits to be sent to it."""

    def __init__(self) -> None:
        self.topics: set[str] = set()
        self.outbox: asyncio.Queue[str | None] = asyncio.Queue(maxsize=10_000)


class FakeGateway:
    """Serve the built page and a scripted WebSocket on a loopback port."""

    def __init__(self, boards: list[dict[str, Json]], port: int = 0) -> None:
        self.boards = boards
        self.epoch = "run-1"
        self.ts_ns = 1_763_735_400_000_000_000
        self.topics: dict[str, Topic] = {}
        self.requests: list[dict[str, Json]] = []
        self.me: dict[str, Json] = {
            "name": "local", "role": "admin", "via": "open", "csrf": "", "accounts": False,
            "setup": True,
        }  # fmt: skip
        self.answers: dict[str, Json] = {}
        """What REST answers, by path; what is not in it is a 404."""
        self.held: set[str] = set()
        """Paths whose answers wait for `release`."""
        self._released = threading.Event()
        self.asked_rest: list[tuple[str, str, Json]] = []
        """Method, path with query, and body of each REST request."""
        self.refusing = False
        self._clients: set[Client] = set()
        self._lock = threading.RLock()
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            self._app(), log_level="error", lifespan="off", ws="websockets-sansio"
        )
        self._server = uvicorn.Server(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fake-gateway")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def __enter__(self) -> "FakeGateway":
        self._thread.start()
        assert self._ready.wait(10), "the fake gateway did not start within 10 s"
        return self

    def __exit__(self, *exc: object) -> None:
        self.drop()
        self.release()
        self._server.should_exit = True
        self._thread.join(timeout=10)
        self._socket.close()
        assert not self._thread.is_alive(), "the fake gateway did not stop within 10 s"

    def snapshot(self, topic: str, body: Mapping[str, Json]) -> None:
        """Set the state of `topic` and send it to who follows it."""
        with self._lock:
            seq = self.topics[topic].seq + 1 if topic in self.topics else 1
            self.topics[topic] = Topic(dict(body), seq)
            self._spread(topic, self._encode(topic, seq, "snapshot", body))

    def diff(self, topic: str, body: Mapping[str, Json], *, lose: bool = False) -> None:
        """Send a diff of `topic`; `lose` counts and keeps it, but sends it to nobody."""
        with self._lock:
            state = self.topics[topic]
            state.seq += 1
            text = self._encode(topic, state.seq, "diff", body)
            state.diffs.append((state.seq, text))
            if not lose:
                self._spread(topic, text)

    def refuse(self, topic: str, detail: str) -> None:
        """End a topic with an error, as for a board that is no more."""
        fault = {"op": "error", "title": "Unknown topic", "topic": topic, "detail": detail}
        with self._lock:
            self.topics.pop(topic, None)
            for client in self._clients:
                if topic in client.topics:
                    client.topics.discard(topic)
                    self._offer(client, json.dumps(fault))

    def drop(self) -> None:
        """Close every connection."""
        with self._lock:
            for client in self._clients:
                self._offer(client, None)

    def release(self) -> None:
        """Let the answers go that are held."""
        self._released.set()

    def asked(self, op: str) -> list[dict[str, Json]]:
        """Return the requests of kind `op`, oldest first."""
        with self._lock:
            return [request for request in self.requests if request.get("op") == op]

    def followed(self) -> set[str]:
        """Return the topics that any client follows now."""
        with self._lock:
            return set().union(*(client.topics for client in self._clients))

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ready.set()
        await self._server.serve(sockets=[self._socket])

    def _app(self) -> ASGIApp:
        routes = [
            Route("/api/boards", self._list),
            Route("/api/me", self._me),
            Route("/{path:path}", self._rest, methods=["POST", "PUT", "DELETE"]),
            Route("/api/{path:path}", self._rest),
            Route("/health", self._rest),
            WebSocketRoute("/ws", self._follow),
            Mount("/", StaticFiles(directory=STATIC, html=True)),
        ]
        return _guarded(Starlette(routes=routes))

    async def _list(self, request: Request) -> Response:
        return JSONResponse(self.boards)

    async def _me(self, request: Request) -> Response:
        return JSONResponse(self.me)

    async def _rest(self, request: Request) -> Response:
        path = request.url.path
        body = await request.body()
        target = f"{path}?{request.url.query}" if request.url.query else path
        if path in self.held:
            await asyncio.to_thread(self._released.wait, 30)
        with self._lock:
            told = json.loads(body) if body else None
            self.asked_rest.append((request.method, target, told))
            if path not in self.answers:
                return JSONResponse({"status": 404, "detail": f"Nothing is at {path}."}, 404)
            return JSONResponse(self.answers[path], headers={"etag": '"v1"'})

    async def _follow(self, websocket: WebSocket) -> None:
        if self.refusing:
            await websocket.close()
            return
        await websocket.accept()
        async with self._client(websocket) as client:
            with contextlib.suppress(WebSocketDisconnect):
                while True:
                    self._answer(client, json.loads(await websocket.receive_text()))

    @contextlib.asynccontextmanager
    async def _client(self, websocket: WebSocket) -> AsyncIterator[Client]:
        client = Client()
        with self._lock:
            self._clients.add(client)
        writer = asyncio.create_task(_write(client, websocket))
        try:
            yield client
        finally:
            with self._lock:
                self._clients.discard(client)
            writer.cancel()

    def _answer(self, client: Client, request: dict[str, Json]) -> None:
        with self._lock:
            self.requests.append(request)
            op, topics = request.get("op"), request.get("topics", [])
            if op == "ping":
                self._offer(client, json.dumps({"op": "pong", "ts_ns": self.ts_ns}))
            elif op == "unsubscribe":
                client.topics -= set(topics)
            elif op == "subscribe":
                for topic in topics:
                    self._attach(client, topic)
            elif op == "resume":
                for topic, seq in topics.items():
                    self._resume(client, topic, seq, request["epoch"])

    def _attach(self, client: Client, name: str, recovered: bool | None = None) -> None:
        client.topics.add(name)
        topic = self.topics.get(name)
        if topic is not None:
            extra = {} if recovered is None else {"recovered": recovered}
            text = self._encode(name, topic.seq, "snapshot", topic.snapshot | extra)
            self._offer(client, text)
        elif name.startswith("symbol:"):
            fault = {"op": "error", "title": "Unknown topic", "topic": name}
            self._offer(client, json.dumps({**fault, "detail": f"{name} is not watched."}))

    def _resume(self, client: Client, name: str, seq: int, epoch: str) -> None:
        topic = self.topics[name]
        missed = [text for number, text in topic.diffs if number > seq]
        if epoch != self.epoch or len(missed) != topic.seq - seq:
            self._attach(client, name, recovered=False)
            return
        client.topics.add(name)
        for text in missed:
            self._offer(client, text)

    def _encode(self, topic: str, seq: int, kind: str, body: Mapping[str, Json]) -> str:
        head = {"topic": topic, "epoch": self.epoch, "seq": seq, "mark": seq}
        return json.dumps({**head, "ts_ns": self.ts_ns, "kind": kind, **body})

    def _spread(self, topic: str, text: str) -> None:
        for client in self._clients:
            if topic in client.topics:
                self._offer(client, text)

    def _offer(self, client: Client, text: str | None) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(client.outbox.put_nowait, text)


async def _write(client: Client, websocket: WebSocket) -> None:
    while True:
        text = await client.outbox.get()
        if text is None:
            await websocket.close(1012, "the gateway restarts")
            return
        await websocket.send_text(text)


def _guarded(app: ASGIApp) -> ASGIApp:
    """Add the content security policy under which the page must work."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"content-security-policy", POLICY))
            await send(message)

        await app(scope, receive, dressed)

    return guarded
