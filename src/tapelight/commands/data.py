"""`tapelight data`: reference data. Heavy imports stand inside the commands."""

import json as jsonlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cyclopts

from tapelight.commands.options import ConfigFile, Data, data_folder
from tapelight.errors import ConfigError

data = cyclopts.App(
    name="data", help="What is known of past days: pull it, import it, see where it came from."
)


def _folder(folder: Path | None, config: Path | None) -> Path:
    from tapelight.config import load

    return data_folder(folder, load(config).data)


@data.command(name="import")
def import_(
    *files: Path,
    origin: str | None = None,
    data: Data = None,
    config: ConfigFile = None,
    json: bool = False,
) -> None:
    """Keep flat files (csv.gz of trades, minute or day aggregates), Parquet or recorded runs.

    Parameters
    ----------
    files
        Flat files, Parquet files, run folders; several sessions at once.
    origin
        Who counted the shares: a feed and its coverage, as in massive-sip or alpaca-iex.
    json
        One JSON object a line.
    """
    from tapelight.app.data.imports import import_files
    from tapelight.app.data.tell import bars_of_files, line_of

    if not files:
        raise ConfigError("Name the files to import: tapelight data import 2026-11-20.csv.gz.")
    with bars_of_files() as progress:
        for found in import_files(files, _folder(data, config), origin, progress):
            print(jsonlib.dumps(line_of(found)) if json else _said(line_of(found)), flush=True)


@data.command
def pull(
    *,
    sessions: int = 260,
    minutes: int = 0,
    feed: str | None = None,
    data: Data = None,
    config: ConfigFile = None,
    json: bool = False,
) -> None:
    """Bring a provider's lists and past days into the cold store; what is there is not asked for.

    Parameters
    ----------
    sessions
        How many past sessions: 260 are a year.
    minutes
        Of how many symbols, the most traded first, the minute volumes of the last 20 sessions.
    feed
        The feed to ask, instead of the configured one.
    json
        Print one JSON object.
    """
    import asyncio

    from tapelight.app.data.pulls import pull as run_pull
    from tapelight.app.data.tell import bars_of_steps
    from tapelight.config import load

    settings = load(config)
    folder = data_folder(data, settings.data)
    with bars_of_steps() as tell:
        found = asyncio.run(run_pull(settings, feed, folder, sessions, minutes, tell))
    print(jsonlib.dumps(found) if json else _pulled(found))
    if found["missing"]:
        raise SystemExit(1)


@data.command
def status(
    symbol: str | None = None,
    *,
    at: str | None = None,
    origin: str | None = None,
    data: Data = None,
    config: ConfigFile = None,
    json: bool = False,
) -> None:
    """Show what is kept; of a symbol each figure, its source, and how splits adjusted it.

    Parameters
    ----------
    symbol
        As in ABC.
    at
        A session's date: what was known when its pre-market began. Now, when not given.
    origin
        Whose days, where those of several feeds are kept.
    json
        One JSON object a line.
    """
    from tapelight.app.data.status import audit, nothing, overview
    from tapelight.app.data.tell import moment

    folder = _folder(data, config)
    if symbol is None:
        _tell(
            list(overview(folder)) or nothing(folder),
            json,
            "{what:<10} {origin:<24} {count:>8,}  {from} .. {to}",
        )
        return
    _tell(audit(folder, symbol, origin, moment(at)), json, "{what:<18} {value!s:<24} {source}")


def _tell(rows: Iterable[dict[str, Any]], json: bool, line: str) -> None:
    for row in rows:
        print(jsonlib.dumps(row) if json else line.format(**row))


def _said(row: dict[str, Any]) -> str:
    left = f" ({row['rejected']:,} of {row['rows']:,} rows left out)" if row["rejected"] else ""
    return f"{row['file']}  {row['date']}  {row['kind']}: {row['text']}{left}"


def _pulled(found: dict[str, Any]) -> str:
    for missing in found["missing"]:
        print(f"tapelight: not had: {missing}", file=sys.stderr)
    return f"{found['origin']}: {found['days']} sessions are kept, {found['facts']:,} facts."
