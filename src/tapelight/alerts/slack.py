"""Slack: a message by an incoming webhook. Source: api.slack.com/messaging/webhooks."""

import msgspec

from tapelight.alerts._post import Post, receipt
from tapelight.errors import Rejected
from tapelight.model.alerts import Delivery

SECRETS = ("url",)
USERS_OWN = True
CHARS = 3_000
HOSTS = ("https://hooks.slack.com/",)
PLAIN = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
"""What Slack reads as a link or a mention."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Give the URL of the incoming webhook."""

    url: str


class Slack:
    """Send each alert as plain text."""

    def __init__(self, config: Config, hosts: tuple[str, ...] = HOSTS) -> None:
        self._url = config.url
        self._hosts = hosts

    def check(self, post: Post) -> None:
        """Raise Rejected where the settings can't do."""
        if not self._url.startswith(self._hosts):
            raise Rejected(f"A Slack webhook's URL begins with {self._hosts[0]}.")
        post.check(self._url)

    async def send(self, delivery: Delivery, post: Post) -> str:
        """Send one alert; return Slack's answer."""
        body = {"text": delivery.alert.text[:CHARS].translate(PLAIN)}
        return receipt(await post(self._url, msgspec.json.encode(body), {}), self._url)


def open(config: Config) -> Slack:  # noqa: A001 - what a plug-in offers
    """Return the channel."""
    return Slack(config)
