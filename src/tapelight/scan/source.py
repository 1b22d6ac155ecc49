"""Strategies as files: found, checked and loaded; their parameters read from TOML.

A user's own file is code and is trusted as such. It is checked for what would break a replay
(a clock, dice, files, the network), which is no sandbox: run nobody's strategy that you would
not run as a program.
"""

import ast
import hashlib
import importlib
import importlib.util
import pkgutil
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from difflib import get_close_matches
from functools import cache
from importlib.abc import InspectLoader
from types import ModuleType
from typing import Any, get_type_hints

import msgspec

from tapelight.errors import ConfigError
from tapelight.market.column import columns
from tapelight.model.records import StrategyChoice
from tapelight.scan.purity import impure
from tapelight.scan.rule import FAULTS, StrategyRule
from tapelight.scan.strategy import Common, Strategy

PACKAGE = "tapelight.scan.strategies"
Trusted = Callable[[str], bool]


def anything(_text: str) -> bool:
    """Trust any text."""
    return True


_trusted: ContextVar[Trusted] = ContextVar("trusted", default=anything)
"""Which texts may run: any, unless whoever reads a journal says otherwise."""


def trusted() -> Trusted:
    """Return what tells which texts may run."""
    return _trusted.get()


def trust(chosen: Trusted) -> None:
    """Let no text of a strategy run in this process but those that `chosen` says yes to."""
    _trusted.set(chosen)


@contextmanager
def trusting(chosen: Trusted) -> Iterator[None]:
    """Let no text of a strategy run within the block but those that `chosen` says yes to."""
    before = _trusted.set(chosen)
    try:
        yield
    finally:
        _trusted.reset(before)


class Parameter(msgspec.Struct, frozen=True):
    """Describe one parameter of a strategy."""

    name: str
    default: float | str
    unit: str
    doc: str
    least: float | None
    most: float | None


@cache
def shipped() -> Mapping[str, type[Strategy]]:
    """Return the shipped strategies by name, in alphabetical order."""
    package = importlib.import_module(PACKAGE)
    names = sorted(m.name for m in pkgutil.iter_modules(package.__path__))
    return {name: _strategy_of(importlib.import_module(f"{PACKAGE}.{name}")) for name in names}


@cache
def shipped_source(name: str) -> str:
    """Return the text of a shipped strategy's module."""
    spec = importlib.util.find_spec(f"{PACKAGE}.{name}")
    loader = spec.loader if spec else None
    text = loader.get_source(f"{PACKAGE}.{name}") if isinstance(loader, InspectLoader) else None
    return text or ""


def parameters(strategy: type[Strategy]) -> list[Parameter]:
    """Return a strategy's parameters, its own first."""
    hints = get_type_hints(strategy.takes, include_extras=True)
    defaults = {f.name: f.default for f in msgspec.structs.fields(strategy.takes)}
    own = [name for name in defaults if name not in Common.__struct_fields__]
    shared = [name for name in defaults if name in Common.__struct_fields__]
    return [_parameter(name, hints[name], defaults[name]) for name in (*own, *shared)]


def _parameter(name: str, hint: Any, default: Any) -> Parameter:
    meta = next((m for m in getattr(hint, "__metadata__", ()) if isinstance(m, msgspec.Meta)), None)
    if meta is None:
        return Parameter(name, default, "", "", None, None)
    unit = (meta.extra or {}).get("unit", "")
    return Parameter(name, default, unit, meta.description or "", meta.ge, meta.le)


def choose(name: str, parameters: str = "", source: str = "") -> StrategyChoice:
    """Return the record's part for a strategy; raises ConfigError when it can't run.

    `source` is the text of a user's own file, empty for a shipped strategy.
    """
    text = source or (shipped_source(name) if name in shipped() else "")
    key = hashlib.blake2b(f"{text}\0{parameters}".encode(), digest_size=8)
    choice = StrategyChoice(version=key.hexdigest(), parameters=parameters, source=source)
    make_rule(name, choice)
    for fault in _unknown_columns(ast.parse(source)):
        raise ConfigError(f"strategy {name}: {fault}")
    return choice


def make_rule(name: str, choice: StrategyChoice) -> StrategyRule:
    """Return the strategy ready to be asked; raises ConfigError that names file and fault."""
    kind = load(name, choice.source) if choice.source else _known(name)
    return rule_of(name, kind, choice.parameters, choice.version)


def rule_of(
    name: str, kind: type[Strategy], parameters: str = "", version: str = ""
) -> StrategyRule:
    """Return a strategy's class ready to be asked; raises ConfigError that names the fault."""
    try:
        return StrategyRule(name, kind(_params(kind, parameters)), version)
    except FAULTS as error:
        raise ConfigError(f"strategy {name}: {_fault(kind, error)}") from error


def _known(name: str) -> type[Strategy]:
    found = shipped().get(name)
    if found is not None:
        return found
    near = get_close_matches(name, shipped(), 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(shipped())}."
    raise ConfigError(f"Unknown strategy {name!r}: {hint}")


def _params(kind: type[Strategy], text: str) -> Common:
    values = tomllib.loads(text)
    known = kind.takes.__struct_fields__
    for key in values:
        if key not in known:
            near = get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}."
            raise ConfigError(f"unknown parameter {key!r}, {hint}")
    return msgspec.convert(values, kind.takes)


def _fault(kind: type[Strategy], error: BaseException) -> str:
    """Return one sentence; a value out of bounds is told with its parameter."""
    message = str(error) or type(error).__name__
    if isinstance(error, msgspec.ValidationError) and " - at `$." in message:
        said, _, place = message.partition(" - at `$.")
        name = place.rstrip("`")
        bounds = next((p for p in parameters(kind) if p.name == name), None)
        return f"{name}: {said}{f' ({bounds.doc})' if bounds else ''}."
    return message if message.endswith((".", "?")) else f"{message}."


class _Text(InspectLoader):
    """Load a module from its text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def get_source(self, fullname: str) -> str:  # noqa: ARG002
        """Return the text, whatever the module is called."""
        return self.text


def load(name: str, source: str) -> type[Strategy]:
    """Return the strategy of a user's own text; raises ConfigError that names file and fault."""
    if not trusted()(source):
        raise ConfigError(
            f"strategy {name}: its text comes from a journal, and is neither in your strategies "
            "folder nor of a run of this data folder. It would run as a program: read it, then "
            "give --trust-strategies."
        )
    try:
        faults = list(impure(ast.parse(source)))
        if faults:
            raise ConfigError(faults[0])
        return _strategy_of(_module(name, source))
    except SyntaxError as error:
        raise ConfigError(f"strategy {name}: line {error.lineno}: {error.msg}.") from error
    except FAULTS as error:
        raise ConfigError(f"strategy {name}: {error}") from error


def _unknown_columns(tree: ast.Module) -> Iterator[str]:
    """Yield a sentence for each column by a name that there is not: look["rvol_todd"]."""
    known = columns()
    for signals in ast.walk(tree):
        if not (isinstance(signals, ast.FunctionDef) and signals.name == "signals"):
            continue
        look = [each.arg for each in signals.args.args][1:2]
        for node in ast.walk(signals):
            if not (isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)):
                continue
            column = node.slice.value
            if isinstance(node.value, ast.Name) and [node.value.id] == look and column not in known:
                near = get_close_matches(str(column), known, 1)
                hint = f"did you mean {near[0]}?" if near else "see `tapelight list columns`."
                yield f"line {node.lineno}: there is no column {column!r}, {hint}"


def _module(name: str, source: str) -> ModuleType:
    spec = importlib.util.spec_from_loader(f"own_strategies.{name}", _Text(source))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _strategy_of(module: ModuleType) -> type[Strategy]:
    """Return the one strategy that a module defines; raises ConfigError."""
    found = [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type)
        and issubclass(kind, Strategy)
        and kind.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise ConfigError(
            f"{module.__name__.rpartition('.')[2]}.py defines {len(found)} subclasses of Strategy, "
            "it must define one."
        )
    return found[0]
