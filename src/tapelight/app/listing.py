"""`tapelight list`: what there is."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapelight.config import Config
from tapelight.errors import ConfigError

if TYPE_CHECKING:
    from tapelight.scan.strategy import Strategy

Rows = Iterable[dict[str, str]]


def listing(what: str, config: Config) -> Rows:
    """Return rows of name, text and sometimes unit; raises ConfigError for an unknown word."""
    kinds = {
        "columns": _columns,
        "functions": _functions,
        "boards": _boards,
        "strategies": _strategies,
        "feeds": _feeds,
        "sources": _sources,
        "scenarios": _scenarios,
    }
    if what not in kinds:
        near = get_close_matches(what, kinds, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(kinds)}."
        raise ConfigError(f"Nothing called {what!r} to list: {hint}")
    return kinds[what](config)


def _columns(_config: Config) -> Rows:
    from tapelight.market.column import columns

    for info in columns().values():
        told = info.doc.partition("\n")[0].removeprefix("Return ")
        text = told[:1].upper() + told[1:]
        yield {"name": info.name, "unit": info.unit, "topic": info.topic, "text": text}


def _functions(_config: Config) -> Rows:
    """Yield the functions of the language, then every indicator with its parameters."""
    from tapelight.market.indicators import indicator_functions
    from tapelight.scan.functions import functions

    for function in functions().values():
        yield {
            "name": function.usage, "unit": "", "topic": function.group, "text": function.doc,
        }  # fmt: skip
    for info in indicator_functions().values():
        parameters = ", ".join(f"{p.name}={p.default:g}" for p in info.parameters)
        yield {
            "name": info.name, "unit": "", "topic": info.group, "parameters": parameters,
            "inputs": ", ".join(info.inputs), "function": info.function,
            "text": f"{info.doc} ({parameters})" if parameters else info.doc,
        }  # fmt: skip


def _boards(config: Config) -> Rows:
    from tapelight.app.questions import read_questions
    from tapelight.scan.questions import read_set

    read = read_set(read_questions(Path(config.questions)).texts).questions
    for q in sorted(read, key=lambda q: (q.header.number, q.name)):
        yield {"name": q.name, "unit": q.header.kind, "text": f"{q.header.title}. {q.header.doc}"}


def _strategies(config: Config) -> Rows:
    """Yield the shipped strategies and the own ones, each as the configuration asks it."""
    from tapelight.app.strategies import StrategyFiles
    from tapelight.scan.source import load, shipped

    files = StrategyFiles(Path(config.strategies), config.strategy)
    running = files.strategies.chosen
    for name in files.names:
        source = running[name].source if name in running else ""
        kind = load(name, source) if source else shipped().get(name)
        on = name in running
        row = {"name": name, "unit": "on" if on else "off", "enabled": "yes" if on else "no"}
        if name in files.faults or kind is None:
            why = files.faults.get(name, "[strategy] says enabled = false")
            yield {**row, "text": f"own file, off: {why}", "whose": "own"}
        else:
            yield {**row, **_asked(kind, config.strategy.get(name, {})),
                   "whose": "own" if source else "shipped"}  # fmt: skip


def _asked(kind: "type[Strategy]", table: Mapping[str, Any]) -> dict[str, str]:
    """Return a strategy in words, with its parameters as a table of the configuration sets them."""
    from tapelight.scan.source import parameters

    known = parameters(kind)
    told = [f"{p.name}={table.get(p.name, p.default)} {p.unit}".strip() for p in known]
    changed = ", ".join(f"{p.name}={table[p.name]}" for p in known if p.name in table)
    text = f"{kind.title}. {kind.doc}" + (f" [{changed}]" if changed else "")
    return {"code": kind.code, "text": text, "parameters": ", ".join(told)}


def _feeds(_config: Config) -> Rows:
    return _plugins("feeds")


def _sources(_config: Config) -> Rows:
    return _plugins("sources")


def _plugins(folder: str) -> Rows:
    from tapelight.plugins import load, names

    for name in names(folder):
        module = load(folder, name)
        if hasattr(module, "Config"):
            text = (module.__doc__ or "").partition("\n")[0]
            yield {"name": name, "text": text}


def _scenarios(_config: Config) -> Rows:
    from tapelight.feeds.simulator import scenarios

    for name, text in scenarios().items():
        yield {"name": name, "text": text}
