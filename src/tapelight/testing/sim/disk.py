"""A disk that tears: what was not synced may be gone after a kill, or half there."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from tapelight.errors import Conflict, Unavailable
from tapelight.model.order_log import Armed, Intended, Killed, OrderRecord, Sent, Started
from tapelight.stores.orders import FIRST_HASH, Row, records_of, rows_of
from tapelight.testing.sim.life import Life


@dataclass(frozen=True, slots=True)
class Block:
    """Hold one append: after a crash it is there whole or not at all."""

    rows: list[Row]
    records: Sequence[OrderRecord]


class Disk:
    """Hold what survives: synced blocks, and the kill file."""

    def __init__(self, rng: Random) -> None:
        self.durable: list[Row] = []
        self.records: list[OrderRecord] = []
        """What is durable, decoded: for those who judge, not for the trader."""
        self.cached: list[Block] = []
        """Written and not synced: a crash loses the tail of it."""
        self.acknowledged: tuple[int, str] = (0, FIRST_HASH)
        """The last row of which an append has returned, and its hash."""
        self.kill: Killed | Armed | None = None
        self.intended: set[str] = set()
        """Ids of orders whose intent is durable."""
        self.sent: set[str] = set()
        """Ids of orders of which it is durable that they are about to be sent."""
        self.switch: Killed | Armed | None = None
        """The newest durable record of either."""
        self.full = False
        self.on_sync: Callable[[Sequence[OrderRecord]], None] = lambda _: None
        """What happens elsewhere while a trader waits for the disk."""
        self._rng = rng

    def rows(self) -> list[Row]:
        """Return what a reader sees while the machine runs."""
        return [*self.durable, *(row for block in self.cached for row in block.rows)]

    def last(self) -> tuple[int, str]:
        """Return number and hash of the last row."""
        rows = self.cached[-1].rows if self.cached else self.durable
        return (rows[-1].seq, rows[-1].hash) if rows else (0, FIRST_HASH)

    def newest_epoch(self) -> int:
        """Return the epoch of the last row."""
        rows = self.cached[-1].rows if self.cached else self.durable
        return rows[-1].epoch if rows else 0

    def sync(self) -> None:
        """Make all that was written durable."""
        for block in self.cached:
            self.durable += block.rows
            self.records += block.records
            for record in block.records:
                if isinstance(record, Intended):
                    self.intended.add(record.request.id)
                elif isinstance(record, Sent):
                    self.sent.add(record.order)
                elif isinstance(record, Armed) or (isinstance(record, Killed) and not record.drill):
                    self.switch = record
        self.cached = []

    def crash(self) -> None:
        """Lose what was not synced, from some block on."""
        del self.cached[self._rng.randint(0, len(self.cached)) :]
        self.sync()


class SimLog:
    """Keep records on the simulated disk, as one process sees it."""

    def __init__(self, disk: Disk, life: Life) -> None:
        self.disk, self.life = disk, life

    def append(self, records: Sequence[OrderRecord]) -> None:
        """Write and sync; the process may die before, between and after."""
        self.life.at("append: before")
        self.fence()
        self._write(records)
        self.life.at("append: written, not synced")
        self.sync()
        self.disk.on_sync(records)
        self.life.at("append: synced, not told")
        self.disk.acknowledged = self.disk.last()

    def fence(self) -> None:
        """Let only the newest epoch write."""
        if self.disk.newest_epoch() != self.life.epoch:
            raise Conflict("Another trader has begun: this one ends.")

    def sync(self) -> None:
        """Make it durable."""
        self.disk.sync()

    def begin(self, ts_ns: int) -> int:
        """Begin an epoch."""
        self.life.at("begin")
        self.life.epoch = self.disk.newest_epoch() + 1
        self._write([Started(ts_ns, self.life.epoch)])
        self.sync()
        return self.life.epoch

    def held(self) -> bool:
        """Tell whether no newer epoch has begun."""
        self.life.at("held")
        return self.disk.newest_epoch() == self.life.epoch

    def records(self) -> Iterator[OrderRecord]:
        """Yield every record."""
        self.life.at("read")
        return records_of(self.disk.rows(), "the simulated log")

    def _write(self, records: Sequence[OrderRecord]) -> None:
        if self.disk.full:
            raise Unavailable("orders.db can't be used: database or disk is full.")
        if records:
            seq, prev_hash = self.disk.last()
            rows = rows_of(records, seq, prev_hash, self.life.epoch)
            self.disk.cached.append(Block(rows, records))


class SimSwitch:
    """Keep the kill file on the simulated disk."""

    def __init__(self, disk: Disk, life: Life) -> None:
        self.disk, self.life = disk, life

    def read(self) -> Killed | Armed | None:
        """Return what was last asked for."""
        return self.disk.kill

    def trip(self, killed: Killed) -> None:
        """Switch on."""
        self.life.at("kill file")
        if self.disk.full:
            raise Unavailable("KILL can't be written: No space left on device.")
        self.disk.kill = killed

    def clear(self, asked: Killed | Armed) -> None:
        """Forget what was asked for, unless something else was asked since."""
        self.life.at("kill file: clear")
        if self.disk.kill == asked:
            self.disk.kill = None
