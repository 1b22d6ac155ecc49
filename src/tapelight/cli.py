"""The commands. Everything heavy is imported inside the command that needs it."""

import json as jsonlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import cyclopts
from cyclopts import Parameter

from tapelight.commands.backtest import backtest
from tapelight.commands.compare import compare
from tapelight.commands.data import data as data_commands
from tapelight.commands.doctor import doctor
from tapelight.commands.listing import list_
from tapelight.commands.options import (
    ConfigFile,
    Data,
    TrustStrategies,
    data_folder,
    named_folder,
)
from tapelight.commands.orders import approve, kill, orders, pnl, positions
from tapelight.commands.scan import scan
from tapelight.commands.service import init, preflight, service
from tapelight.commands.top import top
from tapelight.commands.trace import trace
from tapelight.commands.user import user
from tapelight.commands.why import why
from tapelight.errors import Bug, ConfigError, Conflict, TapelightError

app = cyclopts.App(
    name="tapelight",
    help="A self-hosted, real-time market scanner. Start with: tapelight demo",
    version_flags=["--version"],
)
app.command(approve)
app.command(backtest)
app.command(compare)
app.command(data_commands)
app.command(doctor)
app.command(init)
app.command(kill)
app.command(orders)
app.command(pnl)
app.command(positions)
app.command(preflight)
app.command(scan)
app.command(list_, name="list")
app.command(service)
app.command(top)
app.command(trace)
app.command(user)
app.command(why)


def main() -> None:
    """Run a command; a fault of the user's ends in one sentence and exit code 2.

    Whoever reads the output may stop: `tapelight list columns | head`.
    """
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
    except ConfigError as error:
        _fail(str(error), 2)
    except TapelightError as error:
        _fail(str(error), 1)
    except OSError as error:
        if error.filename is None:
            raise
        _fail(f"{error.filename}: {error.strerror}: check that it may be written to.", 1)
    except BaseExceptionGroup as group:
        known, code = _known(group)
        if known is None:
            raise
        _fail(str(known), code)
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _known(group: BaseExceptionGroup[BaseException]) -> tuple[TapelightError | None, int]:
    """Return the error to tell and the exit code; None if one in the group is to be raised on."""
    leaves = list(_leaves(group))
    known = [e for e in leaves if isinstance(e, TapelightError) and not isinstance(e, Bug)]
    if len(known) < len(leaves):
        return None, 1
    others = [e for e in known if not isinstance(e, ConfigError)]
    if not others:
        return known[0], 2
    from tapelight.app.keeper import FENCED

    return others[0], FENCED if isinstance(others[0], Conflict) else 1


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        yield error
        return
    for inner in error.exceptions:
        yield from _leaves(inner)


def _fail(message: str, code: int) -> None:
    print(f"tapelight: {message}", file=sys.stderr)
    raise SystemExit(code)


def _loop(main_task: Any) -> Any:
    """Run a coroutine on the fastest loop at hand; SIGTERM ends it like Ctrl-C."""
    import asyncio

    from tapelight.app.loop import loop_factory, run_until_stopped, steady_memory
    from tapelight.telemetry import log_to_stderr

    steady_memory()
    log_to_stderr()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(run_until_stopped(main_task))


@app.command
def demo(
    *,
    port: int = 8787,
    symbols: int = 2000,
    rate: float = 3000.0,
    seed: int = 1,
    duration: float | None = None,
    scenario: str = "open",
    speed: float = 1.0,
    data: Data = None,
    ledger: Path | None = None,
    config: ConfigFile = None,
    json: bool = False,
) -> None:
    """Serve the dashboard on a synthetic market: no key, no service.

    Parameters
    ----------
    port
        Where the dashboard is served.
    symbols
        How many symbols the market has.
    rate
        Trades a second, the mean of 09:30 to 09:35.
    seed
        The same seed gives the same market.
    duration
        Market seconds after which the demo ends; it runs on when not given.
    scenario
        See `tapelight list scenarios`.
    speed
        Market seconds a second.
    ledger
        Folder into which the simulator writes everything it sent.
    json
        Print the last status as JSON.
    """
    from tapelight.app.demo import DemoOptions, summary
    from tapelight.app.demo import demo as run_demo
    from tapelight.config import load

    folder = named_folder(data)
    options = DemoOptions(
        port, symbols, rate, seed, duration, scenario, speed, folder, ledger, config
    )
    status = _loop(run_demo(options, load(config)))
    if json and status:
        print(summary(status))


@app.command
def run(
    *,
    feed: str | None = None,
    data: Data = None,
    port: int | None = None,
    role: str = "",
    live: bool = False,
    dry_run: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    config: ConfigFile = None,
    paper: Annotated[bool, Parameter(show=False)] = False,
    die_with_parent: Annotated[bool, Parameter(show=False)] = False,
) -> None:
    """Scan a real market: feed, journal, boards and dashboard as tapelight.toml says.

    Parameters
    ----------
    feed
        The feed to run, instead of the configured one.
    port
        Where the dashboard is served, instead of the configured port.
    role
        One part alone, over the services of [scale_out]: feed, scan, web, archive, trade or
        alert. Without [scale_out], trade is the trader beside a scanner of the same data folder. All without it.
    live
        Let the trader send orders of real money, where the configuration allows it too.
    dry_run
        A strategy whose signals become paper orders; may be given more than once.
    """
    import msgspec

    from tapelight.app.feeds import open_feed
    from tapelight.config import load

    settings = load(config)
    if port is not None:
        web = msgspec.structs.replace(settings.web, port=port)
        settings = msgspec.structs.replace(settings, web=web)
    if paper:
        settings = msgspec.structs.replace(settings, use_broker="paper")
    source = None if role else open_feed(settings, feed)  # what is wrong is told at once
    from tapelight.app.tradechild import TradeChild

    folder = data_folder(data, settings.data)
    child = TradeChild(folder, settings.web.port, config, dry_run, live)
    if role and (role != "trade" or (settings.scale_out.rabbitmq and not die_with_parent)):
        from tapelight.app.roles.serve import coroutine

        _loop(coroutine(role, settings, folder, feed, child))
        return
    if source is None:
        _loop(child.begin(settings, die_with_parent))
        return
    child.confirm(settings)
    print(f"Starting with the feed {source.name}.", file=sys.stderr)
    from tapelight.app.run import assemble, serve

    parts = assemble(settings, source, folder)
    print(f"Dashboard: http://{settings.web.host}:{settings.web.port}", file=sys.stderr)
    _loop(child.beside(settings, serve(parts)))


@app.command
def simulate(
    *,
    port: int,
    symbols: int = 2000,
    rate: float = 3000.0,
    seed: int = 1,
    scenario: str = "open",
    protocol: str = "massive",
    speed: float = 1.0,
    duration: float | None = None,
    hold: bool = False,
    ledger: Path | None = None,
    start: str | None = None,
    api_key: str = "demo",
    api_secret: str = "demo",  # noqa: S107 - of a simulated market
    die_with_parent: Annotated[bool, Parameter(show=False)] = False,
) -> None:
    """Serve a synthetic market on a socket that speaks a provider's protocol.

    Parameters
    ----------
    rate
        Trades a second, the mean of 09:30 to 09:35.
    scenario
        See `tapelight list scenarios`.
    protocol
        massive, or alpaca: market data, and a broker that fills orders from the same tape.
    speed
        Market seconds a second.
    duration
        Market seconds after which it ends; at its end it tells how many events it has sent.
    hold
        Market time stands still until the first subscription.
    ledger
        Folder into which everything sent is written.
    start
        ISO time that replaces the scenario's start.
    api_key
        The key that clients must present.
    api_secret
        The second key, with --protocol alpaca.
    """
    from tapelight.app.loop import die_with_parent as tie
    from tapelight.feeds.simulator import SimulatorOptions, serve

    if protocol not in ("massive", "alpaca"):
        raise ConfigError(f"Unknown protocol {protocol!r}: there are massive and alpaca.")
    if die_with_parent:
        tie()
    options = SimulatorOptions(
        port=port, symbols=symbols, rate=rate, seed=seed, scenario=scenario, speed=speed,
        duration_s=duration, hold=hold, ledger=ledger, start=start, api_key=api_key,
        protocol=protocol, api_secret=api_secret,
    )  # fmt: skip
    stream = "stocks" if protocol == "massive" else "v2/sip"
    print(f"Simulator: ws://127.0.0.1:{port}/{stream}, http://127.0.0.1:{port}", file=sys.stderr)
    sent = _loop(serve(options))
    if sent and not die_with_parent:
        print(jsonlib.dumps({"sent": sent}))


@app.command
def replay(
    source: str,
    *,
    speed: str = "max",
    verify: bool = False,
    daily: Path | None = None,
    reference: str | None = None,
    sql: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    at: str | None = None,
    calendar: str = "auto",
    data: Data = None,
    port: int = 8787,
    trust_strategies: TrustStrategies = False,
    json: bool = False,
    config: ConfigFile = None,
) -> None:
    """Replay a recorded day, or a Parquet file of trades or minute bars.

    Parameters
    ----------
    source
        A run's folder, a day (2026-11-20, with --data), or a Parquet file.
    speed
        max reckons the answers and ends; a number serves the dashboard at that speed.
    verify
        Recompute every answer and compare the digests that the live run left.
    daily
        Parquet of daily bars (symbol, date, o, h, l, c, v): previous closes and baselines.
    reference
        Instead: the kept days of an origin (massive-sip), as known before each session.
    sql
        A query over the table at the end, or at --at; may be given more than once.
    at
        ISO 8601 with offset, or HH:MM:SS of the exchange on the replayed day.
    calendar
        auto, XNYS, XNSE, XBOM or 24x7.
    json
        Print the answers as JSON lines.
    """
    from tapelight.app.playback import ReplayOptions, pace, replay_max, replay_paced
    from tapelight.app.trust import Trust
    from tapelight.config import load
    from tapelight.scan.source import trusting

    settings = load(config)
    options = ReplayOptions(
        source=source, data=data_folder(data, settings.data), verify=verify, daily=daily, reference=reference,
        sql=sql, at=at, calendar=calendar, json=json,
    )  # fmt: skip
    with trusting(Trust(options.data, Path(settings.strategies), trust_strategies)):
        if speed == "max":
            raise SystemExit(replay_max(options))
        factor = pace(speed, options)
        print(f"Dashboard: http://127.0.0.1:{port}", file=sys.stderr)
        _loop(replay_paced(options, factor, settings, port))


@app.command
def bench(*names: str, rate: float | None = None, json: bool = False) -> None:
    """Measure speed; each figure with its baseline of the same run.

    Parameters
    ----------
    names
        Which; all when none is given.
    rate
        Of stampede: the rated load, trades a second; 100,000 when not given. Ten times it is sent.
    json
        One JSON object a line: name, value, unit, baseline, ratio.
    """
    from tapelight.bench import run_benches
    from tapelight.telemetry import log_to_stderr

    log_to_stderr()
    for row in run_benches(names, rate):
        print(jsonlib.dumps(row) if json else _bench_line(row), flush=True)


def _bench_line(row: dict[str, Any]) -> str:
    ratio = _figure(row["ratio"], 3) if row.get("ratio") is not None else ""
    return f"{row['name']:<44} {_figure(row['value'], 4):>14} {row['unit']:<10} {ratio:>8}"


def _figure(value: float, digits: int) -> str:
    """Return a number of at least so many digits, never as a power of ten."""
    return f"{value:,.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:.{digits}g}"
