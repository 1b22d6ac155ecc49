"""`tapelight doctor`."""

import json as jsonlib

from tapelight.commands.options import ConfigFile, Data, data_folder


def doctor(*, data: Data = None, config: ConfigFile = None, json: bool = False) -> None:
    """Check port, key, clock, disk and calendar, and say what to do.

    Parameters
    ----------
    json
        Print the findings as JSON lines.
    """
    from tapelight.app.doctor import diagnose
    from tapelight.config import load

    settings = load(config)
    findings = diagnose(settings, data_folder(data, settings.data))
    for finding in findings:
        mark = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}[finding["state"]]
        print(jsonlib.dumps(finding) if json else f"{mark}  {finding['name']}: {finding['text']}")
    if any(f["state"] == "fail" for f in findings):
        raise SystemExit(1)
