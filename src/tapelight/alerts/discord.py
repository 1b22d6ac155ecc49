"""Discord: a message by a channel's webhook. Source: discord.com/developers/docs/resources/webhook."""

import msgspec

from tapelight.alerts._post import Post, receipt
from tapelight.errors import Rejected
from tapelight.model.alerts import Delivery

SECRETS = ("url",)
USERS_OWN = True
CHARS = 2_000
HOSTS = ("https://discord.com/api/webhooks/", "https://discordapp.com/api/webhooks/")


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Give the webhook's URL, as Discord shows it under the channel's integrations."""

    url: str


class Discord:
    """Send each alert as plain text that mentions nobody."""

    def __init__(self, config: Config, hosts: tuple[str, ...] = HOSTS) -> None:
        self._url = config.url
        self._hosts = hosts

    def check(self, post: Post) -> None:
        """Raise Rejected where the settings can't do."""
        if not self._url.startswith(self._hosts):
            raise Rejected(f"A Discord webhook's URL begins with {self._hosts[0]}.")
        post.check(self._url)

    async def send(self, delivery: Delivery, post: Post) -> str:
        """Send one alert; return Discord's answer."""
        body = {"content": delivery.alert.text[:CHARS], "allowed_mentions": {"parse": []}}
        return receipt(await post(self._url, msgspec.json.encode(body), {}), self._url)


def open(config: Config) -> Discord:  # noqa: A001 - what a plug-in offers
    """Return the channel."""
    return Discord(config)
