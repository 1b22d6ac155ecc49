"""What a strategy did, and how the broker's desk differs from the paper one."""

from decimal import Decimal

from tapelight.model.order_log import Intended, OrderRecord, Reported, Sent
from tapelight.model.orders import Approved, Fill, OrderRequest, Refused, Report
from tapelight.orders.book import Book
from tapelight.orders.proving import differences, records

MS = 1_000_000
DAY_NS = 86_400 * 10**9


def order(cause: str, price: str, ts_ns: int, purpose: str = "entry") -> list[OrderRecord]:
    """Return the records of an order of ten shares that filled 20 ms after its signal."""
    side = "buy" if purpose == "entry" else "sell"
    request = OrderRequest(
        id=f"tl-{cause}-{purpose}", cause=cause, purpose=purpose, symbol="AAA", side=side,  # type: ignore[arg-type]
        quantity=Decimal(10), kind="limit", limit=Decimal(price), strategy="own", made_ns=ts_ns,
        signal_ns=ts_ns,
    )  # fmt: skip
    fill = Fill(
        order=request.id, symbol="AAA", side=request.side, quantity=Decimal(10),
        price=Decimal(price), cumulative=Decimal(10), fee=Decimal("0.10"),
    )  # fmt: skip
    report = Report(
        order=request.id, state="filled", filled=Decimal(10), average=Decimal(price),
        fee=Decimal("0.10"),
    )  # fmt: skip
    return [
        Intended(ts_ns, request, Approved(ts_ns)), Sent(ts_ns, request.id),
        Reported(ts_ns + 20 * MS, report, fill),
    ]  # fmt: skip


def refused(cause: str, ts_ns: int) -> OrderRecord:
    request = OrderRequest(
        id=f"tl-{cause}-entry", cause=cause, purpose="entry", symbol="AAA", side="buy",
        quantity=Decimal(10), kind="limit", limit=Decimal(10), strategy="own", made_ns=ts_ns,
    )  # fmt: skip
    return Intended(ts_ns, request, Refused(ts_ns, "spread", "too wide"))


def day_of(ts_ns: int) -> str:
    return str(ts_ns // DAY_NS)


def test_a_strategy_is_known_by_its_days_its_entries_and_its_profit() -> None:
    book = Book(
        [*order("s1", "20.00", 1), *order("s1", "20.50", 2, "exit"), refused("s2", DAY_NS + 1),
         *order("s3", "21.00", 2 * DAY_NS + 1)]
    )  # fmt: skip
    (one,) = records(book, day_of).values()
    assert (one.strategy, one.entries, one.refused, one.filled) == ("own", 3, 1, 2)
    assert one.on == {"0", "2"}, "on day 1 all was refused"
    assert one.realised == Decimal("5.00") - Decimal("0.30")


def test_the_same_signal_at_both_desks_is_compared() -> None:
    book = Book([*order("s1", "20.04", 5 * MS), *order("s2", "30", 9 * MS)])
    dry = Book([*order("s1", "20.00", 5 * MS), refused("s2", 9 * MS), *order("s4", "1", 9 * MS)])
    first, second = differences(book, dry)
    assert (first.cause, first.state, first.dry_state) == ("s1", "filled", "filled")
    assert first.worse_bps == Decimal(20)
    assert (first.delay_ms, first.dry_delay_ms) == (20.0, 20.0)
    assert (second.cause, second.dry_state, second.worse_bps) == ("s2", "refused", None)
    assert second.dry_delay_ms is None
