"""Read plain frames of prints and quotes byte by byte, straight into columns.

A frame is plain when it holds only `T` and `Q` events as Massive writes them: no space between
tokens, no escape, no sign or exponent, nothing that a column could not hold. What is not plain
is left to msgspec whole, so that this reader never has to say what is wrong with a frame; what it
takes, it takes as msgspec would: a decimal of up to 2**53 over a power of ten up to 10**22 is the
nearest double by one exact division.
"""

from functools import cache
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from tapelight.feeds._symbols import Rows
from tapelight.model.batch import Floats, Int32s, Int64s
from tapelight.model.conditions import KNOWN, KNOWN_NEUTRAL, mask_of
from tapelight.model.universe import Universe

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]

LEAST_EVENT_BYTES = 26
"""No event that is read is shorter: so many bytes may be looked at before its end is found."""
SLOTS_BITS = 18
"""The table of symbols has 2**18 places: for MAX_SYMBOLS of them it stays loosely filled."""
KEPT = 1 << 14
"""Events for which there is room at all times; a burst's room goes when it has been read."""
MOST_BYTES = 8
"""A name of so many bytes fits into a word; what has a longer symbol is left to msgspec."""
UNSEEN = -2
"""The row of a symbol that the table does not know yet."""

_loop: Any = numba.njit(cache=True, error_model="numpy")
_step: Any = numba.njit(error_model="numpy", inline="always")
"""A step is compiled into its loop: called, it would count references to each array it is given."""


def _packed(text: str) -> int:
    return int.from_bytes(text.encode(), "big")


FIELDS = ("sym", "t", "p", "s", "c", "x", "q", "ds", "bp", "bs", "ap", "as")
NAMES = np.array([_packed(name) for name in FIELDS], np.uint64)
SYM, T, P, S, C, X, Q, DS, BP, BS, AP, AS = range(len(FIELDS))
OTHER = len(FIELDS)
TRADE, QUOTE = ord("T"), ord("Q")
QUOTATION, COMMA, COLON, POINT, ZERO, NINE = (ord(c) for c in '",:.09')
OPEN, CLOSE, END, LINE, ESCAPE, SPACE, DELETE = (ord(c) for c in "[]}\n\\ \x7f")
MOST_DIGITS, EXACT, MOST_PRICE, MOST_AMOUNT, MOST_EXCHANGE = 18, 2**53, 1e9, 1e13, 255
NEEDED_OF_TRADE, NEEDED_OF_QUOTE = 1 << SYM | 1 << T | 1 << P | 1 << S, 1 << SYM | 1 << T
BEGIN = b'{"ev":"'
HEAD = np.frombuffer(BEGIN, np.uint8)
TENS = np.array([10.0**k for k in range(MOST_DIGITS + 1)])
MASKS = np.array([mask_of((k,)) for k in range(max(KNOWN | KNOWN_NEUTRAL) + 2)], np.uint64)
"""The mask of each sale condition; the last is that of all that come after, which nobody knows."""
SPREAD = 0x9E3779B97F4A7C15


class Prints(NamedTuple):
    """Hold the columns of trades as they are filled; `key` is the symbol's bytes as a number."""

    key: Words
    row: Int32s
    time: Int64s
    price: Floats
    size: Floats
    conditions: Words
    exchange: Bytes
    seq: Int64s


class Sides(NamedTuple):
    """Hold the columns of quotes as they are filled; `before` counts the trades before each."""

    key: Words
    row: Int32s
    time: Int64s
    bid: Floats
    ask: Floats
    bid_size: Floats
    ask_size: Floats
    before: Int32s


class Found(NamedTuple):
    """Hold the fields of one event by their places in FIELDS."""

    word: Words
    """A number without its point, a symbol's bytes, a mask of conditions; 0 where the field is absent."""
    digits: Int64s
    """How many digits follow the point; of `ds` -1 where it is empty, of `c` 1 where it is no list."""


class Known(NamedTuple):
    """Hold the rows of symbols by their bytes: an open table of 2**SLOTS_BITS places."""

    keys: Words
    rows: Int32s


@_step
def _number(text: Bytes, at: int) -> tuple[int, int, int]:
    """Return digits as a number, how many of them follow a point, and what comes after; -1 = not plain."""
    value: Any = 0
    start = at
    while ZERO <= text[at] <= NINE:
        value = value * 10 + (np.int64(text[at]) - ZERO)
        at += 1
    whole = at - start
    if whole == 0 or whole > MOST_DIGITS or (whole > 1 and text[start] == ZERO):
        return 0, 0, -1
    if text[at] != POINT:
        return value, 0, at
    at += 1
    start = at
    while ZERO <= text[at] <= NINE:
        value = value * 10 + (np.int64(text[at]) - ZERO)
        at += 1
    digits = at - start
    if digits == 0 or whole + digits > MOST_DIGITS or value > EXACT:
        return 0, 0, -1
    return value, digits, at


@_step
def _text(text: Bytes, at: int) -> tuple[np.uint64, int, int]:
    """Return the last 8 bytes of a string as a number, its length, and what comes after; -1 = not plain."""
    end = len(text)
    packed, start = np.uint64(0), at + 1
    if text[at] != QUOTATION:
        return packed, 0, -1
    at = start
    while at < end and text[at] != QUOTATION:
        byte = text[at]
        if byte < SPACE or byte >= DELETE or byte == ESCAPE:
            return packed, 0, -1
        packed = (packed << np.uint64(8)) | np.uint64(byte)
        at += 1
    if at >= end - 1:
        return packed, 0, -1
    return packed, at - start, at + 1


@_step
def _conditions(text: Bytes, at: int, masks: Words) -> tuple[np.uint64, int]:
    """Return the mask of a list of whole numbers, and what comes after; -1 = not plain."""
    mask = np.uint64(0)
    if text[at] != OPEN:
        return mask, -1
    at += 1
    if text[at] == CLOSE:
        return mask, at + 1
    while True:
        value, digits, at = _number(text, at)
        if at < 0 or digits:
            return mask, -1
        mask |= masks[min(value, len(masks) - 1)]
        if text[at] == CLOSE:
            return mask, at + 1
        if text[at] != COMMA:
            return mask, -1
        at += 1


@_step
def _skipped(text: Bytes, at: int, masks: Words) -> int:
    """Return what comes after a value that nobody reads; -1 = not plain."""
    if text[at] == QUOTATION:
        return _text(text, at)[2]
    if text[at] == OPEN:
        return _conditions(text, at, masks)[1]
    return _number(text, at)[2]


@_step
def _value(text: Bytes, at: int, field: int, found: Found, masks: Words) -> int:
    """Read the value of a field into `found`; return what comes after; -1 = not plain."""
    if field == OTHER:
        return _skipped(text, at, masks)
    if field == SYM:
        found.word[SYM], length, at = _text(text, at)
        return at if 0 < length <= MOST_BYTES else -1
    if field == C:
        found.digits[C] = text[at] != OPEN
        if text[at] != OPEN:
            return _skipped(text, at, masks)
        found.word[C], at = _conditions(text, at, masks)
        return at
    if field == DS:
        return _fraction(text, at, found)
    value, found.digits[field], at = _number(text, at)
    found.word[field] = value
    return at


@_step
def _fraction(text: Bytes, at: int, found: Found) -> int:
    """Read a number that is written as a string, or an empty one; return what comes after; -1 = not plain."""
    if text[at] != QUOTATION:
        return -1
    found.digits[DS] = -1
    if text[at + 1] == QUOTATION:
        return at + 2
    value, found.digits[DS], at = _number(text, at + 1)
    found.word[DS] = value
    return at + 1 if at >= 0 and text[at] == QUOTATION else -1


@_step
def _event(text: Bytes, at: int, found: Found, names: Words, masks: Words) -> tuple[int, int]:
    """Read fields from a comma on to the event's end; return which there are, and what comes after; -1 = not plain."""
    found.word[:] = 0
    found.digits[:] = 0
    found.digits[DS] = -1
    seen = 0
    while text[at] == COMMA:
        name, length, at = _text(text, at + 1)
        if at < 0 or text[at] != COLON:
            return 0, -1
        field = 0
        while field < OTHER and (names[field] != name or length > MOST_BYTES):
            field += 1
        if field < OTHER and seen >> field & 1:
            return 0, -1
        at = _value(text, at + 1, field, found, masks)
        if at < 0:
            return 0, -1
        seen |= 1 << field
    return (seen, at + 1) if text[at] == END else (0, -1)


@_step
def _amount(found: Found, field: int, tens: Floats) -> float:
    return np.int64(found.word[field]) / tens[found.digits[field]]


@_step
def _row(known: Known, key: np.uint64) -> int:
    place = np.int64((key * np.uint64(SPREAD)) >> np.uint64(64 - SLOTS_BITS))
    while known.keys[place] != key:
        if known.keys[place] == 0:
            return UNSEEN
        place = (place + 1) & (len(known.keys) - 1)
    return known.rows[place]


@_loop
def _learn(known: Known, key: np.uint64, row: int) -> None:
    place = np.int64((key * np.uint64(SPREAD)) >> np.uint64(64 - SLOTS_BITS))
    while known.keys[place] != 0 and known.keys[place] != key:
        place = (place + 1) & (len(known.keys) - 1)
    known.keys[place], known.rows[place] = key, row


@_step
def _put_trade(found: Found, seen: int, prints: Prints, n: int, known: Known, tens: Floats) -> bool:
    """Put a trade into place `n`; False where a column can't hold it."""
    digits = found.digits
    if seen & NEEDED_OF_TRADE != NEEDED_OF_TRADE or found.word[X] > MOST_EXCHANGE:
        return False
    if digits[T] or digits[Q] or digits[X] or digits[C]:
        return False
    price, size = _amount(found, P, tens), _amount(found, S, tens)
    if not 0 < price <= MOST_PRICE or size > MOST_AMOUNT:
        return False
    if digits[DS] >= 0:
        size = _amount(found, DS, tens)
    prints.key[n], prints.row[n] = found.word[SYM], _row(known, found.word[SYM])
    prints.time[n], prints.price[n], prints.size[n] = found.word[T], price, size
    prints.conditions[n], prints.exchange[n] = found.word[C], found.word[X]
    prints.seq[n] = found.word[Q]
    return bool(size <= MOST_AMOUNT)


@_step
def _put_quote(found: Found, seen: int, sides: Sides, n: int, known: Known, tens: Floats) -> bool:
    """Put a quote into place `n`; False where a column can't hold it."""
    if seen & NEEDED_OF_QUOTE != NEEDED_OF_QUOTE or found.digits[T]:
        return False
    bid, ask = _amount(found, BP, tens), _amount(found, AP, tens)
    bid_size, ask_size = _amount(found, BS, tens), _amount(found, AS, tens)
    sides.key[n], sides.row[n] = found.word[SYM], _row(known, found.word[SYM])
    sides.time[n] = found.word[T]
    sides.bid[n], sides.ask[n] = bid if bid > 0 else np.nan, ask if ask > 0 else np.nan
    sides.bid_size[n] = bid_size if seen & (1 << BS) else np.nan
    sides.ask_size[n] = ask_size if seen & (1 << AS) else np.nan
    return bool(max(bid, ask, bid_size, ask_size) <= MOST_AMOUNT)


@_loop
def _read(
    text: Bytes, prints: Prints, sides: Sides, known: Known, found: Found, head: Bytes,
    names: Words, masks: Words, tens: Floats,
) -> tuple[int, int]:  # fmt: skip
    """Put the events of frames, a line each, into the columns; return how many; (-1, -1) = not plain."""
    end, at, bad, trades, quotes = len(text), 0, (-1, -1), 0, 0
    # The last byte ends every loop over bytes: none runs past the text.
    if end < LEAST_EVENT_BYTES or text[end - 1] != CLOSE:
        return bad
    while at + LEAST_EVENT_BYTES < end:
        follows = COMMA if at else OPEN
        if at and text[at] == CLOSE:
            follows, at = OPEN, at + 2
        if text[at] != follows or (follows == OPEN and at and text[at - 1] != LINE):
            return bad
        kind = _kind(text, at + 1, head)
        seen, at = _event(text, at + len(head) + 3, found, names, masks)
        if at < 0 or at >= end:
            return bad
        if kind == TRADE and _put_trade(found, seen, prints, trades, known, tens):
            trades += 1
        elif kind == QUOTE and _put_quote(found, seen, sides, quotes, known, tens):
            sides.before[quotes] = trades
            quotes += 1
        else:
            return bad
    return (trades, quotes) if at == end - 1 else bad


@_step
def _kind(text: Bytes, at: int, head: Bytes) -> int:
    """Return the letter of an event's kind; 0 where it does not begin as one of a single letter."""
    for k in range(len(head)):
        if text[at + k] != head[k]:
            return 0
    return text[at + len(head)] if text[at + len(head) + 1] == QUOTATION else 0


class PlainReader:
    """Read plain frames into columns; `rows` says which row a symbol has when it is first seen."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        places = 1 << SLOTS_BITS
        self._known = Known(np.zeros(places, np.uint64), np.zeros(places, np.int32))
        self._found = Found(np.zeros(OTHER, np.uint64), np.zeros(OTHER, np.int64))
        self._kept = _columns(KEPT)

    def read(self, frames: list[bytes]) -> tuple[Prints, Sides] | None:
        """Return the prints and quotes of `frames` in arrival order; None where some frame is not plain.

        Nothing is kept of what is not plain. Rows of unseen symbols are UNSEEN: `place` gives
        them theirs.
        """
        joined = b"\n".join(frames)
        text, most = np.frombuffer(joined, np.uint8), joined.count(BEGIN)
        into = self._kept if most <= KEPT else _columns(most)
        trades, quotes = _read(text, *into, self._known, self._found, HEAD, NAMES, MASKS, TENS)
        if trades < 0:
            return None
        prints: list[Any] = [column[:trades].copy() for column in into[0]]
        sides: list[Any] = [column[:quotes].copy() for column in into[1]]
        return Prints(*prints), Sides(*sides)

    def place(self, keys: Words, rows: Int32s) -> None:
        """Give the UNSEEN of `rows` their rows, in order; those without one get what `Rows` says."""
        for at in np.flatnonzero(rows == UNSEEN):
            key = keys[at]
            row = self._rows[int(key).to_bytes(8, "big").lstrip(b"\0").decode("ascii")]
            rows[at] = row
            if row >= 0:
                _learn(self._known, key, row)


def _columns(count: int) -> tuple[Prints, Sides]:
    words, rows, floats = np.uint64, np.int32, np.float64
    prints = (words, rows, np.int64, floats, floats, words, np.uint8, np.int64)
    sides = (words, rows, np.int64, floats, floats, floats, floats, rows)
    made: list[list[Any]] = [[np.empty(count, kind) for kind in kinds] for kinds in (prints, sides)]
    return Prints(*made[0]), Sides(*made[1])


@cache
def warm() -> None:
    """Compile the reader, or load what was compiled before, once in a process."""
    frame = b'[{"ev":"T","sym":"A","p":1.5,"s":1,"c":[1],"t":1},{"ev":"Q","sym":"A","bp":1,"t":1}]'
    reader = PlainReader(Rows(Universe()))
    found = reader.read([frame])
    assert found is not None
    reader.place(found[0].key, found[0].row)
