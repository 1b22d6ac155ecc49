"""The channels: the operator's of tapelight.toml, and those that users made for themselves."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tapelight.alerts._post import Post
from tapelight.alerts.sender import Channel
from tapelight.config import convert
from tapelight.errors import ConfigError, Missing, Rejected
from tapelight.plugins import load, names
from tapelight.ports import Document, Json
from tapelight.stores.documents import DocumentStore

KIND = "channel"
OURS = ("kind", "roles", "users")
"""Keys of [channel.NAME] that are not the kind's own settings."""
ROLES = ("viewer", "analyst", "trader", "admin")
Names = tuple[str, ...]
MASK = "********"
"""What is shown of a secret; written back, it leaves the secret as it is."""


class ForWhom(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Say who may use a channel of the operator's: users of these roles, and these users."""

    roles: Names = ()
    users: Names = ()


class Channels:
    """Find, make and show channels; the operator's are checked at the start."""

    def __init__(
        self, documents: DocumentStore, operators: Mapping[str, Mapping[str, Any]], post: Post
    ) -> None:
        self._documents = documents
        self._post = post
        self.role_of: Callable[[str], str] = lambda _owner: "admin"
        """Returns a user's role; empty for who has none."""
        self._for = {name: _for_whom(name, table) for name, table in operators.items()}
        self._operators = {
            name: (str(table.get("kind", "")), {k: v for k, v in table.items() if k not in OURS})
            for name, table in operators.items()
        }
        self._open = {
            name: made(kind, settings, f"[channel.{name}]", post)
            for name, (kind, settings) in self._operators.items()
        }

    async def find(self, owner: str, name: str) -> Channel:
        """Return a user's own channel or the operator's; raises Missing or Rejected."""
        try:
            document = await self._documents.show(KIND, owner, name)
        except Missing:
            if name in self._open and self._may_use(owner, name):
                return self._open[name]
            known = ", ".join(c["name"] for c in await self.all(owner)) or "none"
            raise Missing(f"There is no channel {name!r}; there are: {known}.") from None
        return made(document.body["kind"], document.body["settings"], name, self._post)

    async def all(self, owner: str) -> list[dict[str, Json]]:
        """Return what a user may use, without secrets; of the operator's no setting is shown."""
        mine = [d for d in await self._documents.list(KIND, owner) if d.owner == owner]
        own = {document.name for document in mine}
        shown = [_shown(document) for document in mine]
        return shown + [
            {"name": name, "kind": kind, "own": False, "version": 0, "settings": {}}
            for name, (kind, _) in sorted(self._operators.items())
            if name not in own and self._may_use(owner, name)
        ]

    def _may_use(self, owner: str, name: str) -> bool:
        roles, users = self._for[name]
        return not (roles or users) or owner in users or self.role_of(owner) in roles

    async def write(
        self, owner: str, name: str, body: Mapping[str, Json] | None, expected: str
    ) -> Mapping[str, Json]:
        """Write or delete a user's own channel; raises Rejected where it can't do."""
        if body is None:
            await self._documents.write(Document(KIND, owner, name, 0, None), expected)
            return {"name": name, "deleted": True}
        kind, settings = str(body["kind"]), dict(body["settings"])
        module = _module(kind)
        if not module.USERS_OWN:
            raise Rejected(
                f"A channel of kind {kind} is the operator's alone: it stands under "
                "[channel.NAME] in tapelight.toml."
            )
        settings = await self._unmasked(owner, name, settings)
        made(kind, settings, name, self._post)
        kept = Document(KIND, owner, name, 0, {"kind": kind, "settings": settings})
        return _shown(await self._documents.write(kept, expected))

    async def _unmasked(self, owner: str, name: str, settings: dict[str, Json]) -> dict[str, Json]:
        """Return settings with the secrets so far where a mask stands for them."""
        if MASK not in settings.values():
            return settings
        old = (await self._documents.show(KIND, owner, name)).body["settings"]
        return {k: old.get(k, "") if v == MASK else v for k, v in settings.items()}


def _for_whom(name: str, table: Mapping[str, Any]) -> tuple[Names, Names]:
    """Return the roles and the users that may use a channel of the operator's; none: everybody."""
    given = {key: value for key, value in table.items() if key in ("roles", "users")}
    for_whom = convert(given, ForWhom, f"[channel.{name}]")
    for role in for_whom.roles:
        if role not in ROLES:
            raise ConfigError(f"[channel.{name}] roles: {role!r} is none of {', '.join(ROLES)}.")
    return for_whom.roles, for_whom.users


def made(kind: str, settings: Mapping[str, Any], where: str, post: Post) -> Channel:
    """Return a channel that may do; raises ConfigError or Rejected."""
    module = _module(kind)
    try:
        channel: Channel = module.open(convert(dict(settings), module.Config, where))
    except ConfigError as error:
        raise Rejected(str(error)) from error
    channel.check(post)
    return channel


def _module(kind: str) -> Any:
    try:
        return load("alerts", kind)
    except ConfigError as error:
        raise Rejected(
            f"{kind[:40]!r} is no kind of channel: use {', '.join(names('alerts'))}."
        ) from error


def _shown(document: Document) -> dict[str, Json]:
    kind, settings = document.body["kind"], document.body["settings"]
    secret = _module(kind).SECRETS
    masked = {k: MASK if k in secret and v else v for k, v in settings.items()}
    return {
        "name": document.name,
        "kind": kind,
        "own": True,
        "version": document.version,
        "settings": msgspec.to_builtins(masked),
    }
