"""`tapelight why`."""

from typing import Annotated

from cyclopts import Parameter

from tapelight.commands.options import ConfigFile, Data, TrustStrategies, data_folder
from tapelight.errors import ConfigError


def why(
    symbol: str = "",
    scan: str = "",
    *,
    at: str | None = None,
    near: str | None = None,
    journal: str | None = None,
    ahead: Annotated[int, Parameter(negative=())] = 600,
    port: int | None = None,
    data: Data = None,
    config: ConfigFile = None,
    trust_strategies: TrustStrategies = False,
    json: bool = False,
) -> None:
    """Say why a symbol is, or is not, on a board or fired by a scan or strategy.

    Asks the running scanner, or a recording: with --journal, with --at in a folder that has one.

    Parameters
    ----------
    symbol
        As in ABC.
    scan
        A board, scan or strategy, as in hod_momo.
    at
        ISO 8601 with offset, or HH:MM:SS New York on the recorded day.
    near
        A scan: list who is armed, and who misses it by one condition.
    journal
        The recorded day (2026-11-20) or run's folder; the last one when not given.
    ahead
        Seconds of the recording to look ahead for what the scan did next; a running scanner: 120.
    port
        Of the running scanner; that of the data folder, else the configured one, when not given.
    json
        Print one JSON object.
    """
    from pathlib import Path

    from tapelight.app.localkey import local_address
    from tapelight.app.trust import Trust
    from tapelight.app.why import WhyOptions
    from tapelight.app.why import why as answer
    from tapelight.config import load
    from tapelight.scan.source import trusting

    if not near and not (symbol and scan):
        raise ConfigError("Name a symbol and a scan: tapelight why ABC hod_momo; or --near SCAN.")
    if near and (symbol or scan):
        raise ConfigError(f"--near {near} lists all symbols: leave {symbol or scan} out.")
    settings = load(config)
    folder = data_folder(data, settings.data)
    configured = f"http://{settings.web.host}:{port or settings.web.port}"
    options = WhyOptions(
        symbol=symbol, scan=near or scan, data=folder,
        url=configured if port else local_address(folder) or configured, at=at, journal=journal,
        near=bool(near), ahead_s=ahead, json=json,
    )  # fmt: skip
    with trusting(Trust(options.data, Path(settings.strategies), trust_strategies)):
        raise SystemExit(answer(options))
