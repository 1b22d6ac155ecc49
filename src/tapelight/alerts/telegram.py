"""Telegram: a message of a bot. Source: core.telegram.org/bots/api#sendmessage."""

import re

import msgspec

from tapelight.alerts._post import Post, receipt
from tapelight.errors import Rejected
from tapelight.model.alerts import Delivery

SECRETS = ("token",)
USERS_OWN = True
CHARS = 4_096
TOKEN = re.compile(r"\d+:[A-Za-z0-9_-]{20,100}")


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Give the bot's token (from @BotFather) and the chat that it writes to."""

    token: str
    chat_id: str


class Telegram:
    """Send each alert as plain text."""

    def __init__(self, config: Config, base: str = "https://api.telegram.org") -> None:
        self._config = config
        self._url = f"{base}/bot{config.token}/sendMessage"

    def check(self, post: Post) -> None:
        """Raise Rejected where the settings can't do."""
        if not TOKEN.fullmatch(self._config.token):
            raise Rejected("The token is as @BotFather gave it: figures, a colon, letters.")
        post.check(self._url)

    async def send(self, delivery: Delivery, post: Post) -> str:
        """Send one alert; return Telegram's answer."""
        body = {"chat_id": self._config.chat_id, "text": delivery.alert.text[:CHARS]}
        return receipt(await post(self._url, msgspec.json.encode(body), {}), self._url)


def open(config: Config) -> Telegram:  # noqa: A001 - what a plug-in offers
    """Return the channel."""
    return Telegram(config)
