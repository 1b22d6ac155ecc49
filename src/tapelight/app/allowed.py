"""What the trader may do: with which broker, by which strategies, with whose money."""

from pathlib import Path

import structlog
from msgspec.structs import replace

from tapelight.app.proving import book_of, day_of
from tapelight.config import Config, convert
from tapelight.errors import ConfigError, Unavailable
from tapelight.model.limits import Route, Trade
from tapelight.model.trading import TradeMode
from tapelight.orders.proving import records
from tapelight.plugins import load
from tapelight.ports import Broker, QuoteSource

log = structlog.get_logger()
PAPER = "paper"
CONSOLIDATED = "SIP"
"""The coverage on which orders of real money may go by themselves."""


def trade_of(config: Config, dry_run: tuple[str, ...]) -> Trade:
    """Return the desk's rules; `dry_run` names further strategies for the paper desk."""
    added = {name: Route(mode="dry-run") for name in dry_run}
    return replace(config.trade, strategy=config.trade.strategy | added)


def routed(config: Config, data: Path) -> bool:
    """Tell whether a trader has anything to do: a strategy is routed, or orders were made."""
    modes = {route.mode for route in config.trade.strategy.values()}
    return bool(modes - {"off"}) or (data / "orders.db").exists()


def mode_of(broker: Broker) -> TradeMode:
    """Return what money a broker's orders are of."""
    if broker.live:
        return "live"
    return "dry-run" if broker.name == PAPER else "paper"


def all_dry(trade: Trade) -> Trade:
    """Return the rules of the only, paper desk: dry-run goes by itself, approve waits."""

    def let(route: Route) -> Route:
        return replace(route, mode="auto") if route.mode == "dry-run" else route

    return replace(trade, strategy={name: let(route) for name, route in trade.strategy.items()})


def proven(trade: Trade, dry: Path) -> Trade:
    """Return the rules of real money: what is not allowed it, or not long enough in dry-run, has none."""
    try:
        found = records(book_of(dry), day_of)
    except Unavailable as error:
        log.warning("every strategy stays in dry-run", reason=str(error))
        found = {}
    kept = {}
    for name, route in trade.strategy.items():
        days = found[name].days if name in found else 0
        if route.live and days >= trade.dry_run_days:
            kept[name] = route
        elif route.live:
            log.warning(
                "a strategy stays in dry-run", strategy=name, days=days, needed=trade.dry_run_days
            )
    return replace(trade, strategy=kept)


def approve_only(broker: Broker, coverage: str) -> str:
    """Return why orders of real money wait for a person: their data are not the whole market's, now."""
    if not broker.live or coverage == CONSOLIDATED:
        return ""
    told = coverage or "nobody knows which share of the market"
    return f"the data are not consolidated real-time quotes: {told}"


def open_broker(config: Config, live: bool) -> Broker:
    """Return the configured broker; raises ConfigError where real money is not allowed twice."""
    name = config.use_broker
    module = load("brokers", name)
    settings = convert(config.broker.get(name, {}), module.Config, f"[broker.{name}]")
    broker: Broker = module.open(settings)
    if broker.live and not (config.live and live):
        raise ConfigError(
            f"[broker.{name}] names an account of real money: that needs `live = true` in "
            "tapelight.toml and the flag --live. Nothing was sent."
        )
    return broker


def open_quotes(config: Config) -> QuoteSource | None:
    """Return the configured broker's own quotes; None where it has none."""
    name = config.use_broker
    module = load("brokers", name)
    if not hasattr(module, "quotes"):
        return None
    found: QuoteSource | None = module.quotes(
        convert(config.broker.get(name, {}), module.Config, f"[broker.{name}]")
    )
    return found
