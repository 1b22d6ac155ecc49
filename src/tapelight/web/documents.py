"""What users keep on the server, over REST: list, show, write, undo, export and import.

Two editors don't overwrite each other: a document's version is its ETag, `If-Match` says which
version is replaced. Each kind brings the type of its body and a check.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

import msgspec
from starlette.responses import Response

from tapelight.errors import Missing, Rejected, Unavailable
from tapelight.ports import Document, Documents, Json
from tapelight.web.endpoints import Arguments, Endpoint, Param, reply
from tapelight.web.problems import Refused
from tapelight.web.wire import quoted

NAME_CHARS = 64
NAME = Param("name", "A name of your own, up to 64 characters.", place="path", most=NAME_CHARS)
OWNER = Param("owner", "Whose, where it is shared; your own, when left out.", default="", most=64)
VERSION = Param("version", "A past version; 0 is the newest.", int, 0, least=0, most=1_000_000_000)
IF_MATCH = Param(
    "if-match",
    "The ETag of what is replaced; left out for a new one, * for any.",
    default="",
    place="header",
    most=80,
)


class DocumentInfo(msgspec.Struct):
    """Describe a document without its body; `changed_ns` is UTC."""

    owner: str
    name: str
    version: int
    shared: bool
    changed_ns: int
    mine: bool


class DocumentShown(DocumentInfo):
    """Show a document; `of` is the version that this one repeats, after an undo."""

    body: dict[str, Json]
    of: int
    warnings: list[str] = []
    """What of it can't work as things are; left out where there is nothing to say."""


class DocumentVersion(msgspec.Struct):
    """Name one version; `deleted` tells that it ended the document."""

    version: int
    of: int
    changed_ns: int
    shared: bool
    deleted: bool


class Exported(msgspec.Struct, forbid_unknown_fields=True):
    """Hold a document as a file: give it to others, import it elsewhere."""

    tapelight: str
    """The kind: layout, watchlist ..."""
    name: str
    body: dict[str, Json]


class Undo(msgspec.Struct, forbid_unknown_fields=True):
    """Say which version is to be back; 0 is the one before."""

    to: int = 0


async def unvetted(_body: dict[str, Json]) -> None:
    """Accept any body that its check accepts."""


def no_warnings(_body: dict[str, Json]) -> list[str]:
    """Return nothing."""
    return []


@dataclass(frozen=True, slots=True)
class Kind:
    """Describe one kind of document: its word, its path, what a request brings, and its check.

    `put` is a struct with `shared` beside the body's fields, or with `body` itself. `check`
    returns the body as it is kept, or raises Rejected, and is asked at reading too. `vet` raises
    Rejected for what names things that there are not now, and is asked at writing alone.
    """

    name: str
    path: str
    put: type[msgspec.Struct]
    check: Callable[[dict[str, Json]], dict[str, Json]]
    role: str = "viewer"
    scope: str = "read"
    whole: bool = True
    """Whether the list shows the bodies."""
    vet: Callable[[dict[str, Json]], Awaitable[None]] = unvetted
    warn: Callable[[dict[str, Json]], list[str]] = no_warnings
    """Returns what of a body can't work as things are."""


def document_endpoints(kind: Kind, documents: Documents | None) -> tuple[Endpoint, ...]:
    """Return the endpoints of a kind; without `documents` they say that there are none."""
    rest = DocumentRest(kind, documents)
    found = (*_reading(kind, rest), *_changing(kind, rest))
    return tuple(replace(e, role=kind.role, scope=kind.scope) for e in found)


def _reading(kind: Kind, rest: "DocumentRest") -> tuple[Endpoint, ...]:
    one, missing = f"/api/{kind.path}/{{name}}", (400, 404)
    return (
        Endpoint(
            f"/api/{kind.path}", f"List your {kind.path} and shared ones.", rest.list,
            list[DocumentShown] if kind.whole else list[DocumentInfo],
        ),
        Endpoint(
            one, f"Show a {kind.name}.", rest.show, DocumentShown, (NAME, OWNER, VERSION), missing
        ),
        Endpoint(
            f"{one}/history", f"List a {kind.name}'s versions.", rest.history,
            list[DocumentVersion], (NAME,), missing,
        ),
        Endpoint(
            f"{one}/export", f"Show a {kind.name} as a file.", rest.export, Exported,
            (NAME, OWNER), missing,
        ),
    )  # fmt: skip


def _changing(kind: Kind, rest: "DocumentRest") -> tuple[Endpoint, ...]:
    one, errors = f"/api/{kind.path}/{{name}}", (400, 404, 412, 413)
    return (
        Endpoint(
            f"/api/{kind.path}/import", f"Take a {kind.name} from a file.", rest.take,
            DocumentShown, (IF_MATCH,), errors, "POST", Exported,
        ),
        Endpoint(
            one, f"Write a {kind.name}.", rest.write, DocumentShown, (NAME, IF_MATCH), errors,
            "PUT", kind.put,
        ),
        Endpoint(
            one, f"Delete a {kind.name}; undo brings it back.", rest.delete, dict[str, Json],
            (NAME, IF_MATCH), errors, "DELETE",
        ),
        Endpoint(
            f"{one}/undo", f"Bring a {kind.name}'s earlier version back.", rest.undo,
            DocumentShown, (NAME,), errors, "POST", Undo,
        ),
    )  # fmt: skip


class DocumentRest:
    """Answer the endpoints of one kind."""

    def __init__(self, kind: Kind, documents: Documents | None) -> None:
        self._kind = kind
        self._given = documents

    @property
    def _documents(self) -> Documents:
        if self._given is None:
            raise Unavailable(f"A replay keeps no {self._kind.path}: ask a scanner that runs.")
        return self._given

    async def list(self, args: Arguments) -> Response:
        """List the newest versions."""
        me = args["who"].name
        found = await self._documents.list(self._kind.name, me)
        if not self._kind.whole:
            return reply([_info(document, me) for document in found])
        told = [{**_info(d, me), "body": d.body, "of": d.of, **self._warned(d.body)} for d in found]
        return reply(told)

    async def show(self, args: Arguments) -> Response:
        """Show one, own or shared."""
        return self._shown(await self._seen(args, args["version"]), args["who"].name)

    async def write(self, args: Arguments) -> Response:
        """Write one."""
        fields: dict[str, Json] = msgspec.to_builtins(args["body"])
        shared = bool(fields.pop("shared", False))
        body = fields.get("body", fields)
        return await self._store(args, name_of(args["name"]), body, shared=shared)

    async def take(self, args: Arguments) -> Response:
        """Take one from a file."""
        given: Exported = args["body"]
        if given.tapelight != self._kind.name:
            raise Refused(
                400, f"The file holds a {quoted(given.tapelight)}, not a {self._kind.name}."
            )
        return await self._store(args, name_of(given.name), given.body, shared=False)

    async def delete(self, args: Arguments) -> Response:
        """Delete one; undo brings it back."""
        gone = Document(self._kind.name, args["who"].name, args["name"], 0, None)
        await self._documents.write(gone, version_of(args["if_match"]))
        return reply({"name": args["name"], "deleted": True})

    async def history(self, args: Arguments) -> Response:
        """List the versions, the newest first."""
        found = await self._documents.history(self._kind.name, args["who"].name, args["name"])
        return reply([
            {"version": d.version, "of": d.of, "changed_ns": d.changed_ns, "shared": d.shared,
             "deleted": d.body is None}
            for d in found
        ])  # fmt: skip

    async def undo(self, args: Arguments) -> Response:
        """Write the version before the one that is shown, or a named one, as the newest."""
        me, name, to = args["who"].name, args["name"], args["body"].to
        versions = await self._documents.history(self._kind.name, me, name)
        newest = versions[0]
        wanted = [v for v in versions if v.body is not None and _leads(v, newest, to)]
        if not wanted:
            raise Missing(f"Nothing is before version {newest.version} of {name!r}: it stays.")
        back = replace(wanted[0], of=wanted[0].version)
        expected = str(newest.version) if newest.body is not None else ""
        return self._shown(await self._documents.write(back, expected), me)

    async def export(self, args: Arguments) -> Response:
        """Show one as a file to save."""
        document = await self._seen(args, 0)
        file = {"tapelight": self._kind.name, "name": document.name, "body": document.body}
        disposition = {"content-disposition": "attachment; filename=tapelight.json"}
        return reply(file, 200, **disposition)

    async def _seen(self, args: Arguments, version: int) -> Document:
        """Return a document that the reader may see."""
        me = args["who"].name
        owner = args["owner"] or me
        if owner != me:
            shared = await self._documents.list(self._kind.name, me)
            if (owner, args["name"]) not in {(d.owner, d.name) for d in shared} or version:
                raise Missing(
                    f"{quoted(owner)} shares no {self._kind.name} {quoted(args['name'])}."
                )
        return await self._documents.show(self._kind.name, owner, args["name"], version)

    async def _store(
        self, args: Arguments, name: str, body: dict[str, Json], *, shared: bool
    ) -> Response:
        me = args["who"].name
        checked = self._kind.check(body)
        await self._kind.vet(checked)
        given = Document(self._kind.name, me, name, 0, checked, shared)
        written = await self._documents.write(given, version_of(args["if_match"]))
        return self._shown(written, me)

    def _shown(self, document: Document, me: str) -> Response:
        body = self._kind.check(document.body)
        told = {**_info(document, me), "body": body, "of": document.of, **self._warned(body)}
        return reply(told, etag=f'"{document.version}"')

    def _warned(self, body: dict[str, Json]) -> Mapping[str, Json]:
        found = self._kind.warn(body)
        return {"warnings": found} if found else {}


def _leads(version: Document, newest: Document, to: int) -> bool:
    """Tell whether an undo of `newest` may lead to `version`; `to` 0: to what was before it."""
    if to:
        return version.version == to
    return version.version < (newest.of if newest.body is not None else newest.version)


def _info(document: Document, me: str) -> dict[str, Json]:
    return {
        "owner": document.owner,
        "name": document.name,
        "version": document.version,
        "shared": document.shared,
        "changed_ns": document.changed_ns,
        "mine": document.owner == me,
    }


def name_of(name: str) -> str:
    """Return a name that a document may have; raises Rejected."""
    if not 0 < len(name) <= NAME_CHARS or not name.isprintable() or name != name.strip():
        raise Rejected(
            f"{quoted(name)} is no name: take up to {NAME_CHARS} letters, digits and signs."
        )
    if "/" in name or name in ("import", ".", ".."):
        raise Rejected(f"{quoted(name)} can't be a name in an address: take another.")
    return name


def version_of(tag: str) -> str:
    """Return the version in an ETag: RFC 9110 puts it in quotes."""
    return tag.strip().removeprefix("W/").strip('"')
