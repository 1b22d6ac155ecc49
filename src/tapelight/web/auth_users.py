"""/api/users for admins; /api/sessions and /api/keys for everybody's own."""

import time

import msgspec
import structlog
from starlette.responses import Response

from tapelight.errors import Missing, Rejected
from tapelight.ports import Account, Credential, Json
from tapelight.web.auth import AuthRest, check_password, user_name, user_role
from tapelight.web.endpoints import Arguments, Endpoint, Param, reply
from tapelight.web.problems import Refused
from tapelight.web.who import SCOPES, Who
from tapelight.web.wire import quoted

log = structlog.get_logger()
USER = Param("name", "A user's name.", place="path", most=64)
ID = Param("id", "The id of a session or key, as its list tells it.", place="path", most=64)
DAY_NS = 86_400 * 10**9
DAYS = 365
LABEL_CHARS = 80


class UserRow(msgspec.Struct):
    """Describe a user; `here` tells a password from a sign-in elsewhere."""

    name: str
    role: str
    disabled: bool
    created_ns: int
    here: bool


class NewUser(msgspec.Struct, forbid_unknown_fields=True):
    """Bring a user; the password is told to the person, who then changes it."""

    name: str
    role: str
    password: str


class UserChange(msgspec.Struct, forbid_unknown_fields=True):
    """Bring what is to change of a user; the sessions end with a new password or role."""

    role: str | None = None
    disabled: bool | None = None
    password: str | None = None


class CredentialRow(msgspec.Struct):
    """Describe a session or a key; `current` is the one that asks."""

    id: str
    label: str
    scopes: list[str]
    created_ns: int
    expires_ns: int
    used_ns: int
    current: bool


class NewKey(msgspec.Struct, forbid_unknown_fields=True):
    """Ask for an API key with some of the scopes read, scan, alert, trade."""

    label: str
    scopes: list[str]
    days: int = 90


class KeyMade(msgspec.Struct):
    """Show a new key, this once: send it as Authorization: Bearer KEY."""

    key: str
    id: str


class UserRest:
    """Answer the endpoints."""

    def __init__(self, auth: AuthRest) -> None:
        self._auth = auth

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the table; none is for API keys."""
        return (*self._of_users(), *self._of_credentials())

    def _of_users(self) -> tuple[Endpoint, ...]:
        one, many = "/api/users/{name}", "/api/users"
        return (
            Endpoint(many, "List the users.", self.list, list[UserRow], role="admin", scope=""),
            Endpoint(
                many, "Make a user.", self.make, UserRow, (), (400, 413), "POST", NewUser,
                "admin", "",
            ),
            Endpoint(
                one, "Change a user.", self.change, UserRow, (USER,), (400, 404, 413), "PUT",
                UserChange, "admin", "",
            ),
            Endpoint(
                one, "Delete a user with all that is theirs.", self.delete, dict[str, Json],
                (USER,), (400, 404), "DELETE", None, "admin", "",
            ),
        )  # fmt: skip

    def _of_credentials(self) -> tuple[Endpoint, ...]:
        gone = (400, 404)
        return (
            Endpoint(
                "/api/sessions", "List your sessions.", self.sessions, list[CredentialRow],
                role="viewer", scope="",
            ),
            Endpoint(
                "/api/sessions/{id}", "End a session.", self.end, dict[str, Json], (ID,), gone,
                "DELETE", None, "viewer", "",
            ),
            Endpoint(
                "/api/keys", "List your API keys.", self.keys, list[CredentialRow],
                role="viewer", scope="",
            ),
            Endpoint(
                "/api/keys", "Make an API key.", self.make_key, KeyMade, (), (400, 413), "POST",
                NewKey, "viewer", "",
            ),
            Endpoint(
                "/api/keys/{id}", "End an API key.", self.end, dict[str, Json], (ID,), gone,
                "DELETE", None, "viewer", "",
            ),
        )  # fmt: skip

    async def list(self, _args: Arguments) -> Response:
        """List all users."""
        return reply([_row(account) for account in await self._auth.directory.accounts()])

    async def make(self, args: Arguments) -> Response:
        """Make one; without accounts the first is made by /api/setup."""
        _by_account(args["who"])
        given: NewUser = args["body"]
        check_password(given.password, given.name)
        account = Account(user_name(given.name), user_role(given.role))
        made = await self._auth.directory.write(account, given.password, new=True)
        log.info("a user was made", user=made.name, role=made.role, by=args["who"].name)
        return reply(_row(made))

    async def change(self, args: Arguments) -> Response:
        """Change role, password or whether one may log in; the sessions end."""
        given: UserChange = args["body"]
        old = await self._account(args["name"])
        if given.password is not None:
            check_password(given.password, old.name)
        role = old.role if given.role is None else user_role(given.role)
        disabled = old.disabled if given.disabled is None else given.disabled
        account = Account(old.name, role, disabled, old.created_ns, old.subject)
        written = await self._auth.directory.write(account, given.password, new=False)
        me: Who = args["who"]
        log.info("a user was changed", user=old.name, role=role, disabled=disabled, by=me.name)
        await self._auth.directory.end_sessions(old.name, me.token if me.name == old.name else "")
        return reply(_row(written))

    async def delete(self, args: Arguments) -> Response:
        """Delete one."""
        await self._auth.directory.delete(args["name"])
        log.info("a user was deleted", user=args["name"], by=args["who"].name)
        return reply({"name": args["name"], "deleted": True})

    async def sessions(self, args: Arguments) -> Response:
        """List the own sessions."""
        return await self._credentials(args["who"], "session")

    async def keys(self, args: Arguments) -> Response:
        """List the own keys."""
        return await self._credentials(args["who"], "key")

    async def make_key(self, args: Arguments) -> Response:
        """Make a key and show it once."""
        who: Who = args["who"]
        _by_account(who)
        given: NewKey = args["body"]
        _check_key(given)
        now = time.time_ns()
        wanted = Credential(
            "", who.name, "key", given.label, frozenset(given.scopes), 0,
            now + given.days * DAY_NS, 0,
        )  # fmt: skip
        token = await self._auth.directory.make(wanted)
        log.info("an API key was made", user=who.name, scopes=sorted(wanted.scopes))
        return reply({"key": token, "id": token.partition(".")[0]})

    async def end(self, args: Arguments) -> Response:
        """End a session or a key of one's own."""
        await self._auth.directory.end(args["who"].name, args["id"])
        return reply({"id": args["id"], "ended": True})

    async def _account(self, name: str) -> Account:
        for account in await self._auth.directory.accounts():
            if account.name == name:
                return account
        raise Missing(f"There is no user {quoted(name)}: GET /api/users lists them.")

    async def _credentials(self, who: Who, kind: str) -> Response:
        mine = await self._auth.directory.credentials(who.name)
        return reply([_shown(c, who) for c in mine if c.kind == kind])


def _by_account(who: Who) -> None:
    if who.via == "open":
        raise Refused(400, "There are no accounts yet: make the first admin by POST /api/setup.")


def _check_key(given: NewKey) -> None:
    wrong = [scope for scope in given.scopes if scope not in SCOPES]
    if wrong or not given.scopes:
        raise Rejected(f"Give the key some of the scopes {', '.join(SCOPES)}.")
    if not 1 <= given.days <= DAYS:
        raise Rejected(f"A key lives for 1 to {DAYS} days.")
    if not 0 < len(given.label) <= LABEL_CHARS or not given.label.isprintable():
        raise Rejected(f"Label the key in up to {LABEL_CHARS} characters: who uses it?")


def _row(account: Account) -> UserRow:
    here = not account.subject
    return UserRow(account.name, account.role, account.disabled, account.created_ns, here)


def _shown(credential: Credential, who: Who) -> CredentialRow:
    return CredentialRow(
        credential.id,
        credential.label,
        sorted(credential.scopes),
        credential.created_ns,
        credential.expires_ns,
        credential.used_ns,
        credential.id == who.token,
    )
