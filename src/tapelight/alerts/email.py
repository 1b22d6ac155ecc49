"""E-mail by SMTP, with TLS unless the server is on this machine."""

import asyncio
import smtplib
import ssl
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP

import msgspec

from tapelight.alerts._post import Post
from tapelight.errors import Rejected, Unavailable
from tapelight.model.alerts import Delivery

SECRETS = ("password",)
USERS_OWN = False
TIMEOUT_S = 10.0
SECURITY = ("tls", "starttls", "none")
LOCAL = ("localhost", "127.0.0.1", "::1")
SUBJECT_CHARS = 120


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"sender": "from"}):
    """Give the server, the sender and who gets it; `security` is tls, starttls or none."""

    host: str
    sender: str
    to: tuple[str, ...]
    port: int = 587
    security: str = "starttls"
    user: str = ""
    password: str = ""


class Email:
    """Send each alert as one plain message whose Message-ID is the delivery's."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def check(self, _post: Post) -> None:
        """Raise Rejected where the settings can't do."""
        addresses = (self._config.sender, *self._config.to)
        if not self._config.to or not all("@" in a and a.isprintable() for a in addresses):
            raise Rejected("Give `from` and `to` as addresses, as in desk@example.com.")
        if self._config.security not in SECURITY:
            raise Rejected(f"security is one of {', '.join(SECURITY)}.")
        if self._config.security == "none" and self._config.host not in LOCAL:
            raise Rejected("security none is for a server on this machine alone.")

    async def send(self, delivery: Delivery, _post: Post) -> str:
        """Send one alert; return the server's answer."""
        try:
            return await asyncio.to_thread(self._send, self._message(delivery))
        except smtplib.SMTPResponseException as error:
            said = f"{self._config.host} answers {error.smtp_code} {_words(error.smtp_error)}"
            raise (Rejected if error.smtp_code >= 500 else Unavailable)(said) from error
        except smtplib.SMTPRecipientsRefused as error:
            raise Rejected(f"{self._config.host} refuses {', '.join(error.recipients)}.") from error
        except (smtplib.SMTPException, OSError) as error:
            raise Unavailable(f"{self._config.host} can't be reached: {error}.") from error

    def _message(self, delivery: Delivery) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        alert = delivery.alert
        message["Subject"] = " ".join(f"{alert.symbol} {alert.scan or alert.rule}".split())[
            :SUBJECT_CHARS
        ]
        message["From"] = self._config.sender
        message["To"] = ", ".join(self._config.to)
        message["Message-ID"] = f"<{delivery.id}@tapelight>"
        message.set_content(alert.text)
        return message

    def _server(self) -> smtplib.SMTP:
        config, context = self._config, ssl.create_default_context()
        if config.security == "tls":
            return smtplib.SMTP_SSL(config.host, config.port, timeout=TIMEOUT_S, context=context)
        server = smtplib.SMTP(config.host, config.port, timeout=TIMEOUT_S)
        if config.security == "starttls":
            server.starttls(context=context)
        return server

    def _send(self, message: EmailMessage) -> str:
        config = self._config
        server = self._server()
        try:
            if config.user:
                server.login(config.user, config.password)
            refused = server.send_message(message)
            with suppress(smtplib.SMTPException):  # the message is taken, whatever comes now
                server.quit()
        finally:
            server.close()
        return f"taken for {len(config.to) - len(refused)} of {len(config.to)}"


def _words(said: bytes | str) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said


def open(config: Config) -> Email:  # noqa: A001 - what a plug-in offers
    """Return the channel."""
    return Email(config)
