"""Columns: each one function, declared in one place, found by its file being there.

A column's parameter names are its inputs: other columns, or one of the sources `state` (the
rows' own fields), `ref` (reference figures), `ago` (past prices), `moment` (time and session)
and `usual` (volume baseline). Dependency order, unit, tooltip and docs come from the function.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from tapelight.errors import Bug
from tapelight.market.indicators import Ask
from tapelight.market.text import Text

Column = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Values = Column | Flags | Text
F = TypeVar("F", bound=Callable[..., Any])
MOVING = ("ago", "moment", "usual", "ind", "extremes", "news", "options", "other")
"""Sources that change though the row itself has no event: time, bars that close, other symbols."""
SOURCES = ("state", "ref", "ago", "moment", "usual", "ind", "extremes", "news", "options", "other")


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """Describe one column."""

    name: str
    unit: str
    doc: str
    topic: str
    kind: str
    """number, flag or text."""
    inputs: tuple[str, ...]
    pulse: bool
    """Whether it is true only until the next mark: a new high, the opening."""
    function: Callable[..., Any]
    indicators: tuple[Ask, ...] = ()
    """The series that it reads itself, by `ind`; null outside tier 2."""
    moves: bool | None = None
    """Whether it changes though the row has no event; None: if one of its inputs does."""


def column(
    *,
    unit: str = "",
    kind: str = "number",
    pulse: bool = False,
    indicators: tuple[Ask, ...] = (),
    moves: bool | None = None,
) -> Callable[[F], F]:
    """Declare a function as a column with its unit ($, %, shares, s, ...) and kind.

    `moves` is for what changes with time by the row's own fields: a rolling window, the seconds
    since a print. What reads one of MOVING moves without it being said.
    """

    def declare(function: F) -> F:
        vars(function)["column_unit"] = unit
        vars(function)["column_kind"] = kind
        vars(function)["column_pulse"] = pulse
        vars(function)["column_indicators"] = indicators
        vars(function)["column_moves"] = moves
        return function

    return declare


@cache
def columns() -> Mapping[str, ColumnInfo]:
    """Return every column by name, in the order of the files and of their text."""
    package = importlib.import_module("tapelight.market.columns")
    found: dict[str, ColumnInfo] = {}
    for module_info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{module_info.name}")
        for info in _declared(module, module_info.name):
            if info.name in found:
                raise Bug(
                    f"Column {info.name} is declared twice: {info.topic}, {found[info.name].topic}."
                )
            found[info.name] = info
    _check_inputs(found)
    return found


def _declared(module: Any, topic: str) -> list[ColumnInfo]:
    functions = [
        f
        for f in vars(module).values()
        if "column_unit" in getattr(f, "__dict__", {}) and f.__module__ == module.__name__
    ]
    return [
        ColumnInfo(
            name=f.__name__,
            unit=f.column_unit,
            doc=inspect.getdoc(f) or "",
            topic=topic,
            kind=f.column_kind,
            inputs=tuple(inspect.signature(f).parameters),
            pulse=f.column_pulse,
            function=f,
            indicators=f.column_indicators,
            moves=f.column_moves,
        )
        for f in functions
    ]


@cache
def moves(name: str) -> bool:
    """Tell whether a column may change of a row that has no event."""
    info = columns()[name]
    if info.moves is not None:
        return info.moves
    return any(i in MOVING or (i not in SOURCES and moves(i)) for i in info.inputs)


def _check_inputs(found: Mapping[str, ColumnInfo]) -> None:
    for info in found.values():
        for name in info.inputs:
            if name not in found and name not in SOURCES:
                raise Bug(
                    f"Column {info.name} asks for {name}, which no file in columns/ declares."
                )
