"""Everything that may enter the engine: the records of the journal, in one ordered stream."""

from dataclasses import dataclass, field

import msgspec
import numpy as np
import numpy.typing as npt

from tapelight.model.batch import Bars, Batch, Floats, Int32s, Int64s, Trades
from tapelight.model.conditions import ConditionRules
from tapelight.model.options import Chain


class Symbols(msgspec.Struct, frozen=True, tag="symbols"):
    """Add symbols to the universe, in row order, starting at row `first`."""

    first: int
    symbols: list[str]


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """Say what is known of a symbol before its session; None is unknown, never a guess.

    Prices are split-adjusted as of today, once. `sources` names where a figure comes from.
    """

    symbol: str
    name: str | None = None
    exchange: str | None = None
    """MIC of the listing market."""
    exchange_id: int = 0
    """The provider's id of the listing market, as in `Trades.exchange`; 0 unknown."""
    type: str | None = None
    """CS, ADR, ETF, WARRANT, UNIT, RIGHT, PFD ..."""
    sector: str | None = None
    industry: str | None = None
    prev_close: float | None = None
    prev_high: float | None = None
    prev_low: float | None = None
    prev_volume: float | None = None
    prev_chg_pct: float | None = None
    adv20: float | None = None
    """Mean full-day volume of up to 20 full sessions, shares."""
    adv_sessions: int = 0
    atr14: float | None = None
    hv20: float | None = None
    w52_high: float | None = None
    w52_low: float | None = None
    shares_out: float | None = None
    float_shares: float | None = None
    float_asof: str | None = None
    float_src: str | None = None
    short_interest: float | None = None
    sma50d: float | None = None
    sma200d: float | None = None
    ipo_date: str | None = None
    split_today: float | None = None
    """split_from / split_to of a split effective today."""
    beta_spy: float | None = None
    """Of up to 60 daily log returns, 20 at least."""
    corr_spy_20d: float | None = None
    """Of the last 20 daily log returns."""
    corr_sector_20d: float | None = None
    """With the fund of its sector."""
    runner_days_1y: int | None = None
    """Days of the last 52 weeks that closed 30 % or more above the day before."""
    best_day_1y_pct: float | None = None


class References(msgspec.Struct, frozen=True, tag="references"):
    """Bring reference data for many symbols; a later one for a symbol replaces the earlier."""

    session: str
    """The session date (ISO) for which these hold."""
    references: list[Reference]


class CalendarChoice(msgspec.Struct, frozen=True, tag="calendar"):
    """Name the calendar whose sessions and sale-condition rules hold: XNYS, XNSE, 24x7."""

    name: str


class Rules(msgspec.Struct, frozen=True, tag="rules"):
    """Bring the sale-condition rules that a provider publishes."""

    rules: ConditionRules


class Questions(msgspec.Struct, frozen=True, tag="questions"):
    """Bring the texts of all boards and scans: name -> file text. Replaces the earlier set."""

    texts: dict[str, str]


class StrategyChoice(msgspec.Struct, frozen=True, kw_only=True):
    """Say with which code and parameters a strategy runs."""

    version: str
    """Hash of its source text and parameters."""
    parameters: str = ""
    """TOML; what it does not name has its default."""
    source: str = ""
    """The text of a user's own strategy, so that a replay runs the same; empty for a shipped one."""


class Strategies(msgspec.Struct, frozen=True, tag="strategies"):
    """Bring all strategies that run, by name. Replaces the earlier set."""

    chosen: dict[str, StrategyChoice]


class Disabled(msgspec.Struct, frozen=True, tag="disabled"):
    """Switch a strategy off: it took longer than its budget. Its code or parameters may change."""

    ts_ns: int
    name: str
    reason: str


class FeedState(msgspec.Struct, frozen=True, tag="feed"):
    """Say that a feed's state changed.

    connecting, live, gap (a hole opened), polling (another source serves), healing, closed.
    """

    ts_ns: int
    feed: str
    state: str
    detail: str = ""
    provisional: bool = False
    """Whether rows may lack events since `since_ns`, until a snapshot closes the hole."""
    since_ns: int = 0
    heals: bool = False
    """Whether the missed trades will be fetched: a snapshot does not end the hole then."""
    absent: tuple[str, ...] = ()
    """Symbols that the provider refuses: their rows are provisional, whatever the others are."""


class Halt(msgspec.Struct, frozen=True, tag="halt"):
    """Say that trading in a symbol halted or resumed, as one of perhaps several sources tells it.

    `ts_ns` is when it happened, not when it was told: a slower source's word of what is over by
    now changes nothing.
    """

    ts_ns: int
    symbol: str
    halted: bool
    code: str = ""
    resume_ns: int = 0
    """When trading is announced to resume; 0 unknown."""
    source: str = ""


class Print(msgspec.Struct, frozen=True):
    """Hold one trade outside a batch."""

    ts_ns: int
    price: float
    size: float
    conditions: int = 0
    """Bit mask, see `model.conditions`."""
    exchange: int = 0


class Correction(msgspec.Struct, frozen=True, tag="correction"):
    """Take back a trade that was cancelled, or put another in its place."""

    ts_ns: int
    """When it was cancelled or corrected."""
    symbol: str
    wrong: Print
    """The trade as it was folded."""
    right: Print | None = None
    """What stands instead, with the wrong one's time; None: nothing does."""
    rest: tuple[Print, ...] = ()
    """The other trades of its minute, in arrival order, as far as they are known."""


class Ruling(msgspec.Struct, frozen=True, tag="ruling"):
    """Accept or reject a print that the quarantine holds."""

    ts_ns: int
    symbol: str
    print_ns: int
    price: float
    accepted: bool


class Article(msgspec.Struct, frozen=True):
    """Hold a news article: plain text, the symbols that it names, what it is about."""

    id: str
    published_ns: int
    headline: str
    symbols: tuple[str, ...]
    source: str = ""
    tags: tuple[str, ...] = ()
    form: str = ""
    """A filing's form, such as 8-K; empty for news."""


class News(msgspec.Struct, frozen=True, tag="news"):
    """Bring articles that were not known before; none says that the source is there."""

    ts_ns: int
    articles: tuple[Article, ...] = ()
    gone: bool = False
    """Whether the source has failed so long that nobody knows of its news any more."""
    source: str = ""
    """Who tells: empty for the provider's news, edgar for filings."""


class Pin(msgspec.Struct, frozen=True, tag="pin"):
    """Keep a symbol in tier 2 whatever it does, or no longer."""

    symbol: str
    pinned: bool = True


class TierGate(msgspec.Struct, frozen=True, tag="gate"):
    """Replace the gate of tier 2."""

    where: str = ""
    """A condition over columns of tier 1; empty for the default one."""
    most: int = 2_000
    """Rows in tier 2 at the most; of more the ones with most dollars traded are taken."""
    stay_s: float = 120.0
    """How long a row stays after its last reason, seconds."""


class TierWorkers(msgspec.Struct, frozen=True, tag="tier_workers"):
    """Say on how many worker processes tier 2 is reckoned; 0: in the engine itself, at each cut."""

    count: int


class TierValues(msgspec.Struct, frozen=True):
    """Hold values of series of one timeframe, row by row within each series."""

    series: tuple[str, ...]
    """The series' keys, such as rsi(14, 1m)."""
    rows: bytes
    """int32."""
    values: bytes
    """float64, shape (series, rows)."""


class TierResult(msgspec.Struct, frozen=True, tag="tier"):
    """Bring what a worker reckoned of the state at `cut_ns`; seen from the first mark at `due_ns`."""

    cut_ns: int
    due_ns: int
    parts: tuple[TierValues, ...]
    tier: int = 2
    """2: the series are indicators; 3: figures of option chains."""


class Mark(msgspec.Struct, frozen=True, tag="mark"):
    """Close a cycle: everything up to here is in, ask what is due at market time `ts_ns`.

    `complete_ns` is the market time up to which the feed is known to be complete.
    """

    ts_ns: int
    complete_ns: int


class Digest(msgspec.Struct, frozen=True, tag="digest"):
    """Witness, not input: the engine's running digest after the mark at `ts_ns`."""

    ts_ns: int
    digest: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Bring the provider's picture of the day so far, one element a symbol; NaN is unknown.

    A trade whose event time is not above `updated_ns` is already inside the figures.
    """

    ts_recv_ns: int
    row: Int32s
    updated_ns: Int64s
    last: Floats
    volume: Floats
    """Since 04:00 New York, shares."""
    open: Floats
    high: Floats
    """Regular session."""
    low: Floats
    vwap: Floats
    """Regular session."""
    bid: Floats
    ask: Floats
    bid_size: Floats
    ask_size: Floats
    prev_close: Floats
    whole: bool = field(default=True, kw_only=True)
    """Whether it tells of all that the feed follows: then it ends a hole, else in its rows alone."""


@dataclass(frozen=True, slots=True)
class History:
    """Bring past minute bars of today's session that the stream did not: a backfill."""

    ts_recv_ns: int
    bars: Bars


@dataclass(frozen=True, slots=True)
class Healed:
    """Bring the trades that a hole missed: the time since `since_ns` is reckoned anew with them.

    A trade that the stream brought too bears the same sequence number, or is left out here.
    """

    ts_recv_ns: int
    since_ns: int
    """Up to here the stream was complete."""
    until_ns: int
    """From here on it was again."""
    missing: Int32s
    """Rows whose trades could not be had: their day is the snapshot's."""
    trades: Trades
    delay_ns: int = 0
    """How much older than its arrival a trade of this feed is."""


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Bring the volume baseline by time of day.

    `minute` is the market's share of a full day's volume in each minute from 04:00 to 20:00
    (960 elements, sum 1). `rows` name symbols with a profile of their own: `volume` is then
    the mean shares by minute, shape (len(rows), 960), over `sessions` sessions.
    """

    minute: Floats
    rows: Int32s
    volume: npt.NDArray[np.float32]
    sessions: Int32s
    session: str = ""
    """The session date (ISO) from which it holds; empty: from now on."""


Message = (
    Symbols
    | References
    | CalendarChoice
    | Rules
    | Questions
    | Strategies
    | Disabled
    | FeedState
    | Halt
    | Correction
    | Ruling
    | News
    | Pin
    | TierGate
    | TierWorkers
    | TierResult
    | Mark
    | Digest
)
Record = Message | Batch | Snapshot | History | Healed | Profile | Chain
