"""A topic: its last view, the messages that led there, and who watches it."""

from collections import deque
from typing import NamedTuple, Protocol

from tapelight.web.views import Change, State, View, kind_of
from tapelight.web.wire import encode

HISTORY = 100
"""How many past messages a topic keeps for clients that come back."""
HISTORY_BYTES = 1 << 20


class Address(NamedTuple):
    """Say what a topic's name means."""

    name: str
    prefix: str
    subject: str
    """The board or the symbol; '' for signals and status."""
    source: str
    """The topic of the bus from which this one is made."""
    span_s: int = 60
    for_guests: bool = False
    """Whether it leaves out what is not for guests; such a topic has the same name."""

    @property
    def key(self) -> tuple[str, bool]:
        """Return what tells a topic from all others."""
        return self.name, self.for_guests


class Subscriber(Protocol):
    """Take a topic's messages without blocking."""

    def offer(self, topic: "Topic", text: str) -> None: ...


class Topic:
    """Turn each published state into one message, encoded once for all subscribers.

    `seq` rises by one with each message. It starts above every sequence number that an
    earlier topic of the same name may have used in this epoch.
    """

    def __init__(self, address: Address, epoch: str, seq: int) -> None:
        self.address = address
        self.epoch = epoch
        self.seq = seq
        self.subscribers: dict[Subscriber, None] = {}
        self.idle_since: float | None = None
        self.view: View | None = None
        self._kind = kind_of(address.prefix, address.span_s, for_guests=address.for_guests)
        self._mark = 0
        self._ts_ns = 0
        self._history: deque[tuple[int, str]] = deque()
        self._history_bytes = 0
        self._snapshot: str | None = None

    def advance(self, state: State) -> str | None:
        """Take the next state; return the message that says what changed, if anything did."""
        view = self._kind.view(state, self.view)
        change = (
            Change("snapshot", view)
            if self.view is None
            else self._kind.change(self.view, view, state)
        )
        self._mark, self._ts_ns, self.view = state["mark"], state["ts_ns"], view
        self._snapshot = None
        if change is None:
            return None
        self.seq += 1
        message = self._encode(change)
        self._remember(message)
        return message

    def stamp(self, mark: int, ts_ns: int) -> None:
        """Say that the view still holds at a later mark, though nothing was published."""
        if mark > self._mark:
            self._mark, self._ts_ns, self._snapshot = mark, ts_ns, None

    def snapshot(self, *, recovered: bool) -> str:
        """Return the present view as a message; `recovered` is false when some were missed."""
        if self._snapshot is None:
            self._snapshot = self._encode(Change("snapshot", self.view or {}))
        if recovered:
            return self._snapshot
        return self._snapshot.removesuffix('"recovered":true}') + '"recovered":false}'

    def missed(self, seq: int) -> list[str] | None:
        """Return the messages after `seq`, or None when the history does not reach back."""
        first = self._history[0][0] if self._history else self.seq + 1
        if not first - 1 <= seq <= self.seq:
            return None
        return [message for n, message in self._history if n > seq]

    def _encode(self, change: Change) -> str:
        envelope = {
            "topic": self.address.name,
            "epoch": self.epoch,
            "seq": self.seq,
            "mark": self._mark,
            "ts_ns": self._ts_ns,
            "kind": change.kind,
        }
        tail = {"recovered": True} if change.kind == "snapshot" else {}
        return encode({**envelope, **change.body, **tail}).decode()

    def _remember(self, message: str) -> None:
        self._history.append((self.seq, message))
        self._history_bytes += len(message)
        while len(self._history) > HISTORY or self._history_bytes > HISTORY_BYTES:
            self._history_bytes -= len(self._history.popleft()[1])
