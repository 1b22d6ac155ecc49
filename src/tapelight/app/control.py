"""What belongs to users, in users.db beside the journal: one file, one writing thread."""

import secrets
from pathlib import Path

import sqlalchemy as sa
import structlog
from argon2 import PasswordHasher

from tapelight.app.alerting import Alerting
from tapelight.app.localkey import write_address, write_local_key
from tapelight.config import Config, SignIn
from tapelight.errors import ConfigError
from tapelight.ports import Bus
from tapelight.stores import documents, users
from tapelight.stores.database import Database
from tapelight.stores.documents import DOCUMENTS, DocumentStore
from tapelight.stores.users import HASHER, UserStore
from tapelight.web.guard import is_loopback
from tapelight.web.oidc import Oidc, Provider
from tapelight.web.server import Gateway

log = structlog.get_logger()
FILE = "users.db"
CALLBACK = "/api/oidc/callback"


class Belongings:
    """Hold the stores of what users keep; `code` sets up the first admin from elsewhere."""

    def __init__(self, data: Path, config: Config, hasher: PasswordHasher = HASHER) -> None:
        self._data = data
        self._database = Database(data / FILE, tables())
        self.documents = DocumentStore(self._database)
        self.users = UserStore(self._database, hasher=hasher, belongings=(DOCUMENTS.c.owner,))
        self.users.touched = self.documents.touch
        self.oidc = _oidc(config.users.oidc)
        self.code = secrets.token_hex(4)

    def show(self, gateway: Gateway, host: str) -> None:
        """Write the key for local programs; say how to set up where others can reach the gateway."""
        write_local_key(self._data, gateway.gate.local_token)
        write_address(self._data, host, gateway.port)
        if not self.users.any() and not is_loopback(host) and host != "localhost":
            log.warning(
                "no accounts yet: only this machine may read; set up the first admin at /",
                code=self.code,
            )

    async def close(self) -> None:
        """Write what waits, and close the file."""
        self._database.close()


class Control(Belongings):
    """Hold them, and alert their owners: where one process is everything."""

    def __init__(
        self, data: Path, config: Config, bus: Bus, hasher: PasswordHasher = HASHER
    ) -> None:
        super().__init__(data, config, hasher)
        self.alerting = Alerting(data, self.documents, config, bus)
        self.alerting.belong_to(self.users)

    async def close(self) -> None:
        """Write what waits, and close the files."""
        await self.alerting.close()
        await super().close()


def _oidc(settings: SignIn) -> Oidc | None:
    """Return the provider at which users sign in, if there is one; raises ConfigError."""
    if not settings.issuer:
        return None
    if not settings.issuer.startswith("https://"):
        raise ConfigError("[users.oidc] issuer: give it with https://, as the provider tells it.")
    if not settings.client_id or not settings.redirect.endswith(CALLBACK):
        raise ConfigError(
            f"[users.oidc]: give client_id, and redirect as in https://HOST{CALLBACK}."
        )
    if settings.role not in ("viewer", "analyst", "trader"):
        raise ConfigError("[users.oidc] role: use viewer, analyst or trader.")
    return Oidc(
        Provider(
            settings.issuer,
            settings.client_id,
            settings.redirect,
            settings.client_secret,
            settings.role,
        )
    )


def tables() -> sa.MetaData:
    """Return the schema of users.db."""
    schema = sa.MetaData()
    for part in (documents.METADATA, users.METADATA):
        for table in part.tables.values():
            table.to_metadata(schema)
    return schema
