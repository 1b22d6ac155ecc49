"""Every Protocol of the system on one page; none has more than four methods."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from tapelight.model.clock import MarketClock
from tapelight.model.order_log import Armed, Killed, OrderRecord
from tapelight.model.orders import Order, OrderRequest, Picture, Report, Statement
from tapelight.model.outcomes import ScanRecord
from tapelight.model.session import Session
from tapelight.model.signals import Signal

if TYPE_CHECKING:
    # They bring NumPy, which the trader's process does without.
    from tapelight.model.batch import Batch, Floats
    from tapelight.model.past import DayBars, Told
    from tapelight.model.records import Record, Snapshot
    from tapelight.model.universe import Universe

Cell = float | str | bool | None
Row = Mapping[str, Cell]
Json = Any
"""What json can hold; the shapes stand in the docs of the gateway."""


class Sink(Protocol):
    """Where a feed puts what it decoded: journalled and folded before the call returns.

    `universe` gives rows to symbols; a row given to a new symbol is journalled with the next
    record. `clock` is the process's market clock, which a feed sets at connect. `alive` tells
    that the stream is known complete up to a market time, though it brought nothing.
    """

    universe: Universe
    clock: MarketClock

    def put(self, record: Record) -> None: ...

    def alive(self, complete_ns: int) -> None: ...

    def reject(self, kind: str, sample: bytes | str) -> None:
        """Count one malformed message by kind and keep a sample."""

    def raw(self, frames: Sequence[bytes]) -> None:
        """Keep frames as they came, for a while: the bytes are not copied, nor changed later."""


@runtime_checkable
class Hears(Protocol):
    """A sink that wants to know of a batch at once, though it waits for a snapshot before it is put."""

    def heard(self, batch: Batch) -> None: ...


class Feed(Protocol):
    """Where events come from. `run` returns only when the feed has ended (a file) or fails.

    `calendar` is XNYS, XNSE, XBOM or 24x7: whose sessions and sale conditions hold for its symbols.
    """

    name: str
    calendar: str

    @property
    def coverage(self) -> str:
        """Return what share of the market the data are, in a word or two: SIP, IEX, delayed ..."""

    async def run(self, sink: Sink) -> None: ...

    async def history(self, symbol: str) -> None:
        """Fetch today's minute bars of `symbol` and put them as `History`; may do nothing."""

    def counts(self) -> Mapping[str, int]:
        """Return running totals: events decoded, superseded, rejected, requests ..."""


@runtime_checkable
class OptionFeed(Protocol):
    """A feed that also knows listed options."""

    async def chains(self, symbols: Sequence[str]) -> None:
        """Fetch the option chains of `symbols` and put each as `Chain`; what has none brings none."""


class Source(Protocol):
    """What runs beside the feed and tells more of its symbols: halts, filings.

    It reads market time from the sink's clock, never sets it, and never ends the scanner: what
    fails is counted by `sink.reject`, told by `status`, and tried again.
    """

    name: str

    async def run(self, sink: Sink) -> None: ...

    def status(self) -> Mapping[str, Json]:
        """Return state (waiting, live, failing), detail (the reason) and counts."""


class Cold(Protocol):
    """Keep reference data of past days, with the time since when each is known; on any thread.

    An origin is a feed and its coverage: days of one are never taken for another's.
    """

    def day(self, origin: str, date: dt.date, known_ns: int) -> DayBars | None:
        """Return a session's bars as traded, as known at a time; None where they are not kept."""

    def keep_day(
        self, origin: str, session: Session, bars: DayBars, source: str, now_ns: int
    ) -> object: ...

    def told(self, session: dt.date, known_ns: int) -> Told:
        """Return the facts that held on a date and the splits up to it, as known at a time."""

    def keep(self, told: Told, now_ns: int) -> object: ...


@runtime_checkable
class ReferenceFeed(Protocol):
    """A feed that knows of past days."""

    def keep_in(self, cold: Cold) -> None:
        """Keep in `cold` what is asked for, and ask for no day that is there."""

    async def pull(self, sessions: int, tell: Callable[[str, int, int], object]) -> Sequence[str]:
        """Bring lists and the last sessions into the cold store; return what could not be had.

        `tell(what, done, of)` hears how far it is.
        """

    def volumes(
        self, symbols: Sequence[str], sessions: Sequence[Session]
    ) -> AsyncIterator[tuple[str, Mapping[dt.date, Floats]]]:
        """Yield for each symbol its shares by minute of each session, as traded, 960 elements.

        A symbol that can't be had is yielded with nothing.
        """


@runtime_checkable
class Keyed(Protocol):
    """A feed whose key one process alone may use."""

    def owns(self) -> str:
        """Return what tells service and key apart from others; it is hashed, never shown."""


@runtime_checkable
class Reconnects(Protocol):
    """A feed that can be told that its connection brings nothing."""

    watched: bool
    """Whether somebody else looks for silence: its own watchdog then rests."""

    @property
    def usual_s(self) -> float:
        """Return what silence is nothing unusual, in seconds: minute bars come once a minute."""

    @property
    def delay_ns(self) -> int:
        """Return how much older than its arrival an event is: the 15 minutes of a delayed plan."""

    def reconnect(self, why: str) -> None:
        """Drop the connection and open another."""


class Poller(Protocol):
    """What serves while a stream is gone: the market by REST, one picture a call."""

    name: str
    newest_ns: int
    """Time of the newest print that the last picture knew; 0 where it can't tell."""

    async def poll(self, sink: Sink) -> Snapshot:
        """Return the day so far, rows by the sink's universe; raises Unavailable or Rejected."""

    async def close(self) -> None:
        """Let go of what it holds."""


class Boards(Protocol):
    """What the gateway may ask of the boards."""

    def board_names(self) -> Sequence[Mapping[str, Json]]:
        """Return for each board: name, title, kind (board|events), columns, sql, phases."""

    def board(self, name: str) -> Mapping[str, Json]:
        """Return the board at the last whole second.

        {"name","title","kind","mark","ts_ns","columns":[{"name","unit","doc"}],
        "order":[symbol], "rows":{symbol:[cell]}}; cells stand in the order of columns.
        Raises KeyError for an unknown name.
        """

    def signals(self, limit: int) -> Sequence[Signal]:
        """Return the newest signals first."""

    def armed(self) -> Mapping[str, Json]:
        """Return who is armed at the last mark: {"mark","ts_ns","armed"}, the newest first.

        Each is {"scan","symbol","since_ns"}.
        """


class Market(Protocol):
    """What the gateway may ask of the live table."""

    def query(self, sql: str) -> Sequence[Row]:
        """Answer a SELECT over `market` as rows; raises ConfigError that names the fault."""

    def symbol(self, symbol: str) -> Row:
        """Return every column of one symbol; raises KeyError when it is not watched."""

    def bars(self, symbol: str, span_s: int) -> Sequence[Sequence[float]]:
        """Return today's bars, oldest first, the forming one last.

        Each is [start (s, UTC), open, high, low, close, volume].
        """

    def status(self) -> Mapping[str, Json]:
        """Return what /health shows: feed state, lag, stale count, journal state, counters."""


class Prints(Protocol):
    """The newest prints of the market: time and sales."""

    def prints(self, symbol: str, limit: int) -> Sequence[Mapping[str, Json]]:
        """Return {"n","ts_ns","price","size","moves","conditions"}, newest first.

        `n` counts the prints of all symbols. Raises KeyError when the symbol is not watched.
        """


class Correlations(Protocol):
    """How symbols move together today."""

    def correlation(self, symbols: Sequence[str], minutes: int) -> list[list[float | None]]:
        """Return the matrix over the newest closed minutes; None where a pair tells nothing.

        Raises KeyError with the symbol that is not watched.
        """


class Chains(Protocol):
    """The newest option chains."""

    def chain(self, symbol: str, expiry: str) -> Mapping[str, Json]:
        """Return {"symbol","spot","ts_ns","expirations","expiry","rows"} of one expiration.

        A row has the strike, and of call and put the quote, implied volatility and Greeks. Raises
        KeyError for a symbol that is not watched, Missing where nothing of the kind is known.
        """


class Past(Protocol):
    """What the gateway may ask of a past second: `at` is ISO 8601 with offset, or HH:MM:SS.

    Each raises ConfigError for what is no past time, Missing for what is not recorded (its
    sentence says which days are), Unavailable when too many questions wait or one takes too long.
    """

    async def board(self, name: str, at: str) -> Mapping[str, Json]:
        """Return the board as it was at the last whole second, in the form of Boards.board."""

    async def query(self, sql: str, at: str) -> Mapping[str, Json]:
        """Answer a SELECT over `market` by "run", "as_of_ns", "rows"; raises ConfigError."""

    async def symbol(self, symbol: str, at: str) -> Row:
        """Return every column of one symbol, "run" and "as_of_ns"; raises Missing: not watched."""


class Scans(Protocol):
    """The questions as files: name, title, kind, header, text, version, own, shipped, fault ..."""

    def scans(self) -> Sequence[Mapping[str, Json]]:
        """Return all of them."""

    def scan(self, name: str) -> Mapping[str, Json]:
        """Return one; raises Missing."""

    async def write(self, name: str, text: str | None, version: str) -> Mapping[str, Json]:
        """Write a question (None: delete it) that still has `version`; return what is there now.

        `version` is empty for a new one, * for any. Raises ConfigError, Conflict, Missing.
        """

    def check(self, name: str, text: str) -> Mapping[str, Json]:
        """Return {"ok", "faults": [{"line", "column", "message"}], "warnings", "cost_us" ...}."""


class Trials(Protocol):
    """Texts of scans, tried on a recorded day before they are saved."""

    async def run(self, name: str, text: str) -> Mapping[str, Json]:
        """Return what a text fires, its difference to the saved one, and its fixtures' outcomes."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Say which records of signals are wanted; what is empty is not asked for."""

    scan: str = ""
    symbol: str = ""
    state: str = ""
    """One, or several with commas."""
    since_ns: int = 0
    limit: int = 100
    until_ns: int = 0
    """The last mark that is wanted; 0: any."""

    @property
    def states(self) -> tuple[str, ...]:
        """Return the states that are wanted; none: all."""
        return tuple(filter(None, self.state.split(",")))

    def fits(self, signal: Signal) -> bool:
        """Tell whether a record is wanted."""
        return (
            self.scan in ("", signal.scan)
            and self.symbol in ("", signal.symbol)
            and (not self.state or signal.state in self.states)
            and self.since_ns <= signal.mark
            and (not self.until_ns or signal.mark <= self.until_ns)
        )


class Quarantine(Protocol):
    """The prints that are held as doubtful, and what somebody rules of them."""

    def prints(self, ruling: str, limit: int) -> Sequence[Mapping[str, Json]]:
        """Return {"id","symbol","ts_ns","price","size","reference","ruling"}, newest first.

        `ruling` is held, accepted or rejected; empty for all.
        """

    def rule(self, name: str, accept: bool) -> Mapping[str, Json]:
        """Accept or reject a held print by its id; raises Missing, and Conflict if it was ruled on."""


class Reasons(Protocol):
    """Why a row is, or is not, on a board or fired by a scan or strategy; and the log of signals.

    `at` is a past time as in Past, empty for now. Each raises Missing, which names the nearest
    known name, and what Past raises.
    """

    async def why(self, symbol: str, scan: str, at: str) -> Mapping[str, Json]:
        """Return {"symbol","scan","ts_ns","true","leaves","failed","muted","text","signal" ...}."""

    async def near(self, scan: str, limit: int, at: str) -> Mapping[str, Json]:
        """Return {"armed":[symbol],"misses":[{"symbol","leaf","by","text"}]}: who comes nearest."""

    async def signals(self, wanted: Wanted) -> Sequence[Signal]:
        """Return records of this and earlier runs, the newest first."""


class Records(Protocol):
    """The track records of scans and strategies: what followed their live signals."""

    async def records(self) -> Sequence[ScanRecord]:
        """Return the records of all scans that have fired."""

    async def record(self, scan: str) -> ScanRecord:
        """Return one scan's record; raises Missing, which names the nearest known one."""


@dataclass(frozen=True, slots=True)
class WantedOrders:
    """Say which orders or fills are wanted; `open` stands for all states that may still fill."""

    desk: str = "main"
    state: str = ""
    symbol: str = ""
    strategy: str = ""
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Document:
    """Hold one version of something that a user keeps: a layout, a watchlist, an alert's rule.

    `of` is the version whose body this one repeats (its own where it is new); `body` is None
    where it was deleted. Only shared ones are shown to others.
    """

    kind: str
    owner: str
    name: str
    version: int
    body: Json
    shared: bool = False
    changed_ns: int = 0
    of: int = 0


class Documents(Protocol):
    """What users keep on the server, with every version of the last 30 days."""

    async def list(self, kind: str, reader: str) -> Sequence[Document]:
        """Return the newest version of each of the reader's own and of the others' shared ones."""

    async def show(self, kind: str, owner: str, name: str, version: int = 0) -> Document:
        """Return a version (0: the newest that is not deleted); raises Missing."""

    async def history(self, kind: str, owner: str, name: str) -> Sequence[Document]:
        """Return the versions, the newest first; raises Missing."""

    async def write(self, document: Document, expected: str) -> Document:
        """Write the next version where the newest one is still `expected`.

        Empty: there must be none; *: any. `version` and `changed_ns` are given here. Raises
        Conflict, Missing (nothing to delete), Rejected (too many).
        """


@dataclass(frozen=True, slots=True)
class Account:
    """Describe a user; `role` is viewer, analyst, trader or admin."""

    name: str
    role: str
    disabled: bool = False
    created_ns: int = 0
    subject: str = ""
    """The issuer and subject of a sign-in elsewhere; empty for one with a password."""


@dataclass(frozen=True, slots=True)
class Credential:
    """Describe a session or an API key without its secret; `scopes` are a key's."""

    id: str
    owner: str
    kind: str
    """session or key."""
    label: str
    scopes: frozenset[str]
    created_ns: int
    expires_ns: int
    used_ns: int


@dataclass(frozen=True, slots=True)
class Identity:
    """Say who shows a credential."""

    account: Account
    credential: Credential


class Identities(Protocol):
    """Who shows which credential; answered from memory."""

    def any(self) -> bool:
        """Tell whether there are accounts: without one this machine's user may do everything."""

    async def identify(self, token: str) -> Identity | None:
        """Return who shows a session's or a key's token; None where it isn't valid."""

    def holds(self, id: str, role: str) -> bool:  # noqa: A002 - a credential's id
        """Tell whether a credential is still valid, and its owner still of `role`."""


class Accounts(Protocol):
    """The users; each raises Rejected with the reason, Missing for an unknown name."""

    async def accounts(self) -> Sequence[Account]:
        """Return all, by name."""

    async def write(self, account: Account, password: str | None, *, new: bool) -> Account:
        """Make a user or change one; None leaves the password. One admin always stays."""

    async def delete(self, name: str) -> None:
        """Delete a user with all that belongs to it."""

    async def verify(self, name: str, password: str) -> Account:
        """Return whose name and password these are."""


class Credentials(Protocol):
    """Sessions and API keys."""

    async def make(self, credential: Credential) -> str:
        """Make one and return its token, which is shown once; its id is given here."""

    async def credentials(self, owner: str) -> Sequence[Credential]:
        """Return a user's, the newest first."""

    async def end(self, owner: str, id: str) -> None:  # noqa: A002 - a credential's id
        """End one; raises Missing."""

    async def end_sessions(self, owner: str, but: str = "") -> None:
        """End a user's sessions, all but one."""


class Alerting(Protocol):
    """The ways to people, and what went over them."""

    async def channels(self, owner: str) -> Sequence[Mapping[str, Json]]:
        """Return {"name", "kind", "own", "version", "settings"} of each; secrets are masked."""

    async def write_channel(
        self, owner: str, name: str, body: Mapping[str, Json] | None, expected: str
    ) -> Mapping[str, Json]:
        """Write a channel {"kind", "settings"} of the owner's (None: delete it); raises Rejected."""

    async def test(self, owner: str, name: str) -> Mapping[str, Json]:
        """Send a test alert at once and return {"ok", "answer"}: the channel's own words."""

    async def deliveries(self, owner: str, limit: int) -> Sequence[Mapping[str, Json]]:
        """Return the owner's alerts with their receipts, the newest first."""


class AlertsTold(Protocol):
    """What was told on dashboards, from memory."""

    def newest(self, owner: str) -> Sequence[Mapping[str, Json]]:
        """Return a person's newest alerts, the oldest first."""


class OrderBooks(Protocol):
    """What the trader has done, by desk (main, dry); raises Unavailable where its log can't be read."""

    async def orders(self, wanted: WantedOrders) -> Sequence[Mapping[str, Json]]:
        """Return orders, the newest first, with their verdicts."""

    async def fills(self, wanted: WantedOrders) -> Sequence[Mapping[str, Json]]:
        """Return fills, the newest first."""

    async def positions(self, desk: str) -> Sequence[Mapping[str, Json]]:
        """Return what is held, by symbol."""

    async def pnl(self, desk: str) -> Mapping[str, Json]:
        """Return {"rows", "account"}: profit and loss by symbol, the total last."""


class Portfolios(Protocol):
    """The risk of what is held, by desk."""

    async def risk(self, desk: str, confidence: float, days: float) -> Mapping[str, Json]:
        """Return exposure, value at risk, expected shortfall and the picture of the simulation."""


class TradeDesk(Protocol):
    """What a person may ask of the trader; `by` is who asks. It works while the trader is down, too."""

    def status(self) -> Mapping[str, Json]:
        """Return {"state", "mode", "reason", "kill", "desks" ...}, from memory."""

    async def ask(self, what: str, subject: str, by: str) -> str:
        """Have the trader approve, decline (an order) or close (a symbol); return its answer.

        Raises Missing for what is not there, Unavailable when no trader answers.
        """

    async def kill(self, reason: str, by: str, flatten: bool) -> None:
        """Switch on; durable on return. Raises Unavailable."""

    async def arm(self, by: str) -> None:
        """Ask the trader to arm; durable on return. Raises Unavailable."""


class Bus(Protocol):
    """Carry topics from the engine to whoever asked; the newest state of a topic wins."""

    def publish(self, topic: str, state: Mapping[str, Json]) -> None: ...

    def subscribe(self, listener: Callable[[str, Mapping[str, Json]], None]) -> None:
        """Call `listener(topic, state)` for each publication, in order, in this thread."""

    def want(self, topic: str, wanted: bool) -> None:
        """Tell that somebody watches `topic` (or no longer): only wanted topics are reckoned."""

    def wanted(self) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True)
class Ranked:
    """Hold a board's row: `score` is what it is sorted by, highest first, equal ones by symbol."""

    symbol: str
    score: float
    cells: Json = None


class Hot(Protocol):
    """Keep what may vanish: the boards' tops by partition, and rows, each for a while.

    The top K of the union of the partitions' tops is the market's top K. Raises Unavailable.
    """

    async def put_top(
        self, board: str, partition: str, top: Sequence[Ranked], ttl_s: float
    ) -> None:
        """Replace what a partition has on a board; without another it is gone after `ttl_s`."""

    async def top(self, board: str, most: int) -> Sequence[Ranked]:
        """Return the first rows of the union of all partitions."""

    async def put_rows(self, rows: Mapping[str, Json], ttl_s: float) -> None:
        """Replace rows by symbol; each is gone after `ttl_s`."""

    async def row(self, symbol: str) -> Json:
        """Return a row; None where there is none, or no longer."""


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """Bound a queue; 0 is no bound.

    Older messages than `age_s`, and the oldest beyond `length`, are lost and told; a message that
    was handed back `tries` times is put into quarantine. A `shared` queue has many consumers at once,
    each message for one of them: a consumer that is stopped holds up a part alone. What a `quiet` queue
    loses is told nobody. One that nobody has used for `idle_s` goes.
    """

    age_s: float = 0.0
    length: int = 0
    tries: int = 0
    shared: bool = False
    size_bytes: int = 0
    idle_s: float = 0.0
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """Hold a message that was taken; `tag` is the queue's own."""

    body: bytes
    tag: Json = None
    again: bool = False
    """Whether it was taken before: what it does must have no effect twice."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Tell what a queue did not deliver: `why` is expired, shed or quarantined."""

    why: str
    body: bytes


class Queue(Protocol):
    """Carry messages to one consumer at a time, in order, at least once. Raises Unavailable."""

    async def put(self, body: bytes) -> None:
        """Put a message; the queue has it when this returns."""

    def messages(self) -> AsyncIterator[Message]:
        """Yield messages; a second consumer waits until the first one has gone."""

    async def done(self, message: Message, *, ok: bool = True) -> None:
        """Say that a message is dealt with, or hand it back."""

    def lost(self) -> AsyncIterator[Lost]:
        """Yield what was lost, once each: whoever reads it counts it and marks the gap."""


@runtime_checkable
class Closes(Protocol):
    """What holds a connection."""

    async def close(self) -> None:
        """Close it."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Hold a lease; a later one of the name has a higher token, so an older one can be refused."""

    name: str
    owner: str
    token: int


class Leases(Protocol):
    """Let one process at a time own a name, such as a feed's key. Raises Unavailable."""

    def take(
        self, name: str, owner: str, ttl_s: float, *, anew: bool = False, grace_s: float = 0.0
    ) -> Lease | None:
        """Take a lease that is free or over, or renew one's own; None while another holds it.

        One's own keeps its token, however long it was over, as long as nobody had it since; `anew`
        gives a new one, for it may be a forerunner's. What ran out is left to its owner for `grace_s`.
        """

    def holds(self, lease: Lease) -> bool:
        """Tell whether it is still the newest, and not over."""

    def give_up(self, lease: Lease) -> None:
        """Let another take it at once; nothing where it isn't the newest."""


class History(Protocol):
    """Keep what is validated, by day; what is written twice is there once. Raises Unavailable."""

    def write_trades(self, rows: Sequence[tuple[int, str, int, float, float]]) -> int:
        """Write (ts_ns, symbol, seq, price, size); return how many are new."""

    def write_bars(self, rows: Sequence[tuple[int, str, float, float, float, float, float]]) -> int:
        """Write minute bars (start_ns, symbol, open, high, low, close, volume); newer ones replace."""

    def write_signals(self, run: str, signals: Sequence[Signal]) -> int:
        """Write a run's records of signals; return how many are new."""

    def sums(self, table: str, day: dt.date) -> tuple[int, float, float]:
        """Return count, sum of prices and sum of sizes of a UTC day; `table` is trades or bars."""


class Broker(Protocol):
    """Where orders go. Each method is one question to the venue; no retries, no memory of its own.

    `idempotent` says that the venue refuses a client order id that it has seen: an order of
    unknown outcome may then be sent again. `live` says that the money is real, `host` where it
    answers: empty for one in this process.
    """

    name: str
    host: str
    live: bool
    idempotent: bool

    async def submit(self, request: OrderRequest) -> Report:
        """Send an order under its id and return the venue's word: rejected is a word as well.

        A repeated id is answered with the order that has it. Raises Unavailable when the venue
        did not answer, or not clearly: the order is UNKNOWN then.
        """

    async def cancel(self, order: Order) -> None:
        """Ask for a cancel; what came of it is told by `reports` or `look`. Raises Unavailable."""

    async def look(self, ids: Sequence[str]) -> Statement:
        """Return account, holdings, all open orders, and those of `ids` that the venue knows.

        The parts may be read one after the other: holdings last. Raises Unavailable.
        """

    def reports(self) -> AsyncIterator[Report]:
        """Yield what the venue pushes; raises Unavailable when the stream breaks.

        There is no replay: the desk looks after each (re)connect.
        """


class QuoteSource(Protocol):
    """A broker's own quotes. A broker module offers one by `quotes(settings)`, or None for none."""

    def follow(self, symbols: frozenset[str]) -> None:
        """Follow these from now on, and no others."""

    def pictures(self) -> AsyncIterator[Picture]:
        """Yield each symbol's picture as it changes; raises Unavailable when the stream breaks."""


class OrderLog(Protocol):
    """Keep the trader's records: append-only, hash-chained, one writer of the newest epoch."""

    def append(self, records: Sequence[OrderRecord]) -> None:
        """Write records, all or none; they are durable when it returns.

        Raises Unavailable when the disk refuses, Conflict when a newer epoch has begun.
        """

    def records(self) -> Iterator[OrderRecord]:
        """Yield every record from the first; raises ConfigError where the chain is broken."""

    def begin(self, ts_ns: int) -> int:
        """Fence off every earlier writer, and return the epoch that begins; raises Unavailable."""

    def held(self) -> bool:
        """Tell whether no newer epoch has begun: asked right before each send."""


class KillSwitch(Protocol):
    """Keep the kill switch where a person reaches it with nothing running, and past a restart."""

    def read(self) -> Killed | Armed | None:
        """Return what was last asked for; None = nothing since the desk took it in."""

    def trip(self, killed: Killed) -> None:
        """Keep it on until a person arms; raises Unavailable when it can't be kept."""

    def clear(self, asked: Killed | Armed) -> None:
        """Forget what was asked for, unless something else was asked since. Raises Unavailable."""


class Prices(Protocol):
    """Where the desk's pictures of the market come from: the gateway, or the broker's quotes."""

    def picture(self, symbol: str) -> Picture | None:
        """Return the newest picture of a symbol; None = nothing is known."""

    def watch(self, symbols: frozenset[str]) -> None:
        """Let these symbols be kept up to date, and no others."""
