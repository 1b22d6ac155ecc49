"""`tapelight user`: accounts, where nobody can log in. Heavy imports stand inside the commands."""

import asyncio
import json as jsonlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cyclopts

from tapelight.commands.options import ConfigFile, Data, data_folder
from tapelight.errors import ConfigError

user = cyclopts.App(
    name="user", help="Accounts, while the scanner is stopped: list, add, new password."
)


def _folder(data: Path | None, config: Path | None) -> Path:
    from tapelight.config import load

    folder = data_folder(data, load(config).data)
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder: give --data with the folder of a run.")
    return folder


@contextmanager
def _store(folder: Path) -> Iterator[Any]:
    """Open the users of a data folder; raises ConfigError while it is in use."""
    from tapelight.app.control import FILE, tables
    from tapelight.stores.database import Database
    from tapelight.stores.documents import DOCUMENTS
    from tapelight.stores.users import UserStore

    database = Database(folder / FILE, tables())
    try:
        yield UserStore(database, belongings=(DOCUMENTS.c.owner,))
    finally:
        database.close()


def _password(name: str) -> str:
    """Ask for a password, or read it from the first line of the standard input."""
    from getpass import getpass

    from tapelight.web.auth import check_password

    given = getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if sys.stdin.isatty() and getpass("Again: ") != given:
        raise ConfigError("The two are not the same: try again.")
    check_password(given, name)
    return given


@user.command(name="list")
def list_users(*, data: Data = None, config: ConfigFile = None, json: bool = False) -> None:
    """List the accounts.

    Parameters
    ----------
    json
        Print one JSON object a line.
    """
    with _store(_folder(data, config)) as users:
        accounts = asyncio.run(users.accounts())
    for account in accounts:
        told = {"name": account.name, "role": account.role, "disabled": account.disabled}
        off = "  disabled" if account.disabled else ""
        print(jsonlib.dumps(told) if json else f"{account.name:<32} {account.role}{off}")


@user.command
def add(name: str, *, role: str = "viewer", data: Data = None, config: ConfigFile = None) -> None:
    """Make an account; the password is asked for, or read from the standard input.

    Parameters
    ----------
    name
        2 to 32 small letters, digits, '.', '_' or '-'.
    role
        viewer, analyst, trader or admin.
    """
    from tapelight.ports import Account
    from tapelight.web.auth import user_name, user_role

    with _store(_folder(data, config)) as users:
        account = Account(user_name(name), user_role(role))
        if not users.any() and role != "admin":
            raise ConfigError("The first account is an admin's: give --role admin.")
        asyncio.run(users.write(account, _password(name), new=True))


@user.command
def password(name: str, *, data: Data = None, config: ConfigFile = None) -> None:
    """Give an account a new password, let it log in again, and end its sessions.

    Parameters
    ----------
    name
        Of the account.
    """
    with _store(_folder(data, config)) as users:
        asyncio.run(_new_password(users, name))


async def _new_password(users: Any, name: str) -> None:
    from dataclasses import replace

    for account in await users.accounts():
        if account.name == name:
            await users.write(replace(account, disabled=False), _password(name), new=False)
            await users.end_sessions(name)
            return
    raise ConfigError(f"There is no account {name!r}: `tapelight user list` shows them.")
