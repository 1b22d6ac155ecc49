"""The loop that takes one print's shares out of the sums, or puts a corrected print's in."""

# mypy: allow-untyped-defs, allow-incomplete-defs
from tapelight.market.fold import add_day_volume, add_vwap
from tapelight.market.jit import loop, step
from tapelight.market.windows import AHEAD_S, MINUTES, RECENT, add_volume

NS = 1_000_000_000


@loop
def move_sums(rows, r, rings, day, ts, price, size, value, sign, regular, tape, vwap):
    """Move the sums of row `r` by a print of `size` shares worth `value`, both signed by `sign`."""
    row = rows[r]
    add_day_volume(row, ts, size, value, regular, day)
    row.trades += sign - 1
    s = min(ts // NS, day.now_s + AHEAD_S)
    add_volume(row, r, rings, s, day.now_s, size, value)
    if tape:
        _move_tape(row, r, rings, s, day.now_s, size, sign)
    if vwap:
        add_vwap(row, price, size, value, regular)


@step
def _move_tape(row, r, rings, s, now_s, size, sign):
    """Move the tape's shares and prints; on which side they were is not known any more."""
    behind = now_s // 60 - s // 60
    if behind == 0:
        row.min_tv += size
    elif behind <= 20:
        rings.minutes[s // 60 % MINUTES, r].tv += size
        if behind > 0:
            row.tv20 += size
    if s < now_s - 60:
        return
    bucket = rings.recent[s % RECENT, r]
    bucket.n += sign
    bucket.tv += size
    row.n60 += sign
    row.tv60 += size
    if s >= now_s - 10:
        row.n10 += sign


__all__ = ["move_sums"]
