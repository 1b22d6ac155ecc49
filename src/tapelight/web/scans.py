"""/api/scans: the questions as files; two editors don't overwrite each other (ETag, If-Match)."""

from collections.abc import Mapping

from starlette.responses import Response

from tapelight.errors import Missing, Unavailable
from tapelight.ports import Document, Documents, Json, Scans
from tapelight.web.documents import version_of
from tapelight.web.endpoints import (
    Arguments,
    Checked,
    Endpoint,
    Param,
    ScanRow,
    ScanText,
    reply,
)
from tapelight.web.problems import Refused
from tapelight.web.who import Who

SCAN = Param("name", "A scan's name: a letter, then letters, digits and _.", place="path", most=64)
IF_MATCH = Param(
    "if-match",
    "The ETag of the text that is replaced; left out for a new scan, * for any.",
    default="",
    place="header",
    most=80,
)


OWNED = "scan"
"""The kind of document that says whose a scan is; its text is the file's."""


def scan_endpoints(scans: Scans | None, documents: Documents | None = None) -> tuple[Endpoint, ...]:
    """Return the endpoints; without `scans` they say that there are none."""
    rest = ScanRest(scans, documents)
    path, changed = "/api/scans/{name}", (400, 404, 412, 413)
    return (
        Endpoint("/api/scans", "List boards and scans.", rest.list, list[ScanRow]),
        Endpoint(
            "/api/scans/check", "Check a text without saving it.", rest.check, Checked,
            method="POST", body=ScanText, errors=(400, 413), role="analyst", scope="scan",
        ),
        Endpoint(path, "Show a scan's file.", rest.show, ScanRow, (SCAN,), (400, 404)),
        Endpoint(
            path, "Write a scan's file.", rest.write, ScanRow, (SCAN, IF_MATCH), changed,
            method="PUT", body=ScanText, role="analyst", scope="scan",
        ),
        Endpoint(
            path, "Delete an own scan; a shipped one of its name is back.", rest.delete,
            dict[str, Json], (SCAN, IF_MATCH), changed, method="DELETE",
            role="analyst", scope="scan",
        ),
    )  # fmt: skip


class ScanRest:
    """Answer the endpoints; a scan is changed by who made it, or by an admin."""

    def __init__(self, scans: Scans | None, documents: Documents | None = None) -> None:
        self._given = scans
        self._documents = documents

    @property
    def _scans(self) -> Scans:
        if self._given is None:
            raise Unavailable("A replay has no scans to edit: ask a scanner that runs.")
        return self._given

    async def list(self, _args: Arguments) -> Response:
        """List all, with their owners."""
        owners = await self._owners()
        return reply([{**s, "owner": owners.get(s["name"], "")} for s in self._scans.scans()])

    async def show(self, args: Arguments) -> Response:
        """Show one, with its ETag."""
        return await self._told(self._scans.scan(args["name"]))

    async def write(self, args: Arguments) -> Response:
        """Write one; a new one is then its writer's."""
        name, who, version = args["name"], args["who"], version_of(args["if_match"])
        is_new = await self._check_owner(name, who)
        told = await self._scans.write(name, args["body"].text, version)
        if is_new and self._documents is not None:
            await self._documents.write(Document(OWNED, who.name, name, 0, {}, True), "*")
        return await self._told(told)

    async def delete(self, args: Arguments) -> Response:
        """Delete one."""
        name, version = args["name"], version_of(args["if_match"])
        await self._check_owner(name, args["who"])
        told = await self._scans.write(name, None, version)
        owner = (await self._owners()).get(name)
        if owner is not None and self._documents is not None:
            await self._documents.write(Document(OWNED, owner, name, 0, None), "*")
        return await self._told(told)

    async def _owners(self) -> dict[str, str]:
        """Return whose each scan is, as far as it is known."""
        if self._documents is None:
            return {}
        return {d.name: d.owner for d in await self._documents.list(OWNED, "")}

    async def _check_owner(self, name: str, who: Who) -> bool:
        """Tell whether a scan is new; raises Refused where it is another's, or came with the rest."""
        try:
            self._scans.scan(name)
        except Missing:
            return True
        owner = (await self._owners()).get(name, "")
        if who.name != owner and not who.may("admin", "scan"):
            whose = f"{owner}'s" if owner else "everybody's"
            raise Refused(
                403, f"The scan {name} is {whose}: write yours under another name, or ask an admin."
            )
        return False

    async def _told(self, told: Mapping[str, Json]) -> Response:
        if "version" not in told:
            return reply(told)
        owner = (await self._owners()).get(told["name"], "")
        return reply({**told, "owner": owner}, etag=f'"{told["version"]}"')

    def check(self, args: Arguments) -> Response:
        """Check a text."""
        return reply(self._scans.check(args["body"].name, args["body"].text))
