"""`tapelight service|preflight|init`: begin, run every morning, check before."""

import json as jsonlib
from pathlib import Path

import cyclopts

from tapelight.commands.options import ConfigFile, Data, data_folder

service = cyclopts.App(name="service", help="Run as a service of systemd.")
DEFAULT = Path("tapelight.toml")


def init(folder: Path = Path()) -> None:
    """Write a first tapelight.toml and a folder for own boards and scans.

    Parameters
    ----------
    folder
        Where.
    """
    from tapelight.app.init import write_first_config

    for line in write_first_config(folder):
        print(line)


@service.command(name="install")
def install_(*, data: Data = None, config: ConfigFile = None) -> None:
    """Write the units: the scanner, and the check at 03:55 New York time; as root for the system."""
    from tapelight.app.service import install
    from tapelight.config import load

    for line in install(config or DEFAULT, data_folder(data, load(config).data)):
        print(line)


@service.command(name="print")
def print_(*, data: Data = None, config: ConfigFile = None) -> None:
    """Show the units without writing them."""
    from tapelight.app.service import units
    from tapelight.config import load

    folder = data_folder(data, load(config).data)
    for name, text in units(config or DEFAULT, folder, user=False).items():
        print(f"# {name}\n{text}")


def preflight(
    *, quiet: bool = False, data: Data = None, config: ConfigFile = None, json: bool = False
) -> None:
    """Check scanner, feed, baselines, floats, splits, disk and clock; tell the operator what fails.

    Parameters
    ----------
    quiet
        Tell nobody: only print.
    json
        Print the findings as JSON lines.
    """
    from tapelight.app.preflight import preflight as check
    from tapelight.app.preflight import tell
    from tapelight.config import load

    settings = load(config)
    findings = check(settings, data_folder(data, settings.data))
    for finding in findings:
        mark = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}[finding["state"]]
        print(jsonlib.dumps(finding) if json else f"{mark}  {finding['name']}: {finding['text']}")
    faults = [] if quiet else tell(settings, findings)
    for fault in faults:
        print(f"FAIL  {fault}")
    if faults or any(f["state"] == "fail" for f in findings):
        raise SystemExit(1)
