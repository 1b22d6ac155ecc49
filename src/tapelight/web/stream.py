"""The stream: which topics are watched, and the bus's publications fanned out to clients."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from tapelight.errors import Rejected
from tapelight.ports import Boards, Bus, Json, Market, Prints
from tapelight.web.client import SLOW_S, Client
from tapelight.web.spans import SPANS
from tapelight.web.topic import Address, Topic
from tapelight.web.views import PRINTS_SHOWN, SIGNALS_KEPT, State
from tapelight.web.wire import nearest, quoted

LINGER_S = 10.0
"""How long a topic goes on after its last subscriber left."""
TOPICS_A_CLIENT = 128
EMPTY: Mapping[str, Json] = {"order": [], "rows": {}, "gone": True}
SWEEP_S = 0.5
ALERTS = "alerts"
"""alerts:NAME is for the user of that name alone: who serves the client sees to that."""


def no_alerts(_owner: str) -> Sequence[Mapping[str, Json]]:
    """Return none: nobody is alerted here."""
    return ()


class Counters:
    """Count what the stream did; read by /metrics."""

    def __init__(self) -> None:
        self.publications = 0
        self.messages = 0
        self.sent = 0
        self.sent_bytes = 0
        self.conflated = 0
        self.closed_slow = 0
        self.refused = 0


class Limits(NamedTuple):
    """Bound the stream: clients at once, seconds behind, seconds of a topic's afterlife."""

    clients: int = 2_000
    slow_s: float = SLOW_S
    linger_s: float = LINGER_S


class Stream:
    """Know the watched topics and the clients; tell the bus what is wanted.

    Publications arrive on the bus in the thread of the asyncio loop.
    """

    def __init__(
        self,
        boards: Boards,
        market: Market,
        bus: Bus,
        *,
        epoch: str,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        prints: Prints | None = None,
        newest_alerts: Callable[[str], Sequence[Mapping[str, Json]]] = no_alerts,
    ) -> None:
        self._newest_alerts = newest_alerts
        self.epoch = epoch
        self.limits = limits or Limits()
        self.clock = clock
        self.counters = Counters()
        self.clients: dict[Client, asyncio.Future[None]] = {}
        self._boards = boards
        self._market = market
        self._bus = bus
        self._prints = prints
        self._topics: dict[tuple[str, bool], Topic] = {}
        self._sources: dict[str, list[Topic]] = {}
        self._opened = 0
        self._mark = 0
        self.ts_ns = 0
        """Market time of the newest publication."""
        bus.subscribe(self._published)

    @property
    def topics(self) -> int:
        """Return how many topics are kept up."""
        return len(self._topics)

    def join(self, *, is_guest: bool = False) -> tuple[Client, asyncio.Future[None]]:
        """Return a new client, and the future that is done when it must be closed as slow."""
        client = Client(self.clock, is_guest=is_guest)
        self.clients[client] = too_slow = asyncio.get_running_loop().create_future()
        return client, too_slow

    def leave(self, client: Client) -> None:
        """Forget a client and its subscriptions."""
        del self.clients[client]
        self.counters.sent += client.sent
        self.counters.sent_bytes += client.sent_bytes
        self.counters.conflated += client.conflated
        for name in list(client.topics):
            self.unsubscribe(client, name)

    def subscribe(self, client: Client, name: str) -> None:
        """Let `client` get `name`: a snapshot, then diffs. Raises Rejected with the reason."""
        if name not in client.topics:
            topic = self._attach(client, name)
            self._refresh(client, topic, recovered=True)

    def unsubscribe(self, client: Client, name: str) -> None:
        """Let `client` no longer get `name`; what is queued of it is dropped."""
        topic = client.topics.pop(name, None)
        if topic is None:
            raise Rejected(
                f"Topic {quoted(name)} isn't subscribed, so nothing was done."
                f"{nearest(name, client.topics)}"
            )
        client.forget(topic)
        del topic.subscribers[client]
        if not topic.subscribers:
            topic.idle_since = self.clock()

    def resume(self, client: Client, name: str, epoch: str, seq: int) -> bool:
        """Send what `client` missed of `name` since `seq`, or a snapshot; tell whether whole."""
        topic = client.topics.get(name) or self._attach(client, name)
        client.forget(topic)
        missed = topic.missed(seq) if epoch == self.epoch else None
        if missed is None:
            self._refresh(client, topic, recovered=False)
            return False
        for text in missed:
            client.offer(topic, text)
        return True

    async def sweep(self) -> None:
        """Close slow clients and drop idle topics, twice a second, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            self.tidy()

    def tidy(self) -> None:
        """Do one round of `sweep`."""
        for client, too_slow in self.clients.items():
            if not too_slow.done() and client.behind_s() > self.limits.slow_s:
                self.counters.closed_slow += 1
                too_slow.set_result(None)
        now_s = self.clock()
        for topic in list(self._topics.values()):
            if topic.idle_since is not None and now_s - topic.idle_since >= self.limits.linger_s:
                self._drop(topic)

        self._empty_gone()

    def _empty_gone(self) -> None:
        """Take the rows off boards that are no longer: nothing old looks live. They may come back."""
        watched = [t for t in self._topics.values() if t.address.prefix == "board" and t.view]
        known = set(self._board_names()) if watched else set()
        for topic in watched:
            view = topic.view or EMPTY
            if topic.address.subject not in known and "gone" not in view:
                self._tell(topic, {**view, **EMPTY, **self._stamp()})

    def _published(self, name: str, state: Mapping[str, Json]) -> None:
        """Take a publication of the bus; nothing here waits for a client."""
        self.counters.publications += 1
        if not name.startswith(f"{ALERTS}:"):  # they tell of earlier signals too
            self._mark, self.ts_ns = state["mark"], state["ts_ns"]
        for topic in self._sources.get(name, ()):
            self._tell(topic, state)

    def _tell(self, topic: Topic, state: State) -> None:
        """Let a topic take a state, and its subscribers have the message."""
        text = self._advance(topic, state)
        if text is not None:
            for subscriber in topic.subscribers:
                subscriber.offer(topic, text)

    def _advance(self, topic: Topic, state: State) -> str | None:
        text = topic.advance(state)
        self.counters.messages += text is not None
        return text

    def _refresh(self, client: Client, topic: Topic, *, recovered: bool) -> None:
        """Let `client` get a snapshot; without a view, the first publication will be one."""
        if topic.view is None:
            return
        if topic.address.prefix == "signals":
            topic.stamp(self._mark, self.ts_ns)
        client.refresh(topic, recovered=recovered)

    def _attach(self, client: Client, name: str) -> Topic:
        if len(client.topics) >= TOPICS_A_CLIENT:
            raise Rejected(
                f"A client may have {TOPICS_A_CLIENT} topics: unsubscribe from some before "
                f"asking for {quoted(name)}."
            )
        for_guests = client.is_guest and name == "status"
        topic = self._topics.get((name, for_guests))
        if topic is None:
            topic = self._open(self.address(name)._replace(for_guests=for_guests))
        topic.idle_since = None
        topic.subscribers[client] = None
        client.topics[name] = topic
        return topic

    def _open(self, address: Address) -> Topic:
        # A topic's seq is at most messages + opened at any time, so this start is above every
        # seq of an earlier topic of the name: an old one can't pass for a new one.
        self._opened += 1
        topic = Topic(address, self.epoch, self.counters.messages + self._opened)
        self._topics[address.key] = topic
        sharing = self._sources.setdefault(address.source, [])
        sharing.append(topic)
        state = self._present(address)
        if state is not None:
            self._advance(topic, state)
        if len(sharing) == 1:
            self._bus.want(address.source, True)
        return topic

    def _drop(self, topic: Topic) -> None:
        del self._topics[topic.address.key]
        sharing = self._sources[topic.address.source]
        sharing.remove(topic)
        if not sharing:
            del self._sources[topic.address.source]
            self._bus.want(topic.address.source, False)

    def _present(self, address: Address) -> State | None:
        """Return the topic's state as of now, where a port tells it; the bus brings the next."""
        stamp = self._stamp()
        match address.prefix:
            case "board":
                return self._boards.board(address.subject)
            case "bars":
                return stamp | {"bars": self._market.bars(address.subject, 60)}
            case "prints" if self._prints is not None:
                return stamp | {"prints": self._prints.prints(address.subject, PRINTS_SHOWN)}
            case "signals":
                return stamp | {"signals": self._boards.signals(SIGNALS_KEPT)}
            case "armed":
                return self._boards.armed()
            case "alerts":
                return stamp | {"alerts": self._newest_alerts(address.subject)}
            case "status":
                return stamp | {"status": self._market.status()}
        return None

    def _stamp(self) -> dict[str, int]:
        """Return mark and market time of the newest publication, or of a board before the first."""
        if not self._mark:
            for name in self._board_names()[:1]:
                board = self._boards.board(name)
                self._mark, self.ts_ns = board["mark"], board["ts_ns"]
        return {"mark": self._mark, "ts_ns": self.ts_ns}

    def address(self, name: str) -> Address:
        """Return what a topic's name means; raises Rejected naming the nearest one."""
        prefix, _, subject = name.partition(":")
        if name in ("signals", "armed", "status"):
            return Address(name, name, "", name)
        if prefix == ALERTS and subject:
            return Address(name, prefix, subject, name)
        if prefix == "board" and subject in self._board_names():
            return Address(name, prefix, subject, name)
        if prefix == "symbol" and self._watched(subject):
            return Address(name, prefix, subject, name)
        if prefix == "prints" and self._prints is not None and self._watched(subject):
            return Address(name, prefix, subject, name)
        if prefix == "bars":
            symbol, _, span = subject.rpartition(":")
            if span in SPANS and self._watched(symbol):
                return Address(name, prefix, symbol, f"bars:{symbol}:1m", SPANS[span])
        raise Rejected(self._unknown(name))

    def _board_names(self) -> list[str]:
        return [board["name"] for board in self._boards.board_names()]

    def _watched(self, symbol: str) -> bool:
        try:
            self._market.symbol(symbol)
        except KeyError:
            return False
        return True

    def _unknown(self, name: str) -> str:
        prefix, _, subject = name.partition(":")
        if prefix in ("symbol", "prints", "bars"):
            symbol, _, span = (subject, "", "1m") if prefix != "bars" else subject.rpartition(":")
            if span not in SPANS:
                return (
                    f"Topic {quoted(name)} has no such span: use bars:SYMBOL:SPAN with one of "
                    f"{', '.join(SPANS)}."
                )
            upper = symbol.upper()
            hint = f" Did you mean {upper!r}?" if symbol != upper and self._watched(upper) else ""
            return (
                f"Symbol {quoted(symbol)} isn't watched.{hint} "
                "GET /api/market?columns=symbol lists the watched ones."
            )
        boards = [f"board:{board}" for board in self._board_names()]
        known = [*boards, "signals", "armed", "status", "symbol:SYMBOL", "bars:SYMBOL:1m"]
        known += ["prints:SYMBOL"] if self._prints is not None else []
        return f"Topic {quoted(name)} isn't known.{nearest(name, known)}"
