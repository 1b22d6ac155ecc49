"""The tables that SQLite and PostgreSQL share, and the one migration path to them.

PostgreSQL keeps trades and bars in partitions of a UTC day, made when first written and dropped
when over; SQLite in plain tables. The migrations are in stores/migrations, carried out by alembic.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import SQLAlchemyError

from tapelight.errors import ConfigError, Unavailable
from tapelight.stores.database import reason

MIGRATIONS = Path(__file__).parent / "migrations"
OLDEST_POSTGRES = 13
CONNECT_S = 5

METADATA = sa.MetaData()
TRADES = sa.Table(
    "trades",
    METADATA,
    sa.Column("ts_ns", sa.BigInteger, primary_key=True),
    sa.Column("symbol", sa.String(40), primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True),
    sa.Column("price", sa.Double, nullable=False),
    sa.Column("size", sa.Double, nullable=False),
)
BARS = sa.Table(
    "bars",
    METADATA,
    sa.Column("start_ns", sa.BigInteger, primary_key=True),
    sa.Column("symbol", sa.String(40), primary_key=True),
    *(sa.Column(name, sa.Double, nullable=False) for name in "open high low close volume".split()),
)
SIGNALS = sa.Table(
    "signal_history",
    METADATA,
    sa.Column("run", sa.String(40), primary_key=True),
    sa.Column("mark", sa.BigInteger, primary_key=True),
    sa.Column("scan", sa.String(120), primary_key=True),
    sa.Column("symbol", sa.String(40), primary_key=True),
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("state", sa.String(16), primary_key=True),
    sa.Column("payload", sa.Text, nullable=False),
)
sa.Index("signal_history_mark", SIGNALS.c.mark)
LEASES = sa.Table(
    "leases",
    METADATA,
    sa.Column("name", sa.String(120), primary_key=True),
    sa.Column("owner", sa.String(120), nullable=False),
    sa.Column("token", sa.BigInteger, nullable=False),
    sa.Column("until_s", sa.Double, nullable=False),
)


def open_engine(url: str) -> sa.Engine:
    """Return an engine; raises ConfigError for an address that can't be one."""
    try:
        made = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise ConfigError("A database's url is as in postgresql://user@host/tapelight.") from error
    if made.drivername.startswith("postgres"):
        made = made.set(drivername="postgresql+psycopg")
        return sa.create_engine(
            made, pool_pre_ping=True, connect_args={"connect_timeout": CONNECT_S}
        )
    return sa.create_engine(made, connect_args={"timeout": CONNECT_S})


def open_migrated(url: str) -> sa.Engine:
    """Return the engine of a database that is up to date; raises ConfigError or Unavailable."""
    engine = open_engine(url)
    try:
        migrate(engine)
    except (ConfigError, Unavailable):
        engine.dispose()
        raise
    return engine


def migrate(engine: sa.Engine) -> None:
    """Bring the schema up to date; raises ConfigError where it is newer, Unavailable otherwise."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    try:
        with engine.begin() as connection:
            _check(engine, connection, ScriptDirectory.from_config(config))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except SQLAlchemyError as error:
        raise _told(error) from error


def _check(engine: sa.Engine, connection: sa.Connection, scripts: ScriptDirectory) -> None:
    version = engine.dialect.server_version_info
    if engine.dialect.name == "postgresql" and version and int(version[0]) < OLDEST_POSTGRES:
        raise ConfigError(f"PostgreSQL {version[0]} is too old: {OLDEST_POSTGRES} or newer.")
    there = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if there is not None and there not in known:
        raise ConfigError(
            f"The database's schema {there} is newer than this program: install the newer one, or "
            "give another database."
        )


def _told(error: SQLAlchemyError) -> ConfigError | Unavailable:
    text = reason(error)
    if "password authentication failed" in text or "no password supplied" in text:
        return ConfigError(f"PostgreSQL refuses user or password ({text}): check the url.")
    return unavailable(error)


def unavailable(error: SQLAlchemyError) -> Unavailable:
    """Return the database's error as ours."""
    return Unavailable(f"The database can't be used: {reason(error)}.")
