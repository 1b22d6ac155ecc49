"""Leases with fencing tokens on SQLite or PostgreSQL; the database's own clock says what is over."""

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from tapelight.ports import Lease
from tapelight.stores.shared import LEASES, open_migrated, unavailable

C = LEASES.c


class SqlLeases:
    """Give out leases; raises ConfigError where the database will not do, else Unavailable."""

    def __init__(self, url: str) -> None:
        self._engine = open_migrated(url)
        postgres = self._engine.dialect.name == "postgresql"
        self._now = sa.text(
            "SELECT extract(epoch FROM clock_timestamp())"
            if postgres
            else "SELECT (julianday('now') - 2440587.5) * 86400.0"
        )

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def take(
        self, name: str, owner: str, ttl_s: float, *, anew: bool = False, grace_s: float = 0.0
    ) -> Lease | None:
        """Take a lease that is free or over, or renew one's own; None while another holds it.

        A new token is the time in ms, so that it is higher than any before even where the database
        was made anew or restored from a backup.
        """
        try:
            with self._engine.begin() as connection:
                self._lock(connection)
                now_s = self._now_s(connection)
                row = connection.execute(sa.select(LEASES).where(C.name == name)).first()
                changed = {"owner": owner, "token": int(now_s * 1e3), "until_s": now_s + ttl_s}
                if row is None:
                    connection.execute(sa.insert(LEASES), {"name": name} | changed)
                    return Lease(name, owner, int(now_s * 1e3))
                if row.owner != owner and row.until_s + grace_s > now_s:
                    return None
                renewal = row.owner == owner and not anew
                token = row.token if renewal else max(row.token + 1, int(now_s * 1e3))
                changed["token"] = token
                connection.execute(sa.update(LEASES).where(C.name == name).values(changed))
                return Lease(name, owner, token)
        except SQLAlchemyError as error:
            raise unavailable(error) from error

    def holds(self, lease: Lease) -> bool:
        """Tell whether it is still the newest, and not over."""
        asked = sa.select(C.until_s).where(C.name == lease.name, C.token == lease.token)
        try:
            with self._engine.connect() as connection:
                until_s = connection.execute(asked).scalar()
                return until_s is not None and until_s > self._now_s(connection)
        except SQLAlchemyError as error:
            raise unavailable(error) from error

    def give_up(self, lease: Lease) -> None:
        """Let another take it at once."""
        mine = sa.update(LEASES).where(C.name == lease.name, C.token == lease.token)
        try:
            with self._engine.begin() as connection:
                connection.execute(mine.values(until_s=0.0))
        except SQLAlchemyError as error:
            raise unavailable(error) from error

    def _lock(self, connection: sa.Connection) -> None:
        """Let nobody else take a lease meanwhile."""
        if self._engine.dialect.name == "postgresql":
            connection.execute(sa.text("LOCK TABLE leases IN EXCLUSIVE MODE"))
        else:
            connection.execute(sa.update(LEASES).where(sa.false()).values(token=0))

    def _now_s(self, connection: sa.Connection) -> float:
        return float(connection.execute(self._now).scalar_one())
