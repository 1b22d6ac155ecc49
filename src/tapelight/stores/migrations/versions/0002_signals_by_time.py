"""An index by which old signals are found, to be forgotten."""

from alembic import op

revision = "0002"
down_revision = "0001"
NAME = "signal_history_mark"


def upgrade() -> None:
    """Make the index."""
    op.create_index(NAME, "signal_history", ["mark"])


def downgrade() -> None:
    """Drop it."""
    op.drop_index(NAME, "signal_history")
