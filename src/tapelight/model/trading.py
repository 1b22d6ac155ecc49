"""What the trader tells of itself, for people and programs: its state, its limits and their use."""

from decimal import Decimal
from typing import Literal

import msgspec

from tapelight.model.limits import Mode
from tapelight.model.order_log import Killed
from tapelight.model.orders import Account

MAIN = "main"
"""The desk of the configured broker."""
DRY = "dry"
"""The paper desk beside a broker, and its folder below the data folder."""
TradeMode = Literal["off", "dry-run", "paper", "live"]
"""off: no trader has run. dry-run: orders go to the paper broker alone. paper: to an account of
play money at a broker. live: real money."""
TradeState = Literal["off", "stopped", "killed", "halted", "ready"]
"""stopped: it ran, and has not been heard of for a while. halted: it runs and sends no entry."""
UNHEARD_S = 3.0
"""A trader that has told nothing for this long has stopped."""


class LimitUse(msgspec.Struct, frozen=True):
    """Tell how much of a limit is used; `used` is None where that hangs on the order alone."""

    name: str
    unit: str
    most: str
    used: str | None = None
    where: str = ""
    """What uses it most: a symbol."""
    reached: bool = False


class DeskReport(msgspec.Struct, frozen=True, kw_only=True):
    """Tell the state of one desk: one account, one log."""

    name: str
    broker: str
    live: bool
    ready: bool
    """Whether the venue was asked what it has, and the log can be written."""
    fault: str
    killed: Killed | None
    unknown: int
    """Orders whose outcome nobody knows yet."""
    strangers: int
    """Open orders of the account that no record of ours explains."""
    adopted: int
    account: Account | None
    peak: Decimal | None
    """The day's highest equity, $."""
    approve_only: str = ""
    """Why every entry waits for a person; empty = those in `approve` alone do."""
    limits: tuple[LimitUse, ...]
    strategies: dict[str, Mode]


class TraderReport(msgspec.Struct, frozen=True, kw_only=True):
    """Tell the state of the trader's process, once or twice a second."""

    pid: int
    ts_s: float
    """Wall clock."""
    market_ns: int
    rate: float
    mode: TradeMode
    clock_sure: bool
    approve_s: float
    desks: tuple[DeskReport, ...]
