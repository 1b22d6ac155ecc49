"""`tapelight list`."""

import json as jsonlib

from tapelight.commands.options import ConfigFile


def list_(what: str = "boards", *, config: ConfigFile = None, json: bool = False) -> None:
    """List columns, functions, boards, strategies, feeds, sources or scenarios.

    Parameters
    ----------
    what
        Columns, functions, boards, strategies, feeds, sources, scenarios.
    json
        One JSON object a line.
    """
    from tapelight.app.listing import listing
    from tapelight.config import load

    for row in listing(what, load(config)):
        if json:
            print(jsonlib.dumps(row))
        else:
            print(f"{row['name']:<20} {row.get('unit', ''):<8} {row['text']}")
