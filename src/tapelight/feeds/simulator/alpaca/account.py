"""The simulated account: cash, positions, buying power, day trades."""

from dataclasses import dataclass, field
from decimal import Decimal

from tapelight.feeds.simulator.alpaca.order import ZERO, id_of, text

DAY_TRADER_EQUITY = Decimal(25_000)
FREE_DAY_TRADES = 3
START_CASH = Decimal(100_000)


@dataclass(slots=True)
class Position:
    """Hold what is owned of a symbol; a short position has negative shares."""

    symbol: str
    row: int
    qty: Decimal = ZERO
    cost: Decimal = ZERO
    """Of what is held, at the mean entry price; negative for a short position."""
    opened_today: Decimal = ZERO
    """Shares that were opened in this session."""

    @property
    def average(self) -> Decimal:
        """Return the mean entry price."""
        return self.cost / self.qty if self.qty else ZERO


@dataclass(slots=True)
class Account:
    """Hold one margin account."""

    cash: Decimal = START_CASH
    last_equity: Decimal = START_CASH
    positions: dict[str, Position] = field(default_factory=dict)
    daytrades: int = 0
    counted: set[str] = field(default_factory=set)
    """Orders that closed what was opened the same day."""
    trading_blocked: bool = False
    account_blocked: bool = False
    shorting_enabled: bool = True

    def position(self, symbol: str) -> Decimal:
        """Return the shares held of a symbol, negative when short."""
        held = self.positions.get(symbol)
        return held.qty if held else ZERO

    def fill(self, symbol: str, row: int, signed: Decimal, price: Decimal, order: str) -> Decimal:
        """Book a fill of `signed` shares; return the position after it."""
        held = self.positions.setdefault(symbol, Position(symbol, row))
        self.cash -= signed * price
        closing = min(abs(signed), abs(held.qty)) if held.qty * signed < 0 else ZERO
        if closing:
            held.cost -= held.average * closing * (1 if held.qty > 0 else -1)
            self._note_day_trade(held, closing, order)
        opening = abs(signed) - closing
        held.qty += signed
        held.opened_today += opening
        held.cost += opening * price * (1 if signed > 0 else -1)
        if not held.qty:
            del self.positions[symbol]
        return held.qty

    def _note_day_trade(self, held: Position, closing: Decimal, order: str) -> None:
        if held.opened_today > 0 and order not in self.counted:
            self.counted.add(order)
            self.daytrades += 1
        held.opened_today = max(ZERO, held.opened_today - closing)

    def split(self, symbol: str, old: Decimal, new: Decimal) -> None:
        """Let each `old` shares of a symbol become `new` ones."""
        held = self.positions.get(symbol)
        if held is not None:
            held.qty = held.qty * new / old

    def begin_day(self, equity: Decimal) -> None:
        """Begin a session: nothing has been opened in it."""
        self.last_equity = equity
        for held in self.positions.values():
            held.opened_today = ZERO

    def forms(self, marks: dict[str, Decimal], reserved: Decimal) -> dict[str, object]:
        """Return Alpaca's JSON; `marks` are prices by symbol, `reserved` is what orders may cost."""
        long = sum((p.qty * marks[s] for s, p in self.positions.items() if p.qty > 0), ZERO)
        short = sum((p.qty * marks[s] for s, p in self.positions.items() if p.qty < 0), ZERO)
        equity = self.cash + long + short
        power = self.buying_power(marks, reserved)
        money = {
            "cash": self.cash, "equity": equity, "last_equity": self.last_equity,
            "portfolio_value": equity, "buying_power": power, "daytrading_buying_power": power,
            "regt_buying_power": max(ZERO, 2 * equity - long + short - reserved),
            "non_marginable_buying_power": max(ZERO, self.cash - reserved),
            "long_market_value": long, "short_market_value": short,
            "initial_margin": (long - short) / 2, "maintenance_margin": (long - short) * 3 / 10,
            "accrued_fees": ZERO,
        }  # fmt: skip
        return {
            "id": id_of("account"), "account_number": "PA0SIMULATED", "status": "ACTIVE",
            "crypto_status": "INACTIVE", "currency": "USD",
            **{name: text(round(value, 2)) for name, value in money.items()},
            "multiplier": text(self.multiplier(equity)), "daytrade_count": self.daytrades,
            "pattern_day_trader": self.daytrades > FREE_DAY_TRADES,
            "trading_blocked": self.trading_blocked, "transfers_blocked": False,
            "account_blocked": self.account_blocked, "trade_suspended_by_user": False,
            "shorting_enabled": self.shorting_enabled, "created_at": "2026-01-02T14:30:00Z",
        }  # fmt: skip

    def equity(self, marks: dict[str, Decimal]) -> Decimal:
        """Return cash and positions at `marks`."""
        return self.cash + sum((p.qty * marks[s] for s, p in self.positions.items()), ZERO)

    def buying_power(self, marks: dict[str, Decimal], reserved: Decimal) -> Decimal:
        """Return multiplier x equity less gross exposure and open orders."""
        equity = self.equity(marks)
        gross = sum((abs(p.qty) * marks[s] for s, p in self.positions.items()), ZERO)
        return max(ZERO, self.multiplier(equity) * equity - gross - reserved)

    @staticmethod
    def multiplier(equity: Decimal) -> Decimal:
        """Return 4 for an account that may day-trade, else 2."""
        return Decimal(4 if equity >= DAY_TRADER_EQUITY else 2)


def form(held: Position, mark: Decimal, before: Decimal, available: Decimal) -> dict[str, object]:
    """Return Alpaca's JSON of a position; `before` is the previous close."""
    value, gain = held.qty * mark, held.qty * mark - held.cost
    return {
        "asset_id": id_of("asset", held.symbol), "symbol": held.symbol, "exchange": "NASDAQ",
        "asset_class": "us_equity", "asset_marginable": True, "qty": text(held.qty),
        "qty_available": text(available), "avg_entry_price": text(round(held.average, 6)),
        "side": "long" if held.qty > 0 else "short", "market_value": text(round(value, 4)),
        "cost_basis": text(round(held.cost, 4)), "unrealized_pl": text(round(gain, 4)),
        "unrealized_plpc": text(round(gain / abs(held.cost), 6)) if held.cost else "0",
        "unrealized_intraday_pl": text(round(gain, 4)),
        "unrealized_intraday_plpc": text(round(gain / abs(held.cost), 6)) if held.cost else "0",
        "current_price": text(mark), "lastday_price": text(before),
        "change_today": text(round(mark / before - 1, 6)) if before else "0",
    }  # fmt: skip
