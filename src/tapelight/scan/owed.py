"""What the next mark owes: the ends of live signals whose scan was changed or removed."""

from collections.abc import Iterable
from typing import Any

import msgspec

from tapelight.market.table import Table
from tapelight.model.signals import Signal
from tapelight.scan.telling import changed

NONE = b"\x90"
"""An empty list: what a snapshot says that was made before there was any."""


class Owed:
    """Hold ends until the next mark tells them; a snapshot between edit and mark holds them too."""

    def __init__(self) -> None:
        self.signals: list[Signal] = []

    def add(self, ends: Iterable[Signal]) -> None:
        """Owe some more."""
        self.signals += ends

    def tell(self, table: Table) -> list[Signal]:
        """Return them as of the mark at which the table stands, and owe nothing more."""
        owed, self.signals = self.signals, []
        now, rows, prints = table.now_ns, table.universe.rows, table.rows["print_ns"]
        return [
            changed(one, ts_ns=now, mark=now, event_ns=int(prints[rows[one.symbol]]))
            for one in owed
        ]

    def freeze(self) -> dict[str, Any]:
        """Return what is owed."""
        return {"signals": msgspec.msgpack.encode(self.signals)}

    def thaw(self, state: dict[str, Any]) -> None:
        """Take back what `freeze` gave."""
        self.signals = msgspec.msgpack.decode(state.get("signals", NONE), type=list[Signal])

    def clear(self) -> None:
        """Go on into a new session: its first mark tells them."""
