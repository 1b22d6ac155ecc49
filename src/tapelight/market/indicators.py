"""Indicators: TA-Lib's streaming functions as named outputs, and their values for the rows.

Source of the formulas, but for those of `market.own_series`: TA-Lib 0.8 (`talib.stream`), whose
handles give, bar by bar, bit for bit what the batch functions give over the same bars; a test
holds that for each of them.
"""

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from tapelight.errors import ConfigError
from tapelight.market.own_series import OWN

Floats = npt.NDArray[np.float64]
TIMEFRAMES: Mapping[str, int] = MappingProxyType(
    {"1m": 1, "5m": 5, "15m": 15, "30m": 30, "60m": 60}
)
"""Minutes of each timeframe."""
LONGEST = 1_000
"""Bars of warm-up that an indicator may need at the most: no session has more minutes to give."""
_MAIN = frozenset("MACD MACDEXT MACDFIX MAMA HT_SINE SMI SUPERTREND".split())
"""Functions whose first output goes by the function's own name."""
_STEMS = {"MACDEXT": "macd", "MACDFIX": "macd"}
PERIODS = "periods"
"""The input of MAVP that no bar has: a parameter of ours, the same for every bar, stands in."""
PERIOD = "period"


@dataclass(frozen=True, slots=True)
class Parameter:
    """Describe one parameter of an indicator."""

    name: str
    default: float
    whole: bool
    """Whether it takes whole numbers alone."""


@dataclass(frozen=True, slots=True)
class FunctionInfo:
    """Describe one named output of one TA-Lib function."""

    name: str
    function: str
    """TA-Lib's name."""
    output: int
    """Which of the function's outputs it is."""
    parameters: tuple[Parameter, ...]
    inputs: tuple[str, ...]
    """What it reads of each bar: open, high, low, close, volume, periods."""
    group: str
    doc: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Name one series: which indicator, with which parameters, over bars of which timeframe.

    `forming` asks for the value with the bar that is not closed yet. Make one with `ask`, which
    checks and fills in the defaults: two that mean the same are then equal.
    """

    name: str
    params: tuple[float, ...]
    timeframe: str
    forming: bool = False

    @property
    def key(self) -> str:
        """Return it as text: rsi(14, 1m)."""
        words = [*(f"{_short(p)}" for p in self.params), self.timeframe]
        return f"{self.name}({', '.join(words)}{', forming' if self.forming else ''})"


def _short(value: float) -> str:
    """Return a parameter as people write it, yet so that no two are written alike."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


@cache
def indicator_functions() -> Mapping[str, FunctionInfo]:
    """Return every named output of every streaming function by name: TA-Lib's, then our own."""
    talib = importlib.import_module("talib")
    stream = importlib.import_module("talib.stream")
    found: dict[str, FunctionInfo] = {}
    for function in talib.get_functions():
        if hasattr(stream, function):
            found |= {info.name: info for info in _outputs(function)}
    found |= {info.name: info for info in map(_own, OWN)}
    return MappingProxyType(found)


def _outputs(function: str) -> list[FunctionInfo]:
    info = importlib.import_module("talib.abstract").Function(function).info
    inputs: list[str] = []
    for given in info["input_names"].values():
        inputs += [given] if isinstance(given, str) else list(given)
    parameters = [
        Parameter(name, float(value), isinstance(value, int))
        for name, value in info["parameters"].items()
    ]
    if PERIODS in inputs:
        parameters.insert(0, Parameter(PERIOD, 14.0, True))
    names = info["output_names"]
    return [
        FunctionInfo(
            name=_output_name(function, output, len(names), i),
            function=function,
            output=i,
            parameters=tuple(parameters),
            inputs=tuple(inputs),
            group=info["group"],
            doc=info["display_name"] + (f", {output}" if len(names) > 1 else ""),
        )
        for i, output in enumerate(names)
    ]


def _own(function: str) -> FunctionInfo:
    own = OWN[function]
    return FunctionInfo(
        name=function.lower(),
        function=function,
        output=0,
        parameters=tuple(Parameter(*p) for p in own.parameters),
        inputs=own.inputs,
        group="Our own",
        doc=own.doc,
    )


def _output_name(function: str, output: str, count: int, at: int) -> str:
    """Return the name of an output: macd, macd_signal, bbands_upper, stoch_slowk."""
    name = function.lower()
    if count == 1 or (at == 0 and function in _MAIN):
        return name
    return f"{name}_{output.removeprefix(_STEMS.get(function, name)).removesuffix('band')}"


@lru_cache(maxsize=4096)
def ask(
    name: str, params: tuple[float, ...] = (), timeframe: str = "1m", forming: bool = False
) -> Ask:
    """Return a checked Ask with the defaults filled in; raises ConfigError naming the fault."""
    info = indicator_functions().get(name)
    if info is None:
        near = get_close_matches(name, indicator_functions(), 1)
        hint = f"did you mean {near[0]}?" if near else "see `tapelight list functions`."
        raise ConfigError(f"There is no indicator {name!r}: {hint}")
    if timeframe not in TIMEFRAMES:
        raise ConfigError(
            f"{name} has the timeframe {timeframe!r}: it is one of {', '.join(TIMEFRAMES)}."
        )
    known = info.parameters
    if len(params) > len(known):
        expected = ", ".join(f"{p.name}={p.default:g}" for p in known) or "none"
        raise ConfigError(f"{name} takes {len(known)} parameters ({expected}), not {len(params)}.")
    for parameter, value in zip(known, params, strict=False):
        if not np.isfinite(value) or (parameter.whole and value != int(value)):
            raise ConfigError(f"{name}: {parameter.name} is {value:g}, give a whole number.")
    filled = (*map(float, params), *(p.default for p in known[len(params) :]))
    made = Ask(name, filled, timeframe, forming)
    if bars_needed(info.function, filled) > LONGEST:
        raise ConfigError(
            f"{made.key} needs {bars_needed(info.function, filled):,} bars; "
            f"{LONGEST:,} are allowed, and a session has fewer."
        )
    return made


@lru_cache(maxsize=4096)
def bars_needed(function: str, params: tuple[float, ...]) -> int:
    """Return how many bars the function needs for its first value; raises ConfigError."""
    info = next(i for i in indicator_functions().values() if i.function == function)
    given = arguments(info, params)
    if function in OWN:
        need = OWN[function].need(*params)
    else:
        need = importlib.import_module("talib.abstract").Function(function, **given).lookback + 1
    if need < 1:
        said = ", ".join(f"{name}={value:g}" for name, value in given.items())
        raise ConfigError(
            f"{info.name} can't be reckoned with {said}: a parameter is out of range."
        )
    return int(need)


def opener(info: FunctionInfo, params: tuple[float, ...]) -> Callable[..., Any]:
    """Return what opens a handle over arrays of the inputs: `.update`, `.peek` and `.value`."""
    if info.function in OWN:
        return lambda *bars: OWN[info.function].open(*bars, *params)
    function = getattr(importlib.import_module("talib.stream"), info.function)
    given = arguments(info, params)
    return lambda *bars: function(*bars, **given)


def arguments(info: FunctionInfo, params: tuple[float, ...]) -> dict[str, Any]:
    """Return TA-Lib's keyword arguments for the parameters, in TA-Lib's own types."""
    return {
        p.name: int(value) if p.whole else value
        for p, value in zip(info.parameters, params, strict=True)
        if not (PERIODS in info.inputs and p.name == PERIOD)
    }


class Indicators:
    """Hold the present value of each series that is asked for, one array over the rows each."""

    def __init__(self) -> None:
        self.wanted: dict[Ask, None] = {}
        """What is followed, in the order of its keys."""
        self._values: dict[Ask, Floats] = {}

    def want(self, asks: Iterable[Ask]) -> bool:
        """Let `asks` be all that is reckoned; return whether that changed anything."""
        wanted = dict.fromkeys(sorted(set(asks), key=lambda a: a.key))
        if wanted == self.wanted:
            return False
        self.wanted = wanted
        self._values = {a: self._values.get(a, np.zeros(0)) for a in wanted}
        return True

    def values(self, ask: Ask, n: int) -> Floats:
        """Return the series' value in each of the table's `n` rows; NaN where it is unknown."""
        held = self._values.get(ask)
        if held is None:
            return np.full(n, np.nan)
        if len(held) < n:
            held = self._values[ask] = np.concatenate([held, np.full(n - len(held), np.nan)])
        return held[:n]

    def put(self, ask: Ask, rows: npt.NDArray[np.intp], values: Floats, n: int) -> None:
        """Let `rows` hold new values."""
        if ask in self._values:
            self.values(ask, n)[rows] = values

    def forget(self, rows: npt.NDArray[np.intp], n: int) -> None:
        """Let `rows` know nothing."""
        for one in self._values:
            self.values(one, n)[rows] = np.nan

    def clear(self) -> None:
        """Forget every value, not what is wanted."""
        for held in self._values.values():
            held[:] = np.nan
