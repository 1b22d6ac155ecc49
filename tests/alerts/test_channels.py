"""Each channel against a server of our own: what arrives, and what its answer becomes."""

import asyncio
import json
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import msgspec
import pytest

import tapelight
from alerts.receiver import Receiver
from alerts.shop import SECRET, alert
from app.test_why import records
from tapelight.alerts import apprise, discord, email, slack, telegram, webhook
from tapelight.alerts._post import Allowed, Post
from tapelight.alerts.router import Key, Moment, Router
from tapelight.alerts.webhook import DELIVERY, SIGNATURE, TIMESTAMP, verify
from tapelight.engine import Engine
from tapelight.errors import Rejected, Unavailable
from tapelight.model.alerts import Delivery, Rule, delivery
from tapelight.model.signals import Signal
from tapelight.plugins import load, names
from tapelight.scan.question import read_question

BOARDS = Path(tapelight.__file__).parent / "boards"
GIVEN: Delivery = delivery(
    msgspec.structs.replace(alert(1), text="AAPL <@everyone> & new high"), "c", 1
)


def posting(server: Receiver) -> Post:
    return Post(Allowed([f"127.0.0.1:{server.port}"]))


def test_the_channels_are_the_files() -> None:
    assert names("alerts") == ["apprise", "discord", "email", "slack", "telegram", "webhook"]
    for name in names("alerts"):
        module = load("alerts", name)
        keys = {field.encode_name for field in msgspec.structs.fields(module.Config)}
        assert set(module.SECRETS) <= keys
        assert isinstance(module.USERS_OWN, bool)


@pytest.mark.integration
async def test_a_webhook_bears_a_signature_that_only_the_secret_gives() -> None:
    async with Receiver() as server:
        hook = webhook.Webhook(webhook.Config(server.url, SECRET), lambda: 1_000.0)
        post = posting(server)
        hook.check(post)
        assert await hook.send(GIVEN, post) == "200 taken"
        await post.close()
    (got,) = server.requests
    assert json.loads(got.body)["alert"]["text"] == GIVEN.alert.text
    assert verify(SECRET, got.headers, got.body, 1_299.0) == GIVEN.id == got.headers[DELIVERY]
    for secret, headers, body, now in (
        ("another secret of sixteen", got.headers, got.body, 1_000.0),
        (SECRET, got.headers, got.body + b" ", 1_000.0),
        (SECRET, {**got.headers, TIMESTAMP: "1001"}, got.body, 1_000.0),
        (SECRET, {**got.headers, SIGNATURE: "v1="}, got.body, 1_000.0),
        (SECRET, {**got.headers, SIGNATURE: "é"}, got.body, 1_000.0),
        (SECRET, got.headers, got.body, 1_301.0),
        (SECRET, got.headers, got.body, 699.0),
        (SECRET, {}, got.body, 1_000.0),
    ):
        with pytest.raises(Rejected):
            verify(secret, headers, body, now)


@pytest.mark.integration
async def test_a_replay_under_another_delivery_id_has_the_id_that_was_signed() -> None:
    async with Receiver() as server:
        post = posting(server)
        hook = webhook.Webhook(webhook.Config(server.url, SECRET), lambda: 1_000.0)
        await hook.send(GIVEN, post)
        await post.close()
    (got,) = server.requests
    replayed = {**got.headers, DELIVERY: "a fresh one"}
    assert verify(SECRET, replayed, got.body, 1_000.0) == GIVEN.id
    for body in (b"[]", b"{}", b"\xff"):
        signed = {TIMESTAMP: "1000", SIGNATURE: webhook.sign(SECRET, "1000", body)}
        with pytest.raises(Rejected, match="no delivery"):
            verify(SECRET, signed, body, 1_000.0)


@pytest.mark.integration
async def test_while_a_secret_is_changed_both_sign() -> None:
    old = "the secret of before, long"
    async with Receiver() as server:
        hook = webhook.Webhook(webhook.Config(server.url, SECRET, old), lambda: 1_000.0)
        post = posting(server)
        await hook.send(GIVEN, post)
        await post.close()
    (got,) = server.requests
    assert verify(SECRET, got.headers, got.body, 1_000.0)
    assert verify(old, got.headers, got.body, 1_000.0)


async def test_a_webhook_wants_a_long_secret_and_a_url_outside() -> None:
    post = Post()
    for config, words in (
        (webhook.Config("https://example.com/x", "short"), "16 characters"),
        (webhook.Config("http://127.0.0.1:1/x", SECRET), "https alone"),
    ):
        with pytest.raises(Rejected, match=words):
            webhook.Webhook(config).check(post)
    await post.close()


@pytest.mark.integration
async def test_telegram() -> None:
    token = "123456:" + "A" * 35
    async with Receiver(lambda _: (200, '{"ok":true}', {})) as server:
        post = posting(server)
        base = f"http://127.0.0.1:{server.port}"
        channel = telegram.Telegram(telegram.Config(token, "42"), base)
        channel.check(post)
        assert await channel.send(GIVEN, post) == '200 {"ok":true}'
        await post.close()
    (got,) = server.requests
    assert got.path == f"/bot{token}/sendMessage"
    assert json.loads(got.body) == {"chat_id": "42", "text": GIVEN.alert.text}
    with pytest.raises(Rejected, match="BotFather"):
        telegram.open(telegram.Config("x/../y", "42")).check(Post())


@pytest.mark.integration
async def test_discord_mentions_nobody_and_slack_shows_text_as_text() -> None:
    async with Receiver() as server:
        post = posting(server)
        base = f"http://127.0.0.1:{server.port}/"
        for channel in (
            discord.Discord(discord.Config(base + "d"), (base,)),
            slack.Slack(slack.Config(base + "s"), (base,)),
        ):
            channel.check(post)
            await channel.send(GIVEN, post)
        await post.close()
    one, two = (json.loads(request.body) for request in server.requests)
    assert one == {"content": GIVEN.alert.text, "allowed_mentions": {"parse": []}}
    assert two == {"text": "AAPL &lt;@everyone&gt; &amp; new high"}
    for kind in (discord, slack):
        with pytest.raises(Rejected, match="URL begins with https://"):
            kind.open(kind.Config("https://evil.example/api/webhooks/")).check(Post())


class Postbox:
    """An SMTP server that takes one message, or answers DATA with `refuses`."""

    def __init__(self, refuses: str = "") -> None:
        self._refuses = refuses
        self.messages: list[Message] = []

    async def __aenter__(self) -> "Postbox":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(text: str) -> None:
            writer.write(f"{text}\r\n".encode())

        say("220 box")
        while line := (await reader.readline()).decode().strip().upper():
            if line.startswith("DATA") and not self._refuses:
                say("354 go on")
                data = await reader.readuntil(b"\r\n.\r\n")
                self.messages.append(message_from_bytes(data.removesuffix(b".\r\n")))
            say(self._refuses if line.startswith("DATA") and self._refuses else "250 ok")
            if line == "QUIT":
                break
        writer.close()


def mailing(port: int) -> email.Email:
    return email.Email(
        email.Config("127.0.0.1", "desk@example.com", ("ann@example.com",), port, "none")
    )


@pytest.mark.integration
async def test_email_has_the_delivery_as_its_message_id() -> None:
    odd = msgspec.structs.replace(GIVEN.alert, symbol="A\r\nBcc: x@y.z", text="größer")
    async with Postbox() as box:
        sent = msgspec.structs.replace(GIVEN, alert=odd)
        assert await mailing(box.port).send(sent, Post()) == "taken for 1 of 1"
    (got,) = box.messages
    assert (got["Subject"], got["Bcc"]) == ("A Bcc: x@y.z r", None)
    assert got["Message-ID"] == f"<{GIVEN.id}@tapelight>"
    assert got.get_payload(decode=True) == "größer\r\n".encode()


@pytest.mark.integration
@pytest.mark.parametrize(("says", "error"), [("550 no", Rejected), ("451 later", Unavailable)])
async def test_what_the_mail_server_says_decides(says: str, error: type[Exception]) -> None:
    async with Postbox(says) as box:
        with pytest.raises(error, match=says):
            await mailing(box.port).send(GIVEN, Post())
    with pytest.raises(Unavailable, match="can't be reached"):
        await mailing(box.port).send(GIVEN, Post())


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (email.Config("mail.example", "desk", ("a@b.c",)), "as addresses"),
        (email.Config("mail.example", "a@b.c", ()), "as addresses"),
        (email.Config("mail.example", "a@b.c", ("a@b.c",), security="ssl"), "tls, starttls"),
        (email.Config("mail.example", "a@b.c", ("a@b.c",), security="none"), "this machine"),
    ],
)
def test_wrong_settings_of_email_are_told(config: email.Config, words: str) -> None:
    with pytest.raises(Rejected, match=words):
        email.open(config).check(None)  # type: ignore[arg-type]


def shipped() -> Delivery:
    """Return the delivery of an alert of an engine's signal that bears a shipped scan's words."""
    engine, fired = Engine(), list[Signal]()
    for record in records():
        cycle = engine.apply(record)
        fired += [s for s in cycle.signals if s.scan == "hod_momo"] if cycle is not None else ()
    router = Router()
    router.follow({Key("ann", "r"): Rule(scans=("hod_momo",))}, {})
    header = read_question("hod_momo", (BOARDS / "hod_momo.sql").read_text("utf-8")).header
    first = next(s for s in fired if s.state == "fired")
    first = msgspec.structs.replace(first, text=header.text or header.title)
    (told,) = router.route([first], Moment(first.ts_ns))
    return delivery(told, "c", 1)


@pytest.mark.integration
async def test_every_channel_names_symbol_and_price_of_a_shipped_scans_signal() -> None:
    given = shipped()
    words = "ABC: new high of the day, last 10.3"
    assert given.alert.text == words
    token = "123456:" + "A" * 35
    async with Receiver() as server, Postbox() as box:
        post, base = posting(server), f"http://127.0.0.1:{server.port}/"
        for channel in (
            webhook.Webhook(webhook.Config(server.url, SECRET)),
            telegram.Telegram(telegram.Config(token, "42"), base.removesuffix("/")),
            discord.Discord(discord.Config(base + "d"), (base,)),
            slack.Slack(slack.Config(base + "s"), (base,)),
        ):
            await channel.send(given, post)
        await mailing(box.port).send(given, post)
        await post.close()
    one, *rest = (json.loads(request.body) for request in server.requests)
    assert one["alert"]["text"] == words
    assert [body.get("text") or body.get("content") for body in rest] == [words] * 3
    (mail,) = box.messages
    assert mail.get_payload(decode=True) == f"{words}\r\n".encode()
    assert mail["Subject"] == "ABC hod_momo"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.imghdr. is deprecated:DeprecationWarning")
async def test_apprise_delivers_by_its_urls() -> None:
    pytest.importorskip("apprise")
    async with Receiver() as server:
        channel = apprise.open(apprise.Config(f"json://127.0.0.1:{server.port}/x"))
        channel.check(Post())
        assert await channel.send(GIVEN, Post()) == "taken by Apprise"
    assert json.loads(server.requests[0].body)["message"] == GIVEN.alert.text
    with pytest.raises(Rejected, match="doesn't know the URL"):
        apprise.open(apprise.Config("nonsense")).check(Post())
