"""What the gateway sees of the quarantine: the held prints, and the rulings as records."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from tapelight.app.scanner import Scanner
from tapelight.errors import Conflict, Missing
from tapelight.market.quarantine import HeldPrint, held_prints
from tapelight.model.records import Ruling
from tapelight.ports import Json


class EngineQuarantine:
    """List the held prints; a ruling is a record in the journal, so that a replay has it too."""

    def __init__(self, scanner: Scanner) -> None:
        self._scanner = scanner

    def prints(self, ruling: str, limit: int) -> Sequence[Mapping[str, Json]]:
        """Return the newest suspect prints, newest first."""
        found = held_prints(self._scanner.engine.table)
        return [_told(one) for one in found if ruling in ("", one.ruling)][:limit]

    def rule(self, name: str, accept: bool) -> Mapping[str, Json]:
        """Accept or reject a held print; raises Missing, and Conflict if it was ruled on."""
        one = self._find(name)
        if one.ruling != "held":
            raise Conflict(f"The print {name} is {one.ruling} already: read the list again.")
        now_ns = self._scanner.clock.now_ns()
        self._scanner.put(Ruling(now_ns, one.symbol, one.ts_ns, one.price, accept))
        return _told(self._find(name))

    def _find(self, name: str) -> HeldPrint:
        """Return the held print of that id, or else one that was ruled on."""
        found = [p for p in held_prints(self._scanner.engine.table) if _id(p) == name]
        if not found:
            raise Missing(
                f"No print {name!r} is in quarantine: GET /api/quarantine lists the newest 1,024."
            )
        return min(found, key=lambda p: p.ruling != "held")


def _id(one: HeldPrint) -> str:
    return f"{one.symbol}@{one.ts_ns}@{one.price!r}"


def _told(one: HeldPrint) -> dict[str, Json]:
    return {"id": _id(one), **asdict(one)}
