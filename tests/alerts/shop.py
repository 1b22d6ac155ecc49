"""What the tests of deliveries share; run as a program it is a sender that may be killed."""

import asyncio
import sys
from pathlib import Path

from tapelight.alerts._post import Allowed, Post
from tapelight.alerts.sender import Channel, Sender
from tapelight.alerts.webhook import Config, Webhook
from tapelight.errors import Missing
from tapelight.model.alerts import Alert, Delivery, delivery
from tapelight.stores import outbox
from tapelight.stores.database import Database
from tapelight.stores.outbox import Outbox

SECRET = "a secret of sixteen or more"


def alert(n: int, owner: str = "ann") -> Alert:
    return Alert(id=f"a{n}", owner=owner, rule="r", kind="signal", text=f"alert {n}", symbol="AAPL")


def deliveries(count: int, channel: str = "hook") -> list[Delivery]:
    return [delivery(alert(n), channel, n + 1) for n in range(count)]


async def send_all(folder: Path, port: int, count: int) -> None:
    """Put deliveries into the outbox, unless they are there, and send until none waits."""
    database = Database(folder / "alerts.db", outbox.METADATA)
    box = Outbox(database)
    await box.add(deliveries(count))
    hook = Webhook(Config(f"http://127.0.0.1:{port}/hook", SECRET))

    async def find(_owner: str, name: str) -> Channel:
        if name != "hook":
            raise Missing(f"There is no channel {name!r}.")
        return hook

    post = Post(Allowed([f"127.0.0.1:{port}"]))
    sender = Sender(box, find, post)
    sending = asyncio.create_task(sender.run())
    while await box.next_due_ns() is not None:  # noqa: ASYNC110 - a file tells no event
        await asyncio.sleep(0.02)
    sending.cancel()
    await asyncio.wait({sending})
    await post.close()
    database.close()


if __name__ == "__main__":
    asyncio.run(send_all(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
