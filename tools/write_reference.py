"""Write docs/reference.md from what there is: columns, functions, boards, strategies.

    .venv/bin/python tools/write_reference.py

The dashboard's columns and words (ui/src/model/*.json) are written from the same. A test compares
all of them with what this would write.
"""

import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path

from tapelight.app.questions import shipped as shipped_questions
from tapelight.market.column import columns
from tapelight.market.indicators import indicator_functions
from tapelight.scan.functions import functions
from tapelight.scan.questions import read_set
from tapelight.scan.source import Parameter, parameters, shipped
from tapelight.scan.strategy import Strategy

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reference.md"
WORDS = ROOT / "ui" / "src" / "model"


def page() -> str:
    """Return the page's text."""
    return "\n".join([*_head(), *_columns(), *_functions(), *_boards(), *_strategies()])


def words() -> Mapping[str, object]:
    """Return what the dashboard's files hold, by name: it completes, explains and formats by it."""
    told = {
        c.name: [c.unit if c.kind == "number" else c.kind, c.doc.partition("\n")[0], c.topic]
        for c in columns().values()
    }
    indicators = sorted(indicator_functions().values(), key=lambda info: info.name)
    language = {
        "functions": [[f.usage, f.group, f.doc] for f in functions().values()],
        "indicators": [
            [i.name, ", ".join(f"{p.name} {p.default:g}" for p in i.parameters), i.doc]
            for i in indicators
        ],
        "strategies": [_strategy(name, kind) for name, kind in sorted(shipped().items())],
    }
    return {"columns.json": told, "language.json": language}


def _strategy(name: str, kind: type[Strategy]) -> Mapping[str, object]:
    return {
        "name": name,
        "code": kind.code,
        "title": kind.title,
        "doc": kind.doc,
        "enabled": kind.enabled,
        "parameters": [[p.name, str(p.default), p.unit, p.doc] for p in parameters(kind)],
    }


def text(found: object) -> str:
    """Return one entry a line: a change shows as the line that changed."""
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).replace("],", "],\n") + "\n"


def _head() -> Iterator[str]:
    yield "# Reference"
    yield ""
    yield "Written by `tools/write_reference.py`; `tapelight list WHAT` prints the same."
    yield f"There are {len(columns())} columns, {len(functions())} functions of the language,"
    yield f"{len(indicator_functions())} indicators, {len(shipped_questions())} boards and scans,"
    yield f"and {len(shipped())} strategies."
    yield ""


def _columns() -> Iterator[str]:
    yield "## Columns"
    yield ""
    for topic, infos in groupby(columns().values(), key=lambda info: info.topic):
        yield f"### {topic.capitalize()}"
        yield ""
        yield from _table("column", "unit", "what it is")
        for info in infos:
            unit = info.unit if info.kind == "number" else info.kind
            yield _row(f"`{info.name}`", unit, _plain(info.doc))
        yield ""


def _functions() -> Iterator[str]:
    yield "## Functions"
    yield ""
    yield from _table("function", "group", "what it gives")
    for function in functions().values():
        yield _row(f"`{function.usage}`", function.group, function.doc)
    yield ""
    yield "## Indicators"
    yield ""
    yield "Written `name(parameters, 'timeframe')`, with `, forming` for the bar that is not closed"
    yield "yet; what is left out takes its default, the timeframe `'1m'`."
    yield ""
    infos = sorted(indicator_functions().values(), key=lambda info: (info.group, info.name))
    for group, members in groupby(infos, key=lambda info: info.group):
        yield f"### {group}"
        yield ""
        yield from _table("indicator", "parameters", "of", "what it is")
        for info in members:
            given = ", ".join(f"{p.name} {p.default:g}" for p in info.parameters)
            yield _row(f"`{info.name}`", given, ", ".join(info.inputs), info.doc)
        yield ""


def _boards() -> Iterator[str]:
    yield "## Boards and scans"
    yield ""
    yield from _table("name", "kind", "title", "what it shows")
    found = read_set(shipped_questions()).questions
    for q in sorted(found, key=lambda q: (q.header.number, q.name)):
        yield _row(f"`{q.name}`", q.header.kind, q.header.title, q.header.doc)
    yield ""


def _strategies() -> Iterator[str]:
    yield "## Strategies"
    yield ""
    for name, kind in sorted(shipped().items(), key=lambda item: (len(item[1].code), item[1].code)):
        on = "on" if kind.enabled else "off unless the configuration names it"
        yield f"### {kind.code} {kind.title} (`{name}`)".replace("  ", " ")
        yield ""
        yield f"{kind.doc} By default {on}."
        yield ""
        yield from _table("parameter", "default", "unit", "bounds", "what it is")
        for p in parameters(kind):
            yield _row(f"`{p.name}`", str(p.default), p.unit, _bounds(p), p.doc)
        yield ""


def _bounds(parameter: Parameter) -> str:
    """Return what values a parameter may have, where that is bounded."""
    least, most = parameter.least, parameter.most
    if least is not None and most is not None:
        return f"{least:g} to {most:g}"
    if least is not None:
        return f"{least:g} or more"
    return f"{most:g} or less" if most is not None else ""


def _plain(doc: str) -> str:
    """Return a docstring's first line without its verb."""
    first = doc.partition("\n")[0].removeprefix("Return ")
    return first[:1].upper() + first[1:]


def _table(*heads: str) -> Iterator[str]:
    yield _row(*heads)
    yield _row(*("---" for _ in heads))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    for file, found in words().items():
        (WORDS / file).write_text(text(found), "utf-8")
