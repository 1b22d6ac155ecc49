"""The settings of the Alpaca feed: `[feed.alpaca]` in tapelight.toml."""

import msgspec

from tapelight.errors import ConfigError

FEEDS = {"sip": "SIP", "iex": "IEX", "delayed_sip": "SIP, 15 min delayed", "test": "test stream"}
"""What each of Alpaca's feeds covers."""
CHANNELS = ("trades", "quotes", "bars", "statuses", "lulds")
TEST_SYMBOL = "FAKEPACA"
FREE_SYMBOLS = 30


class AlpacaConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say where the feed connects, with which keys, and what it asks for."""

    key: str = ""
    secret: str = ""
    feed: str = "iex"
    """iex (free), sip, delayed_sip, or test (FAKEPACA, at any hour)."""
    symbols: tuple[str, ...] | None = None
    """None: the whole market; the free plan then gives minute bars instead of trades."""
    channels: tuple[str, ...] = CHANNELS
    url: str = "wss://stream.data.alpaca.markets"
    rest: str = "https://data.alpaca.markets"
    broker: str = "https://paper-api.alpaca.markets"
    """Where the list of securities is: paper keys go with the paper address."""
    encoding: str = "msgpack"
    """msgpack or json."""
    quote_lot: int = 1
    """Shares in one unit of a quote's size: 100 where sizes come in round lots."""
    silence_s: float = 5.0
    """Without a frame for so long in regular hours, the connection counts as dead."""
    quiet_silence_s: float = 30.0
    """The same before the open and after the close."""
    bar_silence_s: float = 90.0
    """The same where only minute bars are subscribed."""
    canary: str = "SPY"
    """Subscribed beside listed symbols, so that silence means something."""
    backfill: int = 200
    """How many of the most active symbols get today's minute bars at each connection."""
    heal: int = 200
    """Of how many symbols missed trades are fetched after a hole; 0: of none."""
    history_sessions: int = 260
    """Past sessions read for 52-week range and averages where symbols are listed; else 25."""
    poll_s: float = 1.0
    """How often the poller asks for snapshots."""

    def __repr__(self) -> str:
        """Return the settings without the keys."""
        hidden = ("key", "secret")
        shown = {n: getattr(self, n) for n in self.__struct_fields__ if n not in hidden}
        return f"AlpacaConfig({', '.join(f'{k}={v!r}' for k, v in shown.items())})"


def check(config: AlpacaConfig) -> AlpacaConfig:
    """Return `config`; raises ConfigError that names the setting which cannot be."""
    if not config.key or not config.secret:
        raise ConfigError(
            "feed.alpaca.key or feed.alpaca.secret is empty: put both keys of your Alpaca account "
            "there (Home > API Keys; a paper account will do)."
        )
    if config.feed not in FEEDS:
        raise ConfigError(f"feed.alpaca.feed is {config.feed!r}: use one of {', '.join(FEEDS)}.")
    for channel in config.channels:
        if channel not in CHANNELS:
            raise ConfigError(
                f"feed.alpaca.channels has {channel!r}: use some of {', '.join(CHANNELS)}."
            )
    if not {"trades", "bars"} & set(config.channels):
        raise ConfigError("feed.alpaca.channels needs trades or bars: without one are no prices.")
    for name, begins in (("url", "ws"), ("rest", "http"), ("broker", "http")):
        value = getattr(config, name)
        if not value.startswith((f"{begins}://", f"{begins}s://")):
            raise ConfigError(f"feed.alpaca.{name} is {value!r}: it must begin with {begins}s://.")
    if config.encoding not in ("msgpack", "json"):
        raise ConfigError(f"feed.alpaca.encoding is {config.encoding!r}: use msgpack or json.")
    if config.symbols is not None and not config.symbols:
        raise ConfigError("feed.alpaca.symbols is empty: name symbols, or leave it out for all.")
    for name in ("silence_s", "quiet_silence_s", "bar_silence_s", "poll_s", "quote_lot"):
        if getattr(config, name) <= 0:
            raise ConfigError(f"feed.alpaca.{name} must be above 0.")
    return config
