"""Positions and orders as records add up, whatever order and number the venue's words come in."""

from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapelight.errors import Bug
from tapelight.model.order_log import Intended, Reported, Sent
from tapelight.model.orders import Approved, Fill, OrderRequest, Position, Report
from tapelight.orders.book import Book
from tapelight.orders.positions import added, split, unrealised


def request(id_: str = "tl-1", side: str = "buy", quantity: int = 300) -> OrderRequest:
    return OrderRequest(
        id=id_, cause=f"cause of {id_}", purpose="entry", symbol="AAA",
        side=side, quantity=Decimal(quantity), kind="limit", limit=Decimal(10),  # type: ignore[arg-type]
    )  # fmt: skip


def sent(*requests: OrderRequest) -> Book:
    book = Book()
    for asked in requests:
        book.apply(Intended(1, asked, Approved(1)))
        book.apply(Sent(1, asked.id))
    return book


def hear(book: Book, *reports: Report) -> None:
    for report in reports:
        if book.told(report):
            book.apply(Reported(2, report, book.fill_of(report)))


STORY = (
    Report(order="tl-1", state="working", venue_id="v1"),
    Report(order="tl-1", state="working", venue_id="v1", filled=Decimal(100),
           average=Decimal("10.00"), fee=Decimal("0.5")),
    Report(order="tl-1", state="working", venue_id="v1", filled=Decimal(200),
           average=Decimal("10.01"), fee=Decimal("1.0")),
    Report(order="tl-1", state="filled", venue_id="v1", filled=Decimal(300),
           average=Decimal("10.02"), fee=Decimal("1.5")),
)  # fmt: skip


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_words_in_any_order_and_twice_come_to_the_same(order: tuple[int, ...]) -> None:
    book = sent(request())
    hear(book, *(STORY[i] for i in order), *STORY)
    known, position = book.orders["tl-1"], book.positions["AAA"]
    assert (known.state, known.filled, known.fee) == ("filled", 300, Decimal("1.5"))
    assert (position.quantity, position.average) == (300, Decimal("10.02"))
    assert sum(f.quantity for f in book.fills) == 300
    assert sum(f.price * f.quantity for f in book.fills) == Decimal("3006.00")
    assert book.live == {}


def test_a_fill_costs_what_the_average_grew_by() -> None:
    book = sent(request())
    hear(book, *STORY)
    assert [fill.price for fill in book.fills] == [
        Decimal("10.00"), Decimal("10.02"), Decimal("10.04"),
    ]  # fmt: skip


def test_what_is_final_stays_but_a_late_fill_counts() -> None:
    book = sent(request())
    hear(book, Report(order="tl-1", state="cancelled"))
    hear(book, STORY[0])
    assert book.orders["tl-1"].state == "cancelled"
    hear(book, STORY[1])
    assert book.orders["tl-1"].state == "cancelled"
    assert book.quantity("AAA") == 100


def test_what_was_lost_may_be_found() -> None:
    book = sent(request())
    hear(book, Report(order="tl-1", state="lost"))
    assert book.live == {}
    hear(book, STORY[1])
    assert book.orders["tl-1"].state == "working"
    assert book.quantity("AAA") == 100


def test_a_fill_without_a_price_is_not_booked() -> None:
    book = sent(request())
    bare = Report(order="tl-1", state="filled", filled=Decimal(300))
    assert not book.told(bare)
    with pytest.raises(Bug, match="names no price"):
        book.fill_of(bare)


def test_an_intent_has_one_record() -> None:
    book = sent(request())
    with pytest.raises(Bug, match="twice"):
        book.apply(Intended(3, request(), Approved(3)))


def fill(signed: int, price: str) -> Fill:
    return Fill(
        order="tl-1", symbol="AAA", side="buy" if signed > 0 else "sell",
        quantity=Decimal(abs(signed)), price=Decimal(price), cumulative=Decimal(0),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fills", "quantity", "average", "realised"),
    [
        ([(100, "10"), (100, "12")], 200, "11", "0"),
        ([(100, "10"), (100, "12"), (-150, "13")], 50, "11", "300"),
        ([(100, "10"), (-300, "9")], -200, "9", "-100"),
        ([(-100, "10"), (100, "9")], 0, "0", "100"),
        ([(-100, "10"), (-100, "12"), (250, "10")], 50, "10", "200"),
    ],
)
def test_positions_by_average_cost(
    fills: list[tuple[int, str]], quantity: int, average: str, realised: str
) -> None:
    position = Position(symbol="AAA")
    for signed, price in fills:
        position = added(position, fill(signed, price), ours=True)
    assert position.quantity == quantity
    assert position.average == Decimal(average)
    assert position.realised == Decimal(realised)


@given(
    st.lists(
        st.tuples(st.integers(-500, 500).filter(bool), st.integers(100, 9_999), st.booleans()),
        max_size=30,
    )
)
@settings(max_examples=200, deadline=None)
def test_money_adds_up_whatever_is_traded(trades: list[tuple[int, int, bool]]) -> None:
    position, cash = Position(symbol="AAA"), Decimal(0)
    for signed, cents, ours in trades:
        price = Decimal(cents) / 100
        position = added(position, fill(signed, str(price)), ours)
        cash -= signed * price
        assert 0 <= position.ours * (1 if position.quantity > 0 else -1) <= abs(position.quantity)
    worth = position.realised + unrealised(position, Decimal(50))
    assert abs(worth - (cash + position.quantity * 50)) < Decimal("1e-15")
    assert position.quantity == position.bought - position.sold


def test_a_split_keeps_the_cost() -> None:
    before = added(Position(symbol="AAA"), fill(300, "20"), ours=True)
    after = split(before, Decimal(100), "AAB")
    assert (after.symbol, after.quantity, after.ours) == ("AAB", 100, 100)
    assert (after.average, after.bought - after.sold) == (60, 100)
