"""Identity and state of a row."""

import numpy as np

from tapelight.market.column import Column, Flags, column
from tapelight.market.row import GAP
from tapelight.market.text import Text
from tapelight.market.view import Moment, Ref, State

STALE_MS = 5_000.0


@column(kind="text")
def symbol(ref: Ref) -> Text:
    """Return the ticker."""
    return ref.symbol()


@column(kind="text")
def name(ref: Ref) -> Text:
    """Return the company's or fund's name."""
    return ref.text("name")


@column(kind="text")
def exchange(ref: Ref) -> Text:
    """Return the MIC of the listing exchange."""
    return ref.text("exchange")


@column(kind="text")
def type(ref: Ref) -> Text:
    """Return the security's type: CS, ADR, ETF, WARRANT, UNIT, RIGHT, PFD ..."""
    return ref.text("type")


@column(kind="text")
def sector(ref: Ref) -> Text:
    """Return the sector."""
    return ref.text("sector")


@column(kind="text")
def industry(ref: Ref) -> Text:
    """Return the industry."""
    return ref.text("industry")


@column(kind="text", moves=True)
def phase(ref: Ref) -> Text:
    """Return the phase of the session: pre, regular, post or closed."""
    return ref.phase()


@column(kind="text")
def feed(ref: Ref) -> Text:
    """Return the name of the feed that the row lives on."""
    return ref.feed()


@column(unit="ms")
def age_ms(state: State, moment: Moment) -> Column:
    """Return the data age: market time less the time up to which the feed is known complete."""
    holed = (state["provisional"] & GAP) > 0
    age_ns = moment.now_ns - np.where(holed, moment.hole_ns, moment.complete_ns)
    return np.maximum(age_ns, 0) / 1e6


@column(unit="s", moves=True)
def quiet_s(state: State) -> Column:
    """Return the seconds since the symbol's last print; harmless, a small cap may be quiet."""
    return state.ns("print_ns")


@column(kind="flag", moves=False)  # a stale row makes no signal
def stale(age_ms: Column) -> Flags:
    """Tell whether the data age is above 5 s: such a row makes no signal."""
    return age_ms > STALE_MS


@column(kind="flag")
def provisional(state: State) -> Flags:
    """Tell whether the row may lack events (an open hole) or awaits a split's check."""
    flags: Flags = state["provisional"] > 0
    return flags


@column()
def quarantined(state: State) -> Column:
    """Return how many prints of the day were held as suspect: far off and not confirmed."""
    return state.floats("quarantined")
