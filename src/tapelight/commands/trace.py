"""`tapelight trace`."""

import json as jsonlib
from dataclasses import asdict

from tapelight.commands.options import ConfigFile, Data, data_folder


def trace(signal: str, *, data: Data = None, config: ConfigFile = None, json: bool = False) -> None:
    """Tell the whole story of a signal: event, table, rule, alerts, orders, fills.

    Parameters
    ----------
    signal
        Its id, or the beginning of it, as in /api/signals, alerts and logs.
    json
        One JSON object a line.
    """
    from tapelight.app.story import lines, story
    from tapelight.config import load

    steps = story(data_folder(data, load(config).data), signal)
    told = (jsonlib.dumps(asdict(step)) for step in steps) if json else lines(steps)
    for line in told:
        print(line)
