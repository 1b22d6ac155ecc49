"""The feed as a role: it alone has the provider's connection, the clock and the journal.

It is the scanner with no question asked of it. Whoever has the lease is the feed; another process of
the role stands by and follows the stream, so that it goes on in the same run where it takes over.
"""

import asyncio
import hashlib
from pathlib import Path

import msgspec
import structlog

from tapelight.app.roles.hotboards import STATUS
from tapelight.app.roles.senders import Senders
from tapelight.app.roles.services import Services, lock, nothing
from tapelight.app.roles.standby import Standby, active
from tapelight.app.roles.tenure import Tenure, mark_of, owner_of
from tapelight.app.run import Parts, assemble, serve_headless
from tapelight.config import Config
from tapelight.errors import Unavailable
from tapelight.ports import Feed, Hot, Keyed
from tapelight.scan.warm import compile_loops

log = structlog.get_logger()
STATUS_S = 0.5
STATUS_TTL_S = 5.0


async def serve(config: Config, feed: Feed, data: Path) -> None:
    """Wait for the lease of the feed's key, and be the feed until cancelled or the lease is lost."""
    held = lock(data)
    compile_loops()
    services = Services(config.scale_out)
    await services.check("redis", "rabbitmq")
    tenure = Tenure(await asyncio.to_thread(services.leases), owner_of(data))
    parts = assemble(_headless(config), feed, data, nothing)  # before it is needed in a hurry
    parts.gateway.close()
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(parts.observing.run(), name="observing")
            await _stand_by(config, feed, data, services, tenure, parts)
            await _be_the_feed(data, services, tenure, parts)
    finally:
        await tenure.give_up()
        held.close()


async def _stand_by(
    config: Config, feed: Feed, data: Path, services: Services, tenure: Tenure, parts: Parts
) -> None:
    """Wait for the lease; meanwhile follow the stream into this disk's own journal."""
    standby = Standby(config, data, f"standby.{mark_of(data)}", services, nothing)
    observing = parts.observing
    at_work, measured = observing.unfit, observing.parts
    observing.unfit, observing.more = standby.unfit, tuple
    observing.parts = (standby.measures, services.measures)
    await standby.win(tenure, [_lease_of(config, feed)])
    observing.unfit, observing.parts = lambda: at_work() or services.fault(), measured


async def _be_the_feed(data: Path, services: Services, tenure: Tenure, parts: Parts) -> None:
    log.info("this process is the feed", token=tenure.token)
    senders = Senders(
        data, lambda: _running(parts), lambda: tenure.token, services.stream, services.words(),
        lambda: _taken_up(parts),
    )  # fmt: skip
    parts.observing.more = lambda: [
        active(True),
        *senders.measures(),
        *services.measures(),
        *tenure.measures(),
    ]
    async with asyncio.TaskGroup() as group:
        group.create_task(tenure.keep(), name="lease")
        group.create_task(senders.run(), name="senders")
        group.create_task(_tell(parts, services.hot()), name="status")
        group.create_task(serve_headless(parts), name="feed")


def _headless(config: Config) -> Config:
    return msgspec.structs.replace(config, web=msgspec.structs.replace(config.web, port=0))


def _lease_of(config: Config, feed: Feed) -> str:
    """Return the lease's name: of the installation, and of the key, which is not written down."""
    key = feed.owns() if isinstance(feed, Keyed) else feed.name
    digest = hashlib.blake2b(key.encode(), digest_size=8).hexdigest()
    return f"{config.scale_out.prefix}.feed.{digest}"


def _running(parts: Parts) -> Path | None:
    return parts.scanner.recording.folder if parts.scanner.recording is not None else None


def _taken_up(parts: Parts) -> int:
    return parts.scanner.recording.taken_up if parts.scanner.recording is not None else 0


async def _tell(parts: Parts, hot: Hot) -> None:
    """Tell the gateways how the feed is; until cancelled."""
    while True:
        status = {**parts.scanner.status(), "ts_ns": parts.scanner.engine.last_mark_ns}
        try:
            await hot.put_rows({STATUS: status}, STATUS_TTL_S)
        except Unavailable as error:
            log.debug("the feed's state can't be told", reason=str(error))
        await asyncio.sleep(STATUS_S)
