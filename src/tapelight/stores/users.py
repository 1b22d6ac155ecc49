"""Accounts, sessions and API keys: in users.db, and in memory for each request's question.

Passwords are kept as Argon2id (RFC 9106), secrets of 256 bits as SHA-256.
"""

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from tapelight.errors import Missing, Rejected
from tapelight.ports import Account, Credential, Identity
from tapelight.stores.database import Database

HASHER = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)
IDLE_NS = 24 * 3_600 * 10**9
"""A session that was not used for so long is over."""
NOTE_NS = 600 * 10**9
"""How often the use of a credential is written down."""
MOST_ACCOUNTS = 1_000
MOST_CREDENTIALS = 50
"""Sessions (the oldest ends) and keys (one more is refused) of one user."""

METADATA = sa.MetaData()
ACCOUNTS = sa.Table(
    "accounts",
    METADATA,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("password", sa.Text, nullable=False),
)
CREDENTIALS = sa.Table(
    "credentials",
    METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False, index=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.Column("expires_ns", sa.BigInteger, nullable=False),
    sa.Column("used_ns", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)
LOCAL = "local"
"""Who keeps things while there are no accounts."""
WRONG = "Name or password is wrong: try again, or ask an admin for a new password."


class UserStore:
    """Keep accounts and credentials; `now_ns` is the wall clock, UTC.

    `belongings` are the columns of other tables that name an owner: a deleted user's rows go.
    """

    def __init__(
        self,
        database: Database,
        *,
        now_ns: Callable[[], int] = time.time_ns,
        hasher: PasswordHasher = HASHER,
        belongings: "Sequence[sa.Column[str]]" = (),
    ) -> None:
        self._owners = (CREDENTIALS.c.owner, *belongings)
        self._changing = asyncio.Lock()
        self.touched: Callable[[], None] = lambda: None
        """Called when what belongs to users was given to another or deleted, or may no longer be told."""
        self._database = database
        self._now_ns = now_ns
        self._hasher = hasher
        self._hashing = asyncio.Semaphore(1)
        self._accounts: dict[str, Account] = {}
        self._hashes: dict[str, str] = {}
        self._credentials: dict[str, tuple[Credential, str]] = {}
        self._nobody = ""
        database.at_once(self._read)

    def _read(self, connection: sa.Connection) -> None:
        rows = connection.execute(sa.select(ACCOUNTS)).all()
        self._accounts = {row.name: Account(*row[:5]) for row in rows}
        self._hashes = {row.name: row.password for row in rows}
        held = connection.execute(sa.select(CREDENTIALS))
        self._credentials = {row.id: (_credential(row), row.hash) for row in held}

    async def refresh(self) -> None:
        """Read everything anew: where another process writes the file."""
        await self._database.run(self._read)

    # who shows what

    def any(self) -> bool:
        """Tell whether there are accounts."""
        return bool(self._accounts)

    def is_barred(self, name: str) -> bool:
        """Tell whether nothing may be sent to a user: the account is disabled or deleted."""
        account = self._accounts.get(name)
        return self.any() and (account is None or account.disabled)

    def role(self, name: str) -> str:
        """Return a user's role; without accounts the machine's own may do everything."""
        account = self._accounts.get(name)
        if account is None:
            return "" if self.any() else "admin"
        return account.role

    async def identify(self, token: str) -> Identity | None:
        """Return who shows a token; its use is noted."""
        id_, _, secret = token.partition(".")
        credential, kept = self._credentials.get(id_, (None, ""))
        if credential is None or not hmac.compare_digest(_digest(secret), kept):
            return None
        if not self._alive(credential):
            return None
        now = self._now_ns()
        used = replace(credential, used_ns=now)
        self._credentials[id_] = used, kept
        if now // NOTE_NS != credential.used_ns // NOTE_NS:
            noted = sa.update(CREDENTIALS).where(CREDENTIALS.c.id == id_).values(used_ns=now)
            await self._database.run(lambda c: c.execute(noted).rowcount)
        return Identity(self._accounts[credential.owner], used)

    def holds(self, id: str, role: str) -> bool:  # noqa: A002 - a credential's id
        """Tell whether a credential is still valid, and its owner still of `role`."""
        credential, _ = self._credentials.get(id, (None, ""))
        if credential is None or not self._alive(credential):
            return False
        return self._accounts[credential.owner].role == role

    def _alive(self, credential: Credential) -> bool:
        account, now = self._accounts.get(credential.owner), self._now_ns()
        idle = credential.kind == "session" and now - credential.used_ns > IDLE_NS
        return (
            account is not None
            and not account.disabled
            and now < credential.expires_ns
            and not idle
        )

    # accounts

    async def accounts(self) -> Sequence[Account]:
        """Return all, by name."""
        return [self._accounts[name] for name in sorted(self._accounts)]

    async def write(self, account: Account, password: str | None, *, new: bool) -> Account:
        """Make a user or change one."""
        async with self._changing:
            return await self._write(account, password, new=new)

    async def _write(self, account: Account, password: str | None, *, new: bool) -> Account:
        old = self._accounts.get(account.name)
        if new and old is not None:
            raise Rejected(f"There is a user {account.name!r} already: take another name.")
        if not new and old is None:
            raise Missing(f"There is no user {account.name!r}: GET /api/users lists them.")
        if new and len(self._accounts) >= MOST_ACCOUNTS:
            raise Rejected(f"There are {MOST_ACCOUNTS:,} users: delete one first.")
        if account.role != "admin" or account.disabled:
            self._keep_an_admin(account.name)
        hashed = (
            self._hashes.get(account.name, "") if password is None else await self._hash(password)
        )
        written = replace(account, created_ns=old.created_ns if old else self._now_ns())
        row = {**_fields(written), "password": hashed}
        first = not self._accounts
        await self._database.run(lambda c: self._store(c, row, first=first))
        self._accounts[account.name], self._hashes[account.name] = written, hashed
        if first or (old is not None and old.disabled != written.disabled):
            self.touched()
        return written

    def _store(self, connection: sa.Connection, row: dict[str, Any], *, first: bool) -> None:
        """Write an account; the first takes over what was kept without accounts."""
        connection.execute(sa.delete(ACCOUNTS).where(ACCOUNTS.c.name == row["name"]))
        connection.execute(sa.insert(ACCOUNTS), [row])
        for column in self._owners[1:] if first else ():
            mine = {column.name: row["name"]}
            connection.execute(sa.update(column.table).where(column == LOCAL).values(mine))

    async def delete(self, name: str) -> None:
        """Delete a user and the credentials."""
        async with self._changing:
            if name not in self._accounts:
                raise Missing(f"There is no user {name!r}: GET /api/users lists them.")
            self._keep_an_admin(name)
            gone = [sa.delete(c.table).where(c == name) for c in (ACCOUNTS.c.name, *self._owners)]
            await self._database.run(lambda c: [c.execute(delete).rowcount for delete in gone])
            del self._accounts[name], self._hashes[name]
        self._drop(lambda credential: credential.owner == name)
        self.touched()

    async def verify(self, name: str, password: str) -> Account:
        """Return whose name and password these are; raises Rejected, after the same time."""
        if not self._nobody:
            self._nobody = await self._hash(secrets.token_hex())
        hashed = self._hashes.get(name) or self._nobody  # an unknown name takes as long
        right = await self._matches(hashed, password)
        account = self._accounts.get(name)
        if account is None or not right or account.disabled:
            raise Rejected(WRONG)
        return account

    def _keep_an_admin(self, but: str) -> None:
        """Raise where no enabled admin is left without `but`, though there is one now."""
        admins = {a.name for a in self._accounts.values() if a.role == "admin" and not a.disabled}
        if admins == {but}:
            raise Rejected(f"{but!r} is the only admin: make somebody else one first.")

    async def _hash(self, password: str) -> str:
        async with self._hashing:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def _matches(self, hashed: str, password: str) -> bool:
        async with self._hashing:
            try:
                return await asyncio.to_thread(self._hasher.verify, hashed, password)
            except (VerificationError, InvalidHashError):
                return False

    # sessions and keys

    async def make(self, credential: Credential) -> str:
        """Make a session or a key and return its token."""
        mine = [c for c in await self.credentials(credential.owner) if c.kind == credential.kind]
        if len(mine) >= MOST_CREDENTIALS:
            if credential.kind == "key":
                raise Rejected(f"{credential.owner} has {MOST_CREDENTIALS} keys: delete one first.")
            await self.end(credential.owner, mine[-1].id)
        now = self._now_ns()
        made = replace(credential, id=f"tl{secrets.token_hex(8)}", created_ns=now, used_ns=now)
        secret = secrets.token_urlsafe(32)
        row = {**_fields(made), "scopes": " ".join(sorted(made.scopes)), "hash": _digest(secret)}
        await self._database.run(lambda c: c.execute(sa.insert(CREDENTIALS), [row]).rowcount)
        self._credentials[made.id] = made, _digest(secret)
        return f"{made.id}.{secret}"

    async def credentials(self, owner: str) -> Sequence[Credential]:
        """Return a user's that are valid, the newest first."""
        mine = [c for c, _ in self._credentials.values() if c.owner == owner and self._alive(c)]
        return sorted(mine, key=lambda c: (c.created_ns, c.id), reverse=True)

    async def end(self, owner: str, id: str) -> None:  # noqa: A002 - a credential's id
        """End one; raises Missing."""
        credential, _ = self._credentials.get(id, (None, ""))
        if credential is None or credential.owner != owner:
            raise Missing(f"{owner} has no session or key {id!r}: list them.")
        await self._end({id})

    async def end_sessions(self, owner: str, but: str = "") -> None:
        """End a user's sessions, all but one."""
        mine = {
            c.id for c, _ in self._credentials.values() if c.owner == owner and c.kind == "session"
        }
        await self._end(mine - {but})

    async def _end(self, ids: set[str]) -> None:
        self._drop(lambda credential: credential.id in ids)
        gone = sa.delete(CREDENTIALS).where(CREDENTIALS.c.id.in_(ids))
        await self._database.run(lambda c: c.execute(gone).rowcount)

    def _drop(self, which: Callable[[Credential], bool]) -> None:
        for id_ in [c.id for c, _ in self._credentials.values() if which(c)]:
            del self._credentials[id_]


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _fields(record: Account | Credential) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def _credential(row: Any) -> Credential:
    return Credential(
        row.id, row.owner, row.kind, row.label, frozenset(row.scopes.split()), row.created_ns,
        row.expires_ns, row.used_ns,
    )  # fmt: skip
