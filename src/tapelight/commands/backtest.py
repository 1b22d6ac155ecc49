"""`tapelight backtest`."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tapelight.commands.options import ConfigFile, Data, TrustStrategies, data_folder

TapeFile = Annotated[
    Path | None, Parameter(help="Trades or minute bars instead of the recorded sessions.")
]
DailyFile = Annotated[
    Path | None,
    Parameter(help="Parquet of daily bars for --parquet: previous closes and baselines."),
]
Reference = Annotated[
    str | None,
    Parameter(
        help="For --parquet: the kept days of an origin (massive-sip), as known before each session."
    ),
]
SqlFile = Annotated[Path | None, Parameter(help="A file with the scan, instead of a name.")]
HalfSpread = Annotated[
    float, Parameter(help="Half a spread in basis points where no quote is recorded.")
]
Workers = Annotated[int, Parameter(help="Processes; one a core when 0.")]
Check = Annotated[
    bool,
    Parameter(help="Cut the tape at random marks and compare the signals: finds what looks ahead."),
]


def backtest(
    scan: str | None = None,
    *,
    days: str | None = None,
    last: int | None = None,
    parquet: TapeFile = None,
    daily: DailyFile = None,
    reference: Reference = None,
    sql: SqlFile = None,
    by: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    side: str = "long",
    half_spread_bps: HalfSpread = 5.0,
    workers: Workers = 0,
    out: Path | None = None,
    scoreboard: bool = False,
    check: Check = False,
    data: Data = None,
    trust_strategies: TrustStrategies = False,
    json: bool = False,
    config: ConfigFile = None,
) -> None:
    """Ask a scan or strategy of recorded sessions, and report what followed each signal.

    Parameters
    ----------
    scan
        Name of a scan or strategy.
    days
        Sessions A..B (or one day), both included; all when neither this nor --last is given.
    last
        The newest N sessions.
    by
        Split the figures by a column, as in gap_pct; may be given more than once.
    side
        long or short: which way a scan's signals are taken (a strategy says it itself).
    out
        Folder for report.html, fires.csv, fires.parquet and summary.json.
    scoreboard
        Every fire of every scan over the recorded sessions, with a digest.
    json
        Print the figures as JSON.
    """
    from tapelight.app.backtest.asking import Files
    from tapelight.app.backtest.command import BacktestOptions, answer, read_span
    from tapelight.app.trust import Trust
    from tapelight.config import load
    from tapelight.scan.source import trusting

    settings = load(config)
    files = Files(Path(settings.questions), Path(settings.strategies), settings.strategy)
    options = BacktestOptions(
        name=scan, sql=sql, data=data_folder(data, settings.data), files=files,
        span=read_span(days, last), parquet=parquet, daily=daily, reference=reference, by=by,
        side=side, half_spread_bps=half_spread_bps, workers=workers, out=out, json=json,
    )  # fmt: skip
    with trusting(Trust(options.data, files.strategies, trust_strategies)):
        told, code = answer(options, scoreboard=scoreboard, check=check)
    sys.stdout.write(told)
    raise SystemExit(code)
