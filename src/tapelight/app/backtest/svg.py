"""Small charts as inline SVG: histograms, lines, bars. No script, no address, no font file."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
BINS = 41
SPREAD = (0.01, 0.99)
"""Quantiles between which a histogram is drawn; what lies beyond is in its outer bars."""
COLOURS = ("#4c9be8", "#e0a458", "#b18cf0")


def nice_step(span: float, most: int) -> float:
    """Return a round step (1, 2 or 5 times a power of ten) that cuts `span` into at most `most`."""
    if not (span > 0 and math.isfinite(span)):
        return 1.0
    raw = span / most
    power = 10.0 ** math.floor(math.log10(raw))
    return next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= raw * (1 - 1e-9))


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round values within [low, high]."""
    step = nice_step(high - low, most)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def label(value: float) -> str:
    """Return a tick's text."""
    return f"{value:g}" if value else "0"


class Frame:
    """Map data to the drawing: x to the right, y upwards."""

    def __init__(
        self, size: tuple[int, int], x: tuple[float, float], y: tuple[float, float]
    ) -> None:
        self.width, self.height = size
        self.left, self.right, self.top, self.bottom = 44, 10, 10, 24
        self._x, self._y = x, y

    def x(self, value: float) -> float:
        """Return the place of an x value."""
        low, high = self._x
        inner = self.width - self.left - self.right
        return self.left + inner * (value - low) / ((high - low) or 1.0)

    def y(self, value: float) -> float:
        """Return the place of a y value."""
        low, high = self._y
        inner = self.height - self.top - self.bottom
        return self.top + inner * (1.0 - (value - low) / ((high - low) or 1.0))

    def draw(self, parts: Sequence[str], title: str) -> str:
        """Return the whole picture."""
        return (
            f'<svg viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{title}">'
            f"<title>{title}</title>{''.join(parts)}</svg>"
        )

    def y_axis(self, values: Sequence[float]) -> list[str]:
        """Return lines across, with their values on the left."""
        end = self.width - self.right
        return [
            f'<line class="grid" x1="{self.left}" x2="{end}" y1="{self.y(v):.1f}" '
            f'y2="{self.y(v):.1f}"/><text class="tick" x="{self.left - 6}" '
            f'y="{self.y(v) + 3:.1f}" text-anchor="end">{label(v)}</text>'
            for v in values
        ]

    def x_axis(self, values: Sequence[tuple[float, str]]) -> list[str]:
        """Return texts below."""
        return [
            f'<text class="tick" x="{self.x(v):.1f}" y="{self.height - 8}" '
            f'text-anchor="middle">{text}</text>'
            for v, text in values
        ]


def histogram(values: Floats, title: str, size: tuple[int, int] = (300, 150)) -> str:
    """Return a histogram of returns in %, losses red and gains green, with the median marked."""
    values = values[~np.isnan(values)]
    if not len(values):
        return _empty(size, title)
    low, high = np.quantile(values, SPREAD).tolist()
    reach = max(abs(low), abs(high), 0.05)
    edges = np.linspace(-reach, reach, BINS + 1)
    counts = np.histogram(np.clip(values, -reach, reach), edges)[0]
    frame = Frame(size, (-reach, reach), (0.0, float(counts.max())))
    bars = [
        _bar(frame, a, b, int(n))
        for a, b, n in zip(edges[:-1], edges[1:], counts.tolist(), strict=True)
        if n
    ]
    middle = frame.x(float(np.clip(np.median(values), -reach, reach)))
    floor = frame.y(0.0)
    marks = [
        f'<line class="zero" x1="{frame.x(0):.1f}" x2="{frame.x(0):.1f}" y1="{frame.top}" '
        f'y2="{floor:.1f}"/>',
        f'<line class="median" x1="{middle:.1f}" x2="{middle:.1f}" y1="{frame.top}" '
        f'y2="{floor:.1f}"/>',
    ]
    below = frame.x_axis([(v, f"{label(v)} %") for v in ticks(-reach, reach, 6)])
    return frame.draw([*frame.y_axis(_counts(counts.max())), *bars, *marks, *below], title)


def _counts(most: int) -> list[float]:
    return [v for v in ticks(0.0, float(most), 3) if v == int(v)]


def _bar(frame: Frame, begin: float, end: float, count: int) -> str:
    middle = (begin + end) / 2.0
    kind = "zeroish" if abs(middle) < (end - begin) / 2.0 else "gain" if middle > 0 else "loss"
    x, width = frame.x(begin) + 0.5, frame.x(end) - frame.x(begin) - 1.0
    y, floor = frame.y(count), frame.y(0)
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
        f'height="{floor - y:.1f}"><title>{begin:.2f} to {end:.2f} %: {count:,}</title></rect>'
    )


def lines_chart(
    series: Sequence[tuple[str, Floats]], marks: Sequence[tuple[int, str]], title: str,
    size: tuple[int, int] = (940, 260),
) -> str:  # fmt: skip
    """Return lines over the number of fires; `marks` are (fire, text) below."""
    known = [values for _, values in series if len(values)]
    if not known:
        return _empty(size, title)
    low = min(0.0, *(float(v.min()) for v in known))
    high = max(0.0, *(float(v.max()) for v in known))
    longest = max(len(v) for v in known)
    frame = Frame(size, (0.0, float(longest)), (low, high or 1.0))
    parts = frame.y_axis(ticks(low, high, 6))
    zero = frame.y(0.0)
    parts.append(
        f'<line class="zero" x1="{frame.left}" x2="{size[0] - frame.right}" y1="{zero:.1f}" '
        f'y2="{zero:.1f}"/>'
    )
    for (name, values), colour in zip(series, COLOURS, strict=False):
        parts.append(_line(frame, name, values, colour))
    parts += frame.x_axis([(float(at), text) for at, text in marks])
    return frame.draw(parts, title)


def _line(frame: Frame, name: str, values: Floats, colour: str) -> str:
    path = np.concatenate([[0.0], values])
    step = max(1, len(path) // 1500)
    at = np.unique(np.append(np.arange(0, len(path), step), len(path) - 1))
    points = " ".join(f"{frame.x(i):.1f},{frame.y(path[i]):.1f}" for i in at.tolist())
    return (
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6" '
        f'stroke-linejoin="round"><title>{name}</title></polyline>'
    )


def inline_bar(value: float | None, reach: float) -> str:
    """Return a small bar from the middle, left and red for a loss."""
    if value is None or not reach:
        return ""
    width = min(abs(value) / reach, 1.0) * 38.0
    x, kind = (40.0, "gain") if value >= 0 else (40.0 - width, "loss")
    return (
        '<svg class="inline" viewBox="0 0 80 10" aria-hidden="true">'
        f'<line class="zero" x1="40" x2="40" y1="0" y2="10"/>'
        f'<rect class="{kind}" x="{x:.1f}" y="2" width="{max(width, 0.5):.1f}" height="6"/></svg>'
    )


def _empty(size: tuple[int, int], title: str) -> str:
    width, height = size
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{title}">'
        f'<text class="tick" x="{width / 2}" y="{height / 2}" text-anchor="middle">'
        "no returns</text></svg>"
    )
