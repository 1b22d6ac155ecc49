"""The scoreboard: every fire of every scan over the recorded sessions, the losing ones included.

Each session's rows have a digest, and the digests are chained oldest first: a session that is
added later leaves those before it as they are, a row taken out changes every digest after it.
"""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import polars as pl

from tapelight.app.backtest.day import DayResult, Job
from tapelight.app.backtest.follow import LONG, Costs, outcomes
from tapelight.app.backtest.statistics import scan_record
from tapelight.app.backtest.tapes import Span, journals
from tapelight.app.backtest.work import default_workers, play
from tapelight.model.outcomes import HORIZONS, Outcome, ScanRecord


@dataclass(frozen=True, slots=True)
class Scoreboard:
    """Hold all fires in the order of their marks, a record for each scan, and the digests."""

    rows: list[Outcome]
    records: list[ScanRecord]
    digests: list[tuple[str, int, str]]
    """(session, its fires, the chain's digest after it)."""

    @property
    def digest(self) -> str:
        """Return the digest of everything."""
        return self.digests[-1][2] if self.digests else ""


def run_scoreboard(
    data: Path, span: Span, costs: Costs, workers: int = 0, quiet: bool = False
) -> Scoreboard:
    """Play the recorded sessions as they were asked; raises ConfigError when there are none."""
    tapes = journals(data, span)
    with tempfile.TemporaryDirectory(prefix="tapelight-scoreboard-") as folder:
        jobs = [Job(tape, None, folder=Path(folder), side=LONG) for tape in tapes]
        days = play(jobs, workers or default_workers(), Path(folder), len(tapes), quiet)
    return scoreboard(days, costs)


def scoreboard(days: Sequence[DayResult], costs: Costs) -> Scoreboard:
    """Return the scoreboard of played days, oldest first."""
    rows: list[Outcome] = []
    digests, digest = [], ""
    for day in days:
        found = outcomes(day.signals, day.followed, [day.date] * len(day.signals), costs)
        found.sort(key=lambda o: (o.ts_ns, o.scan, o.symbol))
        digest = chained(digest, found)
        digests.append((day.date, len(found), digest))
        rows += found
    scans = sorted({row.scan for row in rows})
    records = [scan_record(scan, [r for r in rows if r.scan == scan]) for scan in scans]
    return Scoreboard(rows, records, digests)


def chained(before: str, rows: Sequence[Outcome]) -> str:
    """Return the chain's digest after a session's rows: of the digest before, and of each row."""
    chain = hashlib.blake2b(bytes.fromhex(before), digest_size=16)
    for row in rows:
        chain.update(msgspec.json.encode(row) + b"\n")
    return chain.hexdigest()


def table_of(rows: Sequence[Outcome]) -> pl.DataFrame:
    """Return the rows with a column for each horizon."""
    plain = [msgspec.structs.asdict(r) for r in rows]
    for row in plain:
        for kind in ("gross", "net"):
            values = row.pop(kind)
            row |= {f"{kind}_{h}": v for h, v in zip(HORIZONS, values, strict=True)}
    if not plain:
        return pl.DataFrame(schema=dict.fromkeys(("id", "scan", "symbol", "session"), pl.String))
    return pl.DataFrame(plain, infer_schema_length=None)


def write_scoreboard(found: Scoreboard, folder: Path) -> list[Path]:
    """Write scoreboard.jsonl (the canonical rows), .csv, .parquet and .digests."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"scoreboard.{kind}" for kind in ("jsonl", "csv", "parquet", "digests")]
    paths[0].write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in found.rows))
    table = table_of(found.rows)
    table.write_csv(paths[1])
    table.write_parquet(paths[2])
    paths[3].write_text("".join(f"{d} {n} {digest}\n" for d, n, digest in found.digests), "utf-8")
    return paths
