"""/api/scans/try: what a text would have said on a recorded day, before it is saved."""

import msgspec
from starlette.responses import Response

from tapelight.errors import Unavailable
from tapelight.ports import Trials
from tapelight.web.endpoints import Arguments, Endpoint, ScanText, reply


class TriedChange(msgspec.Struct):
    """Name a signal that one text alone brings: + the new one, - the saved one."""

    change: str
    symbol: str
    at: str
    ts_ns: int


class TriedDifference(msgspec.Struct):
    """Tell what a change would change; `changes` are the first of them."""

    added: int
    gone: int
    same: int
    changes: list[TriedChange]


class TriedCase(msgspec.Struct):
    """Tell the outcome of one case of the fixtures beside the scan."""

    scan: str
    case: str
    ok: bool
    expected: list[str]
    got: list[str]


class Tried(msgspec.Struct):
    """Tell what a text fires in the run that was played; of a board, who comes on it.

    `per_hour` is null where no phase of the run asks it; `difference` where nothing is saved.
    """

    run: str
    kind: str
    hours: float
    fires: int
    per_hour: float | None
    difference: TriedDifference | None
    cases: list[TriedCase]


def trial_endpoints(trials: Trials | None) -> tuple[Endpoint, ...]:
    """Return the endpoint; a replay tries nothing."""

    async def run(args: Arguments) -> Response:
        if trials is None:
            raise Unavailable("A replay tries no scans: ask a scanner that runs.")
        return reply(await trials.run(args["body"].name, args["body"].text))

    return (
        Endpoint(
            "/api/scans/try", "Try a text on the last recorded day, without saving it.", run,
            Tried, method="POST", body=ScanText, errors=(400, 413, 503), role="analyst",
            scope="scan",
        ),
    )  # fmt: skip
