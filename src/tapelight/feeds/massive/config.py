"""The settings of the Massive feed: `[feed.massive]` in tapelight.toml."""

import msgspec

from tapelight.errors import ConfigError

CHANNELS = ("T", "Q", "A", "AM", "LULD")


class Secret:
    """Hold a key that must not be shown: its repr and str are asterisks."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the key itself, for the wire only."""
        return self._text

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__


class MassiveConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say where the feed connects, with which key, and what it asks for."""

    url: str = "wss://socket.massive.com/stocks"
    rest: str = "https://api.massive.com"
    api_key: str = ""
    channels: tuple[str, ...] = ("T", "Q", "LULD")
    """Of T (trades), Q (quotes), A (second bars), AM (minute bars), LULD (bands)."""
    symbols: tuple[str, ...] | None = None
    """None: the whole market."""
    silence_s: float = 5.0
    """Without a frame for so long in regular hours, the connection counts as dead."""
    quiet_silence_s: float = 15.0
    """The same before the open and after the close."""
    bar_silence_s: float = 90.0
    """The same where only minute bars are granted."""
    canary: str = "SPY"
    """Subscribed beside listed symbols, so that silence means something."""
    backfill: int = 200
    """How many of the most active symbols get today's minute bars at each connection."""
    heal: int = 2000
    """Of how many symbols, the most active first, the trades of a hole are fetched; 0: of none."""
    history_sessions: int = 260
    """Past sessions read for 52-week, ATR and moving averages; 0 reads only the last 20."""
    news_s: float = 15.0
    """How often news is asked for, in seconds of the wall; 0: never."""

    def __repr__(self) -> str:
        """Return the settings without the key."""
        shown = {name: getattr(self, name) for name in self.__struct_fields__ if name != "api_key"}
        return f"MassiveConfig(api_key='***', {', '.join(f'{k}={v!r}' for k, v in shown.items())})"


def check(config: MassiveConfig) -> MassiveConfig:
    """Return `config`; raises ConfigError that names the setting which cannot be."""
    for channel in config.channels:
        if channel not in CHANNELS:
            raise ConfigError(
                f"feed.massive.channels has {channel!r}: use some of {', '.join(CHANNELS)}."
            )
    if not {"T", "A", "AM"} & set(config.channels):
        raise ConfigError(
            "feed.massive.channels needs T, A or AM: without one there are no prices."
        )
    if not config.url.startswith(("ws://", "wss://")):
        raise ConfigError(
            f"feed.massive.url is {config.url!r}: it must begin with wss:// or ws://."
        )
    if not config.rest.startswith(("http://", "https://")):
        raise ConfigError(f"feed.massive.rest is {config.rest!r}: it must begin with https://.")
    if not config.api_key:
        raise ConfigError(
            "feed.massive.api_key is empty: put the key of your Massive account there."
        )
    if config.news_s < 0:
        raise ConfigError("feed.massive.news_s must not be below 0: 15 is usual, 0 asks never.")
    if min(config.silence_s, config.quiet_silence_s, config.bar_silence_s) <= 0:
        raise ConfigError(
            "feed.massive.silence_s, quiet_silence_s and bar_silence_s must be above 0: "
            "5, 15 and 90 are usual."
        )
    return config
