"""/api/record: what followed the signals of a scan, the losing ones included."""

import msgspec
from starlette.responses import Response

from tapelight.model.outcomes import ScanRecord
from tapelight.ports import Records
from tapelight.web.endpoints import Arguments, Endpoint, Param, reply
from tapelight.web.problems import Refused

SCAN = Param(
    "scan", "A scan or strategy, as in hod_momo; all that fired without it.", default="", most=120
)


class RecordList(msgspec.Struct):
    """Hold the track record of each scan."""

    records: list[ScanRecord]


def record_endpoints(records: Records | None) -> tuple[Endpoint, ...]:
    """Return the endpoint; a replay has no records of its own."""
    rest = RecordRest(records)
    return (
        Endpoint(
            "/api/record",
            "Show what followed the signals of a scan: median, hit rate and extremes by horizon.",
            rest.record, RecordList, (SCAN,), (400, 404),
        ),
    )  # fmt: skip


class RecordRest:
    """Answer the endpoint."""

    def __init__(self, records: Records | None) -> None:
        self._records = records

    async def record(self, args: Arguments) -> Response:
        """Show one scan's record, or those of all that have fired."""
        if self._records is None:
            raise Refused(
                400, "A paced replay keeps no record: run `tapelight backtest SCAN --days DAY`."
            )
        scan = args["scan"]
        found = [await self._records.record(scan)] if scan else await self._records.records()
        return reply({"records": list(found)})
