"""Price levels: which of them the last prices have reached. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from tapelight.alerts.router import Key
from tapelight.model.alerts import BROWSER, Alert, Level, hashed


@dataclass(frozen=True, slots=True)
class Reached:
    """Name a level that was reached, and the alert."""

    key: Key
    version: int
    alert: Alert


class Side(NamedTuple):
    """Say on which side of a level the price was when this version of it was first seen."""

    key: Key
    version: int
    above: bool


class Levels:
    """Watch levels; each alerts once for each version that its owner writes."""

    def __init__(self) -> None:
        self._levels: dict[Key, tuple[int, Level]] = {}
        self._was_above: dict[Key, tuple[int, bool]] = {}
        """cross: the version, and where the price was when it was first seen."""
        self.noted: list[Side] = []
        """Sides that were seen for the first time and are to be kept over a restart."""

    def recall(self, sides: Iterable[Side]) -> None:
        """Take back the sides that were kept before a restart."""
        self._was_above |= {side.key: (side.version, side.above) for side in sides}

    def follow(self, levels: Mapping[Key, tuple[int, Level]]) -> None:
        """Take the levels with their versions; those that were reached rest."""
        self._levels = {key: found for key, found in levels.items() if not found[1].reached_ns}
        versions = {key: version for key, (version, _) in self._levels.items()}
        sides = self._was_above
        self._was_above = {key: side for key, side in sides.items() if versions.get(key) == side[0]}

    @property
    def count(self) -> int:
        """Return how many levels wait."""
        return len(self._levels)

    @property
    def symbols(self) -> frozenset[str]:
        """Return the symbols whose prices matter."""
        return frozenset(level.symbol for _, level in self._levels.values())

    def check(self, prices: Mapping[str, float], now_ns: int) -> list[Reached]:
        """Return the levels that prices have reached at a market time; they rest from then on."""
        found: list[Reached] = []
        for key, (version, level) in list(self._levels.items()):
            price = prices.get(level.symbol)
            if 0 < level.expires_ns <= now_ns:
                del self._levels[key]
            elif price is not None and self._is_reached(key, version, level, price):
                del self._levels[key]
                found.append(Reached(key, version, _alert(key, version, level, price, now_ns)))
        return found

    def _is_reached(self, key: Key, version: int, level: Level, price: float) -> bool:
        if level.side == "above":
            return price >= level.price
        if level.side == "below":
            return price <= level.price
        if price == level.price:
            return True
        above = price > level.price
        if key not in self._was_above:
            self._was_above[key] = version, above
            self.noted.append(Side(key, version, above))
        return self._was_above[key][1] != above


def level_id(key: Key, version: int) -> str:
    """Return the id of the alert of a level's version."""
    return hashed(key.owner, key.name, "level", version)


def _alert(key: Key, version: int, level: Level, price: float, now_ns: int) -> Alert:
    words = {"above": "is at or above", "below": "is at or below", "cross": "has crossed"}
    note = f": {level.note}" if level.note else ""
    return Alert(
        id=level_id(key, version), owner=key.owner, rule=key.name,
        kind="level", symbol=level.symbol, ts_ns=now_ns, values={"last": price},
        text=f"{level.symbol} {words[level.side]} {level.price:g}, last {price:g}{note}",
        sound=level.sound,
        channels=(BROWSER, *(name for name in level.channels if name != BROWSER)),
    )  # fmt: skip
