"""`tapelight scan`: boards and scans as files. Heavy imports stand inside the commands."""

import json as jsonlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import cyclopts
from cyclopts import Parameter

from tapelight.commands.options import ConfigFile, Data, data_folder
from tapelight.errors import ConfigError

scan = cyclopts.App(
    name="scan", help="Boards and scans as files: list, write, test, lint, compare, measure, undo."
)


def _settings(config: Path | None) -> Any:
    from tapelight.config import load

    return load(config)


def _folder(data: Path | None, config: Path | None) -> Path:
    return data_folder(data, _settings(config).data)


def _files(config: Path | None) -> Any:
    from tapelight.app.questions import QuestionFiles

    return QuestionFiles(Path(_settings(config).questions))


def _tell(rows: Iterable[dict[str, Any]], json: bool, line: str) -> None:
    for row in rows:
        print(jsonlib.dumps(row) if json else line.format(**row))


def _read(name: str, config: Path | None) -> tuple[str, str, dict[str, str]]:
    """Return name, text and all texts of a question, given by name or by a file's path."""
    files = _files(config)
    path = Path(name)
    if path.suffix == ".sql":
        if not path.is_file():
            raise ConfigError(f"{path} is not there: give a scan's name or its file.")
        text, name = path.read_text("utf-8"), path.stem
    elif name in files.faults and name not in files.texts:
        raise ConfigError(files.faults[name])
    elif name in files.texts or name in files.questions.texts:
        text = files.texts[name] if name in files.texts else files.questions.texts[name]
    else:
        from difflib import get_close_matches

        near = get_close_matches(name, files.questions.texts, 1)
        hint = f"did you mean {near[0]}?" if near else "`tapelight scan list` shows them."
        raise ConfigError(f"No scan is called {name!r}, {hint}")
    return name, text, {**files.questions.texts, name: text}


def _question(name: str, texts: dict[str, str]) -> Any:
    from tapelight.scan.questions import read_set

    return next(q for q in read_set(texts).questions if q.name == name)


def _watch() -> Any:
    """Return what shows the time of a long replay, where a person looks on."""
    if not sys.stderr.isatty():
        return lambda _ts: None
    from tapelight.model.session import iso

    def watch(ts_ns: int) -> None:
        if ts_ns // 10**9 % 60 == 0:
            print(f"\rreplaying {iso(ts_ns)[:16]}", end="", file=sys.stderr, flush=True)

    return watch


@scan.command(name="list")
def list_(*, config: ConfigFile = None, json: bool = False) -> None:
    """List boards and scans: name, kind, own or shipped, title.

    Parameters
    ----------
    json
        One JSON object a line, with text, version and header.
    """
    from tapelight.app.scanfiles import ScanFiles

    files = _files(config)
    rows = [{**s, "whose": "own" if s["own"] else "shipped"} for s in ScanFiles(files).scans()]
    _tell(rows, json, "{name:<28} {kind:<7} {whose:<8} {title}")
    for fault in files.faults.values():
        sys.stderr.write(f"tapelight: refused: {fault}\n")


@scan.command
def new(name: str, *, events: bool = False, config: ConfigFile = None) -> None:
    """Write a commented template for a new board, or a scan that fires.

    Parameters
    ----------
    name
        Small letters, digits and _.
    events
        A scan that makes signals, not a ranked list.
    """
    from tapelight.app.scanfiles import ScanFiles, template

    files = _files(config)
    ScanFiles(files).put(name, template(name, events), "")
    print(f"Wrote {files.path(name)}. Next: edit it, then `tapelight scan lint {name}`.")


@scan.command
def lint(*names: str, config: ConfigFile = None, json: bool = False) -> None:
    """Tell what a scan probably does not mean: null traps, empty bounds, repaints, costs.

    Parameters
    ----------
    names
        Names or files; all own scans when none is given.
    """
    import msgspec

    from tapelight.scan.lint import lint as look

    found: list[dict[str, Any]] = []
    files = _files(config)
    refused = {} if names else files.faults
    for name, fault in refused.items():
        message = fault.removeprefix(f"{name}.sql: ")
        found.append({"scan": name, "rule": "refused", "message": message, "place": "-"})
    for name in names or sorted(set(files.texts) - set(refused)):
        own, _, texts = _read(name, config)
        for finding in look(_question(own, texts)):
            place = f"{finding.line}:{finding.column}" if finding.line else "-"
            found.append({"scan": own, **msgspec.to_builtins(finding), "place": place})
    for each in found:
        each["at"] = each["scan"] if each["place"] == "-" else f"{each['scan']}:{each['place']}"
    _tell(found, json, "{at} {rule}: {message}")
    if found:
        raise SystemExit(1)


@scan.command(name="test")
def run_fixtures(
    *names: str, config: ConfigFile = None, data: Data = None, json: bool = False
) -> None:
    """Run the fixtures that lie beside the scans: NAME.test.toml.

    Parameters
    ----------
    names
        Names or files; all scans with fixtures when none is given.
    """
    import msgspec

    from tapelight.app.scantest import SUFFIX, fixture_of, run_cases

    own = Path(_settings(config).questions)
    chosen = names or sorted(p.name.removesuffix(SUFFIX) for p in own.glob(f"*{SUFFIX}"))
    if not chosen:
        raise ConfigError(f"{own} holds no fixtures: write {own}/NAME{SUFFIX}.")
    outcomes = []
    for name in chosen:
        known, _, texts = _read(name, config)
        beside = Path(name).parent if name.endswith(".sql") else own
        fixture = fixture_of(beside / f"{known}{SUFFIX}")
        question = _question(known, texts)
        outcomes += list(run_cases(question, fixture, texts, _folder(data, config)))
    rows = [{**msgspec.to_builtins(o), "mark": "ok  " if o.ok else "FAIL"} for o in outcomes]
    for row in rows:
        _tell([row], json, "{mark}  {scan}: {case}")
        if not (row["ok"] or json):
            print(f"      expected {row['expected']}, got {row['got']}")
    if not all(row["ok"] for row in rows):
        raise SystemExit(1)


@scan.command
def diff(
    old: str,
    new: str,
    *,
    day: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    data: Data = None,
    config: ConfigFile = None,
    json: bool = False,
) -> None:
    """Show what a recorded day would have given under the old and the new text.

    Parameters
    ----------
    old
        A scan's name or file.
    new
        Another one.
    day
        The recorded day, the last one by default; may be given more than once.
    json
        One JSON object a line; the last one is the sum.
    """
    from tapelight.app.scannoise import difference, last_days

    folder = _folder(data, config)
    _, before, texts = _read(old, config)
    _, after, _ = _read(new, config)
    days = day or tuple(last_days(folder, 1))
    *changes, total = difference(before, after, texts, days, folder, _watch())
    _tell(changes, json, "{change} {symbol:<8} {at}")
    _tell([total], json, "+{added}, -{gone} ({same} the same)")


@scan.command
def noise(
    name: str,
    *,
    per_hour: float,
    days: int = 20,
    data: Data = None,
    config: ConfigFile = None,
    json: bool = False,
) -> None:
    """Tell how often a scan fires, and which threshold of each bound meets a wish.

    Parameters
    ----------
    name
        A scan's name or file.
    per_hour
        So many signals an hour at the most.
    days
        How many recorded days are looked at, the last ones.
    """
    from tapelight.app.scannoise import last_days
    from tapelight.app.scannoise import noise as reckon

    folder = _folder(data, config)
    own, text, texts = _read(name, config)
    rows = list(
        reckon(
            text, _question(own, texts), texts, per_hour, last_days(folder, days), folder, _watch()
        )
    )
    for row in rows:
        print(jsonlib.dumps(row) if json else _noise_line(row, per_hour))


def _noise_line(row: dict[str, Any], per_hour: float) -> str:
    if "hours" in row:
        return f"as written: {row['per_hour']:g} signals an hour, over {row['hours']:g} hours"
    if "unvaried" in row:
        return f"  not varied: {'; '.join(row['unvaried'])}"
    if "meets" not in row:
        return f"  {row['bound']:<32} at {row['value']:<10g} {row['per_hour']:>10g} an hour"
    meets = row["meets"]
    told = (
        "no threshold tried" if meets is None else meets if isinstance(meets, str) else f"{meets:g}"
    )
    return f"  {row['bound']:<32} at most {per_hour:g} an hour: {told}"


@scan.command
def bench(
    *names: str,
    day: str = "",
    data: Data = None,
    config: ConfigFile = None,
    json: bool = False,
) -> None:
    """Measure what scans cost: us an evaluation, and their share of a core.

    Parameters
    ----------
    names
        Names or files; all when none is given.
    day
        Over the end of a recorded day; a made-up market of 11,000 symbols by default.
    """
    from tapelight.app.scancost import measure, recorded_engine

    if day:
        engine = recorded_engine(day, _folder(data, config))
    else:
        from tapelight.bench.cycle import Market, Size

        market = Market(Size())
        market.warm()
        engine = market.engine
    for name in names or sorted(_files(config).questions.texts):
        own, _, texts = _read(name, config)
        line = (
            "{name:<28} {us_at_11000:>10,.1f} us at 11,000 rows, {share_of_a_core:>8.4%} of a core"
        )
        _tell([measure(_question(own, texts), texts, engine)], json, line)


@scan.command
def undo(name: str, *, config: ConfigFile = None) -> None:
    """Put the text before the last change of an own scan back; texts are kept for 30 days.

    Parameters
    ----------
    name
        The scan's name.
    """
    from tapelight.app.scanfiles import ScanFiles
    from tapelight.app.scanfiles import undo as put_back

    files = _files(config)
    told = put_back(ScanFiles(files), files, name)
    print(f"{name} has its earlier text again, version {told['version']}.")
