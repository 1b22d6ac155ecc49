"""/api/scans: the questions as files; two editors don't overwrite each other (ETag, If-Match)."""

from collections.abc import Mapping

from starlette.responses import Response

from tapelight.errors import Unavailable
from tapelight.ports import Json, Scans
from tapelight.web.endpoints import (
    Arguments,
    Checked,
    Endpoint,
    Param,
    ScanRow,
    ScanText,
    reply,
)

SCAN = Param("name", "A scan's name: a letter, then letters, digits and _.", place="path", most=64)
IF_MATCH = Param(
    "if-match",
    "The ETag of the text that is replaced; left out for a new scan, * for any.",
    default="",
    place="header",
    most=80,
)


def scan_endpoints(scans: Scans | None) -> tuple[Endpoint, ...]:
    """Return the endpoints; without `scans` they say that there are none."""
    rest = ScanRest(scans)
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
    """Answer the endpoints."""

    def __init__(self, scans: Scans | None) -> None:
        self._given = scans

    @property
    def _scans(self) -> Scans:
        if self._given is None:
            raise Unavailable("A replay has no scans to edit: ask a scanner that runs.")
        return self._given

    def list(self, _args: Arguments) -> Response:
        """List all."""
        return reply(list(self._scans.scans()))

    def show(self, args: Arguments) -> Response:
        """Show one, with its ETag."""
        return _tagged(self._scans.scan(args["name"]))

    async def write(self, args: Arguments) -> Response:
        """Write one."""
        text, version = args["body"].text, _version(args["if_match"])
        return _tagged(await self._scans.write(args["name"], text, version))

    async def delete(self, args: Arguments) -> Response:
        """Delete one."""
        return _tagged(await self._scans.write(args["name"], None, _version(args["if_match"])))

    def check(self, args: Arguments) -> Response:
        """Check a text."""
        return reply(self._scans.check(args["body"].name, args["body"].text))


def _version(tag: str) -> str:
    """Return the version in an ETag: RFC 9110 puts it in quotes."""
    return tag.strip().removeprefix("W/").strip('"')


def _tagged(told: Mapping[str, Json]) -> Response:
    if "version" not in told:
        return reply(told)
    return reply(told, etag=f'"{told["version"]}"')
