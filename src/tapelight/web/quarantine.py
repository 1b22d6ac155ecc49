"""/api/quarantine: the prints that are held as doubtful; accept one, or reject it."""

import msgspec
from starlette.responses import Response

from tapelight.ports import Quarantine
from tapelight.web.endpoints import Arguments, Endpoint, Param, limit, reply
from tapelight.web.problems import Refused

RULING = Param(
    "ruling", "Which: held, accepted, rejected or all.", default="held",
    choices=("held", "accepted", "rejected", "all"),
)  # fmt: skip


class HeldPrint(msgspec.Struct):
    """Show a suspect print: `reference` is the last price when it came."""

    id: str
    symbol: str
    ts_ns: int
    price: float
    size: float
    reference: float
    ruling: str


class HeldPrints(msgspec.Struct):
    """Hold the newest suspect prints first."""

    prints: list[HeldPrint]


class RulingBody(msgspec.Struct, forbid_unknown_fields=True):
    """Say which print, by its id, and whether it is accepted or rejected."""

    id: str
    accept: bool


def quarantine_endpoints(quarantine: Quarantine | None) -> tuple[Endpoint, ...]:
    """Return the endpoints; a replay has nobody to rule."""
    rest = QuarantineRest(quarantine)
    path = "/api/quarantine"
    return (
        Endpoint(
            path, "List the prints that are held as doubtful.", rest.list, HeldPrints,
            (RULING, limit(100, 1024)),
        ),
        Endpoint(
            path, "Accept a held print, or reject it.", rest.rule, HeldPrint,
            method="POST", body=RulingBody, errors=(400, 404, 412, 413),
            role="analyst", scope="scan",
        ),
    )  # fmt: skip


class QuarantineRest:
    """Answer the endpoints."""

    def __init__(self, quarantine: Quarantine | None) -> None:
        self._given = quarantine

    @property
    def _quarantine(self) -> Quarantine:
        if self._given is None:
            raise Refused(400, "A replay rules of no prints: ask a scanner that runs.")
        return self._given

    def list(self, args: Arguments) -> Response:
        """List the newest."""
        ruling = "" if args["ruling"] == "all" else args["ruling"]
        return reply({"prints": list(self._quarantine.prints(ruling, args["limit"]))})

    def rule(self, args: Arguments) -> Response:
        """Rule of one."""
        asked: RulingBody = args["body"]
        return reply(self._quarantine.rule(asked.id, asked.accept))
