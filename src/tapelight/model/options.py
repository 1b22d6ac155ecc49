"""Option contracts: their OCC symbols, and the chain of one underlying as a record."""

import datetime as dt
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tapelight.errors import Rejected
from tapelight.model.batch import Floats, Int64s, UInt8s

ROOT_LENGTH = 6
_TAIL = 15
"""YYMMDD, C or P, strike x 1000 in 8 digits: a symbol is read from its end."""
_CENTURY = 2000
_HIGHEST_STRIKE = 99_999.999


class Contract(NamedTuple):
    """Name one listed option."""

    root: str
    """The underlying's symbol; a digit at its end marks an adjusted contract."""
    expiry: dt.date
    call: bool
    strike: float

    @property
    def adjusted(self) -> bool:
        """Tell whether a corporate action changed what the contract delivers."""
        return self.root[-1:].isdigit()


def parse_contract(symbol: str) -> Contract:
    """Return the contract of an OCC symbol, padded (21 characters) or with Massive's prefix O:.

    Raises Rejected for anything else. Source: OCC, Options Symbology Initiative (2010).
    """
    plain = symbol.removeprefix("O:")
    root, tail = plain[:-_TAIL].rstrip(" "), plain[-_TAIL:]
    digits, right = tail[:6] + tail[7:], tail[6:7]
    sound = 1 <= len(root) <= ROOT_LENGTH and len(tail) == _TAIL and right in ("C", "P")
    if not sound or not (digits.isascii() and digits.isdigit()):
        raise Rejected(f"{symbol!r} is no OCC symbol: a root, YYMMDD, C or P, 8 digits of strike.")
    try:
        expiry = dt.date(_CENTURY + int(tail[:2]), int(tail[2:4]), int(tail[4:6]))
    except ValueError as error:
        raise Rejected(f"{symbol!r} is no OCC symbol: {tail[:6]} is no date.") from error
    return Contract(root, expiry, right == "C", int(tail[7:]) / 1000.0)


def format_contract(contract: Contract, *, padded: bool = True) -> str:
    """Return the OCC symbol of 21 characters; not `padded`, the form that Massive uses.

    Raises Rejected for a root, a year or a strike that the form cannot hold.
    """
    root, expiry, call, strike = contract
    thousandths = round(strike * 1000.0)
    if not 1 <= len(root) <= ROOT_LENGTH or not 0.0 < strike <= _HIGHEST_STRIKE:
        raise Rejected(f"{root!r} with strike {strike:g} does not fit an OCC symbol.")
    if not 0 <= expiry.year - _CENTURY < 100:
        raise Rejected(f"The year {expiry.year} does not fit an OCC symbol.")
    tail = f"{expiry:%y%m%d}{'C' if call else 'P'}{thousandths:08d}"
    return f"{root:<{ROOT_LENGTH}}{tail}" if padded else f"O:{root}{tail}"


@dataclass(frozen=True, slots=True)
class Chain:
    """Bring the option chain of one underlying: one element a contract; NaN is unknown.

    Adjusted contracts, which deliver something else than 100 shares, are left out of it.
    """

    ts_recv_ns: int
    symbol: str
    """The underlying."""
    spot: float
    """The underlying's price as the provider knew it, $."""
    expiry_ns: Int64s
    """When trading in the contract ends: the regular close of its expiration date."""
    call: UInt8s
    """1 call, 0 put."""
    strike: Floats
    bid: Floats
    ask: Floats
    volume: Floats
    """Contracts of the day so far."""
    open_interest: Floats
    """Contracts at the end of the previous trading day."""
    volatility: Floats
    """The provider's own implied volatility, a fraction a year."""
    past: Floats
    """Daily 30-day volatilities of earlier sessions, oldest first, fractions a year."""

    def __len__(self) -> int:
        return len(self.strike)


def empty_chain(ts_recv_ns: int, symbol: str) -> Chain:
    """Return the chain of an underlying that has no listed options."""
    none = np.zeros(0)
    return Chain(
        ts_recv_ns, symbol, float("nan"), np.zeros(0, np.int64), np.zeros(0, np.uint8),
        none, none, none, none, none, none, none,
    )  # fmt: skip
