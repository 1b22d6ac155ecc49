"""OCC symbols: read from the end, written in both forms."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapelight.errors import Rejected
from tapelight.model.options import Contract, format_contract, parse_contract

SPY = Contract("SPY", dt.date(2025, 12, 19), call=True, strike=650.0)


def test_both_forms_are_one_contract() -> None:
    assert parse_contract("SPY   251219C00650000") == SPY
    assert parse_contract("O:SPY251219C00650000") == SPY
    assert format_contract(SPY) == "SPY   251219C00650000"
    assert format_contract(SPY, padded=False) == "O:SPY251219C00650000"


def test_a_digit_at_the_roots_end_marks_an_adjusted_contract() -> None:
    adjusted = parse_contract("O:AAPL1230616P00150500")
    assert adjusted == ("AAPL1", dt.date(2023, 6, 16), False, 150.5)
    assert adjusted.adjusted
    assert not SPY.adjusted


@pytest.mark.parametrize(
    "symbol",
    [
        "", "SPY", "O:251219C00650000", "O:TOOLONG251219C00650000", "O:SPY251219X00650000",
        "O:SPY251319C00650000", "O:SPY251219C0065000x", "O:SPY25121\uff19C00650000",
    ],
)  # fmt: skip
def test_anything_else_is_rejected(symbol: str) -> None:
    with pytest.raises(Rejected, match="is no OCC symbol"):
        parse_contract(symbol)


@pytest.mark.parametrize(
    "contract",
    [
        SPY._replace(strike=100_000.0),
        SPY._replace(strike=0.0),
        SPY._replace(root=""),
        SPY._replace(expiry=dt.date(2100, 1, 1)),
    ],
)
def test_what_does_not_fit_is_not_written(contract: Contract) -> None:
    with pytest.raises(Rejected, match="fit an OCC symbol"):
        format_contract(contract)


@given(
    st.from_regex(r"[A-Z]{1,5}[0-9]?", fullmatch=True),
    st.dates(dt.date(2000, 1, 1), dt.date(2099, 12, 31)), st.booleans(),
    st.integers(1, 99_999_999), st.booleans(),
)  # fmt: skip
def test_what_is_written_is_read_again(
    root: str, expiry: dt.date, call: bool, thousandths: int, padded: bool
) -> None:
    contract = Contract(root, expiry, call, thousandths / 1000.0)
    symbol = format_contract(contract, padded=padded)
    assert parse_contract(symbol) == contract
    assert not padded or len(symbol) == 21
