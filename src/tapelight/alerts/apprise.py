"""Apprise: the hundred other services, by its URLs; the package is the extra `alerts`."""

import asyncio
import importlib

import msgspec

from tapelight.alerts._post import Post
from tapelight.errors import ConfigError, Rejected, Unavailable
from tapelight.model.alerts import Delivery

SECRETS = ("url",)
USERS_OWN = False
"""An Apprise URL may lead inside: the operator's alone."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Give a service's URL, as in ntfy://topic; see the documents of Apprise."""

    url: str


class Apprise:
    """Send each alert by Apprise, on a thread."""

    def __init__(self, config: Config) -> None:
        try:
            self._module = importlib.import_module("apprise")
        except ImportError as error:
            raise ConfigError(
                "The channel apprise needs a package: pip install 'tapelight[alerts]'."
            ) from error
        self._target = self._module.Apprise()
        self._known = bool(self._target.add(config.url))

    def check(self, _post: Post) -> None:
        """Raise Rejected where the settings can't do."""
        if not self._known:
            raise Rejected("Apprise doesn't know the URL: see its list of services.")

    async def send(self, delivery: Delivery, _post: Post) -> str:
        """Send one alert; Apprise tells only whether it was taken."""
        alert = delivery.alert
        title = f"{alert.symbol} {alert.scan or alert.rule}"
        taken = await asyncio.to_thread(self._target.notify, body=alert.text, title=title)
        if not taken:
            raise Unavailable("Apprise could not deliver: its log says why.")
        return "taken by Apprise"


def open(config: Config) -> Apprise:  # noqa: A001 - what a plug-in offers
    """Return the channel."""
    return Apprise(config)
