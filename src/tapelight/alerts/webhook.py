"""A webhook: JSON, signed, to an address of the user's own."""

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping

import msgspec

from tapelight.alerts._post import Post, receipt
from tapelight.errors import Rejected
from tapelight.model.alerts import Delivery

SECRETS = ("secret", "previous_secret")
USERS_OWN = True
"""Users may set one up; what isn't theirs stands in tapelight.toml alone."""
TOLERANCE_S = 300
SIGNATURE, TIMESTAMP, DELIVERY, ATTEMPT = (
    "tapelight-signature", "tapelight-timestamp", "tapelight-delivery", "tapelight-attempt",
)  # fmt: skip


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Say where to post, and the secret that signs; `previous_secret` signs too while it is changed."""

    url: str
    secret: str
    previous_secret: str = ""


class Signed(msgspec.Struct):
    """Read the delivery id of a signed body."""

    delivery: str


class Webhook:
    """Post each alert with its delivery id, which stays the same however often it is sent."""

    def __init__(self, config: Config, now_s: Callable[[], float] = time.time) -> None:
        self._config = config
        self._now_s = now_s

    def check(self, post: Post) -> None:
        """Raise Rejected where the settings can't do."""
        post.check(self._config.url)
        if len(self._config.secret) < 16:
            raise Rejected("Give the webhook a secret of 16 characters or more.")

    async def send(self, delivery: Delivery, post: Post) -> str:
        """Post one alert; return the receiver's answer."""
        body = msgspec.json.encode({"delivery": delivery.id, "alert": delivery.alert})
        stamp = str(int(self._now_s()))
        secrets = (self._config.secret, self._config.previous_secret)
        signatures = ",".join(sign(secret, stamp, body) for secret in secrets if secret)
        headers = {
            SIGNATURE: signatures, TIMESTAMP: stamp, DELIVERY: delivery.id,
            ATTEMPT: str(delivery.attempts + 1),
        }  # fmt: skip
        return receipt(await post(self._config.url, body, headers), self._config.url)


def sign(secret: str, stamp: str, body: bytes) -> str:
    """Return the signature of a body sent at a time (s, UTC): HMAC-SHA256 over `STAMP.BODY`."""
    digest = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"v1={digest}"


def verify(secret: str, headers: Mapping[str, str], body: bytes, now_s: float) -> str:
    """Return the delivery id of a request that is genuine and fresh; raises Rejected.

    For receivers: keep the ids of the last minutes, and pass over one that came before. The id is
    the body's, which is signed: that of the header may be anybody's.
    """
    stamp = headers.get(TIMESTAMP, "")
    if not stamp.isdigit() or abs(now_s - int(stamp)) > TOLERANCE_S:
        raise Rejected("The timestamp is more than five minutes off: it is an old request.")
    wanted = sign(secret, stamp, body).encode()
    given = [text.strip().encode() for text in headers.get(SIGNATURE, "").split(",")]
    if not any(hmac.compare_digest(wanted, signature) for signature in given):
        raise Rejected("The signature is not of this secret and body.")
    try:
        return msgspec.json.decode(body, type=Signed).delivery
    except msgspec.MsgspecError as error:
        raise Rejected("The body names no delivery: it is no alert of Tapelight.") from error


def open(config: Config) -> Webhook:  # noqa: A001 - what a plug-in offers
    """Return the channel."""
    return Webhook(config)
