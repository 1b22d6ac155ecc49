"""The settings of the Kite feed: `[feed.kite]` in tapelight.toml."""

from pathlib import Path

import msgspec

from tapelight.errors import ConfigError

MODES = ("ltp", "quote", "full")
EXCHANGES = {"NSE": "XNSE", "BSE": "XBOM"}
MOST = 3_000
"""Instruments that Kite allows on one connection."""


class KiteConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say with which session the feed connects, and what it asks for."""

    api_key: str = ""
    access_token: str = ""
    """Of today's login."""
    access_token_file: str = ""
    """A file with the token instead: read at each connection, so that a daily login suffices."""
    exchange: str = "NSE"
    """NSE or BSE."""
    symbols: tuple[str, ...] | None = None
    """Trading symbols (INFY, NIFTY 50); None: the shares of the main series, 3,000 at the most."""
    canary: str = "NIFTY 50"
    """An index, subscribed beside the shares: it moves each second, so silence means something."""
    mode: str = "full"
    """full: with times and best quotes; quote: without; ltp: prices alone."""
    silence_s: float = 5.0
    """Without a packet for so long in regular hours, the connection counts as dead."""
    poll_s: float = 1.0
    """Of the poller: between two requests of quotes."""
    url: str = "wss://ws.kite.trade"
    rest: str = "https://api.kite.trade"

    def __repr__(self) -> str:
        """Return the settings without key and token."""
        hidden = ("api_key", "access_token")
        shown = {n: getattr(self, n) for n in self.__struct_fields__ if n not in hidden}
        return f"KiteConfig({', '.join(f'{k}={v!r}' for k, v in shown.items())})"

    def token(self) -> str | Path:
        """Return the access token, or the file that holds it."""
        return Path(self.access_token_file) if self.access_token_file else self.access_token


def check(config: KiteConfig) -> KiteConfig:
    """Return `config`; raises ConfigError that names the setting which cannot be."""
    if config.mode not in MODES:
        raise ConfigError(f"feed.kite.mode is {config.mode!r}: use {', '.join(MODES)}.")
    if config.exchange not in EXCHANGES:
        raise ConfigError(
            f"feed.kite.exchange is {config.exchange!r}: use {' or '.join(EXCHANGES)}."
        )
    if not config.url.startswith(("ws://", "wss://")):
        raise ConfigError(f"feed.kite.url is {config.url!r}: it must begin with wss:// or ws://.")
    if not config.rest.startswith(("http://", "https://")):
        raise ConfigError(f"feed.kite.rest is {config.rest!r}: it must begin with https://.")
    if not config.api_key:
        raise ConfigError("feed.kite.api_key is empty: put the key of your Kite Connect app there.")
    if not config.access_token and not config.access_token_file:
        raise ConfigError(
            "feed.kite.access_token is empty: log in to Kite and put the day's token there, "
            "or name a file that holds it as access_token_file."
        )
    if config.symbols is not None and not 0 < len(set(config.symbols)) < MOST:
        raise ConfigError(
            f"feed.kite.symbols names {len(set(config.symbols))} instruments: "
            f"Kite allows {MOST:,} a connection, the canary included."
        )
    if config.silence_s <= 0 or config.poll_s < 1:
        raise ConfigError("feed.kite.silence_s must be above 0, and poll_s 1 or more.")
    return config
