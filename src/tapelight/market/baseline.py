"""The volume that is usual by time of day: what relative volume is measured against."""

from importlib.resources import files
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tapelight.model.records import Profile

Floats = npt.NDArray[np.float64]
MINUTES = 960
"""Minutes of the longest session: 04:00 to 20:00 in New York."""
ENOUGH_SESSIONS = 5
OPEN_MINUTE, CLOSE_MINUTE = 330, 720
PRE_SHARE, POST_SHARE = 0.012, 0.01
"""Of a day's volume before the open and after the close: judged from 0.3-3 % off-hours trades."""


class Usual(NamedTuple):
    """Hold a profile as it is asked: running sums, one element longer than the minutes."""

    profile: Profile
    curve: Floats
    own_row: npt.NDArray[np.int32]
    own: Floats
    """Shape (rows, minutes + 1)."""


class Baseline:
    """Expect volumes: a row's own minute profile where there are 5 sessions, else adv20 x curve.

    A later session's profile is reckoned when it comes and takes its place when that begins.
    """

    def __init__(self) -> None:
        self._now: Usual | None = None
        self._coming: Usual | None = None

    @property
    def profiles(self) -> list[Profile]:
        """Return the profile that holds, then the one that comes, where there are such."""
        return [usual.profile for usual in (self._now, self._coming) if usual is not None]

    def put(self, profile: Profile) -> None:
        """Take the market's curve and the rows' own profiles, for their session."""
        usual = _usual(profile)
        if profile.session:
            self._coming = usual
        else:
            self._now = usual

    def enter(self, date: str) -> None:
        """Let the profile that was told for a session up to `date` hold."""
        if self._coming is not None and self._coming.profile.session <= date:
            self._now, self._coming = self._coming, None

    def has_curve(self) -> bool:
        """Tell whether anything can be expected at all."""
        return self._now is not None

    def own(self, n: int) -> npt.NDArray[np.bool_]:
        """Return for each of `n` rows whether it has a profile of its own."""
        mask = np.zeros(n, np.bool_)
        if self._now is not None:
            rows = self._now.own_row
            mask[rows[rows < n]] = True
        return mask

    def expected(self, adv20: Floats, begin: float, end: float) -> Floats:
        """Return each row's mean shares between two minutes after 04:00 (fractions interpolate).

        `adv20` has one element a row; NaN where nothing is known.
        """
        usual = self._now
        if usual is None:
            return np.full(len(adv20), np.nan)
        shares = adv20 * (_at(usual.curve, end) - _at(usual.curve, begin))
        mine = usual.own_row < len(adv20)
        own = usual.own[mine]
        shares[usual.own_row[mine]] = _at(own.T, end) - _at(own.T, begin)
        return shares


def _usual(profile: Profile) -> Usual:
    enough = profile.sessions >= ENOUGH_SESSIONS
    volume = profile.volume[enough]
    own = np.zeros((len(volume), volume.shape[1] + 1))
    np.cumsum(volume, axis=1, dtype=np.float64, out=own[:, 1:])
    return Usual(profile, _cumulated(profile.minute), profile.rows[enough], own)


def _cumulated(minute: Floats) -> Floats:
    """Return the running sum, one element longer, so that [m] is the share before minute m."""
    return np.concatenate([[0.0], np.cumsum(minute)])


def _at(cumulated: Floats, minute: float) -> Floats:
    """Return the cumulated figure at a fractional minute, interpolated inside it."""
    m = min(max(minute, 0.0), float(MINUTES))
    whole = min(int(m), MINUTES - 1)
    part = m - whole
    return np.asarray(cumulated[whole] + part * (cumulated[whole + 1] - cumulated[whole]))


def market_curve(
    open_: int = OPEN_MINUTE, close: int = CLOSE_MINUTE, end: int = MINUTES
) -> Profile:
    """Return the shipped curve: a U in the regular session, a rise before it, a decay after it.

    Its minutes after the session's start are those of XNYS, or the ones given.
    """
    text = files("tapelight.market").joinpath("ucurve.txt").read_text("utf-8")
    regular = np.array([float(v) for v in text.splitlines() if v and not v.startswith("#")])
    if close - open_ != len(regular):
        regular = np.interp(np.linspace(0.0, len(regular) - 1.0, close - open_),
                            np.arange(float(len(regular))), regular)  # fmt: skip
    minute = np.zeros(MINUTES)
    minute[open_:close] = regular / regular.sum() * (1.0 - PRE_SHARE - POST_SHARE)
    rise = np.arange(1.0, open_ + 1.0) ** 2
    minute[:open_] = rise / rise.sum() * PRE_SHARE
    decay = np.arange(end - close, 0.0, -1.0) ** 2
    minute[close:end] = decay / decay.sum() * POST_SHARE
    none = np.zeros(0, np.int32)
    return Profile(minute, none, np.zeros((0, MINUTES), np.float32), none)
