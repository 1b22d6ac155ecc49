"""Trades, bars, signals and leases."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables; on PostgreSQL trades and bars are partitioned by their time."""
    _partitioned(
        "trades",
        "ts_ns",
        [
            sa.Column("ts_ns", sa.BigInteger, primary_key=True),
            sa.Column("symbol", sa.String(40), primary_key=True),
            sa.Column("seq", sa.BigInteger, primary_key=True),
            sa.Column("price", sa.Double, nullable=False),
            sa.Column("size", sa.Double, nullable=False),
        ],
    )
    prices = "open high low close volume".split()
    _partitioned(
        "bars",
        "start_ns",
        [
            sa.Column("start_ns", sa.BigInteger, primary_key=True),
            sa.Column("symbol", sa.String(40), primary_key=True),
            *(sa.Column(name, sa.Double, nullable=False) for name in prices),
        ],
    )
    op.create_table(
        "signal_history",
        sa.Column("run", sa.String(40), primary_key=True),
        sa.Column("mark", sa.BigInteger, primary_key=True),
        sa.Column("scan", sa.String(120), primary_key=True),
        sa.Column("symbol", sa.String(40), primary_key=True),
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("state", sa.String(16), primary_key=True),
        sa.Column("payload", sa.Text, nullable=False),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(120), primary_key=True),
        sa.Column("owner", sa.String(120), nullable=False),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("until_s", sa.Double, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    for name in ("leases", "signal_history", "bars", "trades"):
        op.drop_table(name)


def _partitioned(name: str, by: str, columns: list["sa.Column[object]"]) -> None:
    op.create_table(name, *columns, postgresql_partition_by=f"RANGE ({by})")
