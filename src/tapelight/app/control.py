"""What belongs to users, in users.db beside the journal: one file, one writing thread."""

from pathlib import Path

import sqlalchemy as sa

from tapelight.stores.database import Database
from tapelight.stores.documents import DOCUMENTS, DocumentStore

FILE = "users.db"


class Control:
    """Hold the stores of what users keep."""

    def __init__(self, data: Path) -> None:
        self._database = Database(data / FILE, tables())
        self.documents = DocumentStore(self._database)

    def close(self) -> None:
        """Write what waits, and close the file."""
        self._database.close()


def tables() -> sa.MetaData:
    """Return the schema of users.db."""
    return DOCUMENTS.metadata
