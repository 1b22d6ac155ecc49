"""A machine that asks risk for generated orders, and a second opinion on each verdict.

The opinion is written from the text of the limits over plain lists, and shares no code with risk.
"""

import datetime as dt
import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as use_seed
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from tapelight.model.limits import Limits
from tapelight.model.order_log import Adopted, Armed, Intended, Killed, Reported, Sent, Valued
from tapelight.model.orders import Account, Approved, Fill, OrderRequest, Picture, Report
from tapelight.model.session import calendar
from tapelight.orders.book import Book
from tapelight.orders.case import Moment
from tapelight.orders.risk import judge

NS = 1_000_000_000
MS = 1_000_000
SYMBOLS = ("AAA", "BBB", "CCC", "DDD")
SESSION = calendar("XNYS").session_on(dt.date(2026, 11, 20))
BATCH = 40

assert SESSION is not None
OPEN_NS = SESSION.open_ns


@dataclass
class Asked:
    """Hold an order of the second opinion's own list."""

    id: str
    symbol: str
    buys: bool
    shares: int
    limit: Decimal
    entry: bool
    ts_ns: int
    filled: int = 0
    open: bool = True


@dataclass
class Opinion:
    """Keep what was let go and what filled, and hold each verdict against the limits' text."""

    limits: Limits
    orders: list[Asked] = field(default_factory=list)
    held: dict[str, int] = field(default_factory=dict)
    paid: dict[str, Decimal] = field(default_factory=dict)
    """Entry price of what is held."""
    equity: Decimal = Decimal(100_000)
    power: Decimal = Decimal(100_000)
    valued_ns: int = 0
    killed: bool = False

    def why_not(self, new: Asked, picture: Picture | None, now_ns: int, age_ms: int) -> str:
        """Return the limit that an entry breaks; empty = none."""
        limits, value = self.limits, new.limit * new.shares
        entries = [o for o in self.orders if o.entry]
        works = [o for o in entries if o.open]
        broken = {
            "killed": self.killed,
            "shares": not 0 < new.shares <= limits.order_shares,
            "value": value > limits.order_value,
            "second": sum(o.ts_ns > now_ns - NS for o in entries) >= limits.orders_per_s,
            "minute": sum(o.ts_ns > now_ns - 60 * NS for o in entries) >= limits.orders_per_min,
            "day": len(entries) >= limits.orders_per_day,
            "repeats": sum(o.symbol == new.symbol for o in entries) >= limits.repeats_per_day,
            "same": any(
                (o.symbol, o.buys, o.shares) == (new.symbol, new.buys, new.shares)
                and now_ns - o.ts_ns < limits.repeat_s * NS
                for o in entries
            ),
            "old": not 0 <= age_ms <= limits.signal_age_ms,
            "market": self._bad_market(new, picture, now_ns),
            "against": (self.held.get(new.symbol, 0) > 0) != new.buys
            and self.held.get(new.symbol, 0) != 0,
            "crossed": any(o.symbol == new.symbol and o.buys != new.buys for o in works),
            "symbols": len(self._symbols() | {new.symbol}) > limits.open_positions,
            "symbol %": self._exposed(new.symbol) + value > self.equity * limits.symbol_pct / 100,
            "total %": sum(map(self._exposed, SYMBOLS), Decimal(0)) + value
            > self.equity * limits.total_pct / 100,
            "power": value + sum((o.limit * o.shares for o in entries if o.ts_ns > self.valued_ns),
                                 Decimal(0)) > self.power,
            "loss": self.equity <= 98_000,
            "short": not new.buys and self.held.get(new.symbol, 0) <= 0 and not limits.shorts,
        }  # fmt: skip
        return " ".join(name for name, breaks in broken.items() if breaks)

    def fits(self, new: Asked, now_ns: int) -> bool:
        """Tell whether an order that reduces stays within what is held and its pace."""
        held = self.held.get(new.symbol, 0)
        left = sum(o.shares - o.filled for o in self.orders
                   if o.symbol == new.symbol and o.open and not o.entry)  # fmt: skip
        pace = sum(not o.entry and o.ts_ns > now_ns - 60 * NS for o in self.orders)
        closes = held * (1 if new.buys else -1) < 0
        return closes and 0 < new.shares <= abs(held) - left and pace < self.limits.reducing_per_min

    def _bad_market(self, new: Asked, picture: Picture | None, now_ns: int) -> bool:
        if picture is None or picture.state != "LIVE" or now_ns - picture.ts_ns > 2_000 * MS:
            return True
        if picture.bid is None or picture.ask is None:
            return True
        bid, ask = Decimal(str(picture.bid)), Decimal(str(picture.ask))
        market = ask if new.buys else bid
        wide = (ask - bid) * 200 > self.limits.spread_pct * (ask + bid)
        return wide or abs(new.limit - market) * 100 > market * self.limits.collar_pct

    def _symbols(self) -> set[str]:
        held = {symbol for symbol, shares in self.held.items() if shares}
        return held | {o.symbol for o in self.orders if o.open}

    def _exposed(self, symbol: str) -> Decimal:
        works = sum((o.limit * (o.shares - o.filled) for o in self.orders
                     if o.symbol == symbol and o.open and o.entry), Decimal(0))  # fmt: skip
        return works + abs(self.held.get(symbol, 0)) * self.paid.get(symbol, Decimal(0))

    def fill(self, order: Asked, shares: int, price: Decimal) -> None:
        """Book a fill by average cost."""
        order.filled += shares
        self.move(order.symbol, shares if order.buys else -shares, price)

    def move(self, symbol: str, signed: int, price: Decimal) -> None:
        """Change what is held of a symbol."""
        before = self.held.get(symbol, 0)
        after = self.held[symbol] = before + signed
        if before * signed >= 0:
            cost = self.paid.get(symbol, Decimal(0)) * abs(before) + price * abs(signed)
            self.paid[symbol] = cost / abs(after) if after else Decimal(0)
        elif before * after < 0:
            self.paid[symbol] = price


SIZES = (0, 1, 7, 50, 100, 100, 200, 500, 600, 5_000, 6_000)
WRONGS = ("", "", "", "", "", "", "old", "stale", "unknown", "late", "wide", "future")
"""What may be wrong with an order's data."""
BYTES = 6
"""An order is drawn as so many bytes: drawing its fields one by one takes ten times as long."""
ORDERS = st.binary(min_size=BATCH * BYTES, max_size=BATCH * BYTES)


class LimitsMachine(RuleBasedStateMachine):
    """Ask for orders, let them fill and end, and let time pass."""

    asked = 0
    approved = 0
    took_us: ClassVar[list[float]] = []

    @initialize(
        per_s=st.sampled_from((1, 3, 10)), per_min=st.sampled_from((5, 30)),
        per_day=st.sampled_from((20, 200)), repeats=st.sampled_from((3, 50)),
        repeat_s=st.sampled_from((0.0, 5.0, 60.0)), positions=st.integers(1, 4),
        shorts=st.booleans(), total_pct=st.sampled_from((30, 60)),
    )  # fmt: skip
    def begin(
        self, per_s: int, per_min: int, per_day: int, repeats: int, repeat_s: float,
        positions: int, shorts: bool, total_pct: int,
    ) -> None:  # fmt: skip
        self.limits = Limits(
            orders_per_s=per_s, orders_per_min=per_min, orders_per_day=per_day,
            repeats_per_day=repeats, repeat_s=repeat_s, open_positions=positions, shorts=shorts,
            total_pct=Decimal(total_pct),
        )  # fmt: skip
        self.now_ns = OPEN_NS + 600 * NS
        self.book, self.opinion = Book(), Opinion(self.limits)
        self._value()

    @rule(drawn=ORDERS, gap_ms=st.sampled_from((0, 20, 700)))
    def ask(self, drawn: bytes, gap_ms: int) -> None:
        for place in range(0, len(drawn), BYTES):
            symbol, side, entry, size, off, wrong = drawn[place : place + BYTES]
            self.now_ns += gap_ms * MS
            self._ask(
                SYMBOLS[symbol % len(SYMBOLS)], side % 2 == 0, entry % 3 > 0,
                SIZES[size % len(SIZES)], off % 81 - 40, WRONGS[wrong % len(WRONGS)],
            )  # fmt: skip

    @rule(seconds=st.sampled_from((1, 10, 61)))
    def wait(self, seconds: int) -> None:
        self.now_ns += seconds * NS

    @rule(parts=st.lists(st.integers(1, 4), max_size=20))
    def fill(self, parts: list[int]) -> None:
        """Fill what is open, each a quarter to all of what is left."""
        works = [order for order in self.opinion.orders if order.open]
        for order, part in zip(works, parts, strict=False):
            shares = max((order.shares - order.filled) * part // 4, 1)
            self.opinion.fill(order, shares, order.limit)
            order.open = order.filled < order.shares
            self._report(order, "working" if order.open else "filled")

    @rule(which=st.lists(st.booleans(), max_size=20))
    def cancel(self, which: list[bool]) -> None:
        works = [order for order in self.opinion.orders if order.open]
        for order, ends in zip(works, which, strict=False):
            if ends:
                order.open = False
                self._report(order, "cancelled")

    @rule(symbol=st.sampled_from(SYMBOLS), signed=st.sampled_from((-300, -100, 20, 200)))
    def trade_by_hand(self, symbol: str, signed: int) -> None:
        self.opinion.move(symbol, signed, Decimal("20.00"))
        fill = Fill(
            order="", symbol=symbol, side="buy" if signed > 0 else "sell",
            quantity=Decimal(abs(signed)), price=Decimal("20.00"), cumulative=Decimal(0),
        )  # fmt: skip
        self.book.apply(Adopted(self.now_ns, fill, "by hand"))

    @rule(on=st.booleans())
    def kill(self, on: bool) -> None:
        self.opinion.killed = on
        record = Killed(self.now_ns, "a test", "a person") if on else Armed(self.now_ns, "a person")
        self.book.apply(record)

    @rule(equity=st.sampled_from((99_000, 100_000, 100_000, 97_000)),
          power=st.sampled_from((5_000, 100_000, 100_000)))  # fmt: skip
    def look(self, equity: int, power: int) -> None:
        self.opinion.equity, self.opinion.power = Decimal(equity), Decimal(power)
        self._value()

    def _value(self) -> None:
        account = Account(
            equity=self.opinion.equity, buying_power=self.opinion.power, last_equity=Decimal(100_000),
            may_short=True,
        )  # fmt: skip
        self.opinion.valued_ns = self.now_ns
        self.book.apply(Valued(self.now_ns, account, self.opinion.equity))

    def _ask(self, symbol: str, buys: bool, entry: bool, shares: int, off: int, wrong: str) -> None:
        ask = Decimal("20.02")
        picture = Picture(
            symbol=symbol, ts_ns=self.now_ns - (3_000 * MS if wrong == "late" else 10 * MS),
            state="STALE" if wrong == "stale" else "LIVE",
            bid=19.80 if wrong == "wide" else 20.00, ask=float(ask), last=20.01,
        )  # fmt: skip
        limit = ask + Decimal(off) / 100
        age_ms = {"old": 1_600, "future": -5}.get(wrong, 400)
        new = Asked(f"o{len(self.book.orders)}", symbol, buys, shares, limit, entry, self.now_ns)
        self._judge(new, None if wrong == "unknown" else picture, age_ms)

    def _judge(self, new: Asked, picture: Picture | None, age_ms: int) -> None:
        request = OrderRequest(
            id=new.id, cause=new.id, purpose="entry" if new.entry else "exit", symbol=new.symbol,
            side="buy" if new.buys else "sell", quantity=Decimal(new.shares), kind="limit",
            limit=new.limit, made_ns=self.now_ns, signal_ns=self.now_ns - age_ms * MS,
            plan_stop=new.limit - 1 if new.buys else new.limit + 1,
        )  # fmt: skip
        moment = Moment(self.now_ns, SESSION)
        begun_ns = time.perf_counter_ns()
        verdict = judge(request, self.book, picture, self.limits, moment)
        took_us = (time.perf_counter_ns() - begun_ns) / 1_000
        if isinstance(verdict, Approved):
            # Every rule was asked: the longest way there is.
            self.took_us.append(took_us)
        goes = isinstance(verdict, Approved)
        if new.entry:
            why = self.opinion.why_not(new, picture, self.now_ns, age_ms)
            assert goes == (why == ""), f"{verdict} though: {why or 'nothing is broken'}; {new}"
        else:
            assert goes == self.opinion.fits(new, self.now_ns), f"{verdict}; {new}"
        type(self).asked += 1
        self.book.apply(Intended(self.now_ns, request, verdict))
        if goes:
            type(self).approved += 1
            self.book.apply(Sent(self.now_ns, new.id))
            self.opinion.orders.append(new)

    def _report(self, order: Asked, state: str) -> None:
        report = Report(
            order=order.id, state=state, filled=Decimal(order.filled),  # type: ignore[arg-type]
            average=order.limit if order.filled else None, ts_ns=self.now_ns,
        )  # fmt: skip
        self.book.apply(Reported(self.now_ns, report, self.book.fill_of(report)))


def run_limits(count: int, seed: int) -> str:
    """Ask for `count` orders, and return what came of it; raises AssertionError at an escape."""
    found: list[float] = []
    machine = type("Machine", (LimitsMachine,), {"took_us": found})
    rules = settings(
        max_examples=100, stateful_step_count=25, deadline=None, database=None,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink],
    )  # fmt: skip
    while machine.asked < count:
        run_state_machine_as_test(use_seed(seed)(machine), settings=rules)
        seed += 1
    p99_us = sorted(found)[len(found) * 99 // 100]
    return (
        f"{machine.asked} orders asked, {machine.approved} approved, escapes 0, "
        f"their verdict p50 {sorted(found)[len(found) // 2]:.0f} us, p99 {p99_us:.0f} us"
    )
