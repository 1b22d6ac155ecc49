"""Planted faults: what the simulation has to find. Each is a mistake that somebody could make."""

import asyncio
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from tapelight.errors import Conflict, Unavailable
from tapelight.model.order_log import Intended, Killed, OrderRecord, Reported, Sent
from tapelight.model.orders import ZERO, Approved, Fill, Order, OrderRequest, Report, Statement
from tapelight.orders import book, doubts, due, entries, inquiry, ledger, reconcile, risk, rules
from tapelight.orders.desk import Desk
from tapelight.testing.sim.disk import SimLog, SimSwitch
from tapelight.testing.sim.life import Died

Patch = tuple[object, str, object]
"""Where, which name, and what stands there while the fault is planted."""
_counter = itertools.count()


@dataclass(frozen=True, slots=True)
class Fault:
    """Name a mistake and how to make it."""

    name: str
    what: str
    patches: tuple[Patch, ...]
    seed: int = 0
    """One that is known to find it."""

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Let the mistake be there for a while."""
        kept = [(where, name, getattr(where, name)) for where, name, _ in self.patches]
        for where, name, wrong in self.patches:
            setattr(where, name, wrong)
        try:
            yield
        finally:
            for where, name, right in kept:
                setattr(where, name, right)


def _fresh_id(*_: str) -> str:
    return f"tl-{next(_counter)}"


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _no(*_: Any, **__: Any) -> str:
    return ""


def _without(names: str) -> tuple[risk.Rule, ...]:
    return tuple(rule for rule in risk.ENTRY if rule.__name__ not in names.split())


def _approve(*_: Any, **__: Any) -> Approved:
    return Approved(0)


def _journal_later(desk: Desk, request: OrderRequest, cursor: int, waits: bool = False) -> bool:
    now_ns = desk.world.now_ns()
    verdict = desk._judge(request, waits)
    records: list[OrderRecord] = [Intended(now_ns, request, verdict, cursor)]
    goes = isinstance(verdict, Approved) and not waits
    if goes:
        records.append(Sent(now_ns, request.id))
    for record in records:
        desk.book.apply(record)
    if goes:
        desk._spawn(desk._send(request.id))
    asyncio.get_running_loop().call_soon(_append, desk, records)
    return True


def _append(desk: Desk, records: Sequence[OrderRecord]) -> None:
    with suppress(Died, Conflict, Unavailable):
        desk.world.log.append(records)


def _dropped(desk: Desk, request: OrderRequest, cursor: int, waits: bool = False) -> bool:
    _intend(desk, request, cursor, waits)
    return True


_intend = Desk._intend


def _write_regardless(self: ledger.Ledger, records: Sequence[OrderRecord]) -> bool:
    try:
        self.log.append(records)
    except Unavailable as error:
        self.fault = str(error)
    for record in records:
        self.book.apply(record)
        self._told(record)
    return True


async def _time_out_rejects(desk: Desk, order: str) -> None:
    try:
        async with asyncio.timeout(desk.trade.send_s):
            report = await desk.world.broker.submit(desk.book.orders[order].request)
    except (Unavailable, TimeoutError):
        report = Report(order=order, state="rejected", reason="no answer")
    desk.hear(report)


async def _retry_in_place(desk: Desk, order: str) -> None:
    for _ in range(3):
        try:
            async with asyncio.timeout(desk.trade.send_s):
                report = await desk.world.broker.submit(desk.book.orders[order].request)
        except (Unavailable, TimeoutError):
            continue
        desk.hear(report)
        return


def _resend_blindly(self: inquiry.Inquiry, id_: str, _begun_ns: int) -> None:
    self._resend(id_)


def _lost_at_once(self: inquiry.Inquiry, id_: str, begun_ns: int) -> None:
    self.ledger.hear(Report(order=id_, state="lost", ts_ns=begun_ns))


def _kill_in_memory(desk: Desk, reason: str, by: str, flatten: bool = False) -> list[str]:
    desk.book.apply(Killed(desk.world.now_ns(), reason, by, flatten))
    return []


def _whole_fill(self: book.Book, report: Report) -> Fill | None:
    fill = _fill_of(self, report)
    if fill is None:
        return None
    return Fill(
        order=fill.order, symbol=fill.symbol, side=fill.side, quantity=report.filled,
        price=report.average or ZERO, cumulative=report.filled,
    )  # fmt: skip


def _free_fill(self: book.Book, report: Report) -> Fill | None:
    fill = _fill_of(self, report)
    if fill is None:
        return None
    return Fill(
        order=fill.order, symbol=fill.symbol, side=fill.side, quantity=fill.quantity,
        price=fill.price, cumulative=fill.cumulative,
    )  # fmt: skip


def _average_fill(self: book.Book, report: Report) -> Fill | None:
    fill = _fill_of(self, report)
    if fill is None:
        return None
    return Fill(
        order=fill.order, symbol=fill.symbol, side=fill.side, quantity=fill.quantity,
        price=report.average or ZERO, cumulative=fill.cumulative, fee=fill.fee,
    )  # fmt: skip


_fill_of = book.Book.fill_of


def _last_word(_order: Order, report: Report) -> str:
    return report.state


def _leave_beside(scene: due.Scene, leaving: Any) -> Iterator[due.Action]:
    symbol = leaving.symbol
    held = scene.book.quantity(symbol) if leaving.whole else scene.book.ours(symbol)
    if held and due._quiet(scene, symbol, due.STEP_NS):
        yield due.Submit(due._exit(scene, leaving, held))


def _one_stop(scene: due.Scene, symbol: str) -> Iterator[due.Action]:
    if scene.book.reducing(symbol) and scene.book.ours(symbol):
        return
    yield from _protect(scene, symbol)


_protect = due._protect


def _stops_stay(order: Order, why: str) -> Iterator[due.Action]:
    if order.request.purpose != "stop":
        yield from _cancel(order, why)


_cancel = due._cancel


def _believe_cancels(desk: Desk, cancels: list[due.Cancel]) -> None:
    _ask_cancels(desk, cancels)
    for order in (desk.book.orders[each.order.id] for each in cancels):
        report = Report(
            order=order.id,
            state="cancelled",
            filled=order.filled,
            average=order.average,
            fee=order.fee,
        )
        desk.ledger.write([Reported(desk.world.now_ns(), report)])


_ask_cancels = Desk._ask_cancels


def _cancel_once(order: Order, why: str) -> Iterator[due.Action]:
    if order.cancel_ns == 0:
        yield from _cancel(order, why)


def _adopt_at_once(self: inquiry.Inquiry, statement: Statement, _begun: int, now_ns: int) -> None:
    found = reconcile.differences(self.ledger.book, statement)
    self.ledger.write(list(reconcile.adopt(self.ledger.book, statement, found, now_ns)))
    self.reconciled = True


async def _armed_by_restart(desk: Desk) -> None:
    asked = desk.world.switch.read()
    if asked is not None:
        desk.world.switch.clear(asked)
    desk.ledger.begin = _begin_armed(desk.ledger)  # type: ignore[method-assign]
    await _run(desk)


def _begin_armed(of: ledger.Ledger) -> Callable[[], None]:
    def begin() -> None:
        _begin(of)
        of.book.killed = None

    return begin


def _begin_unpaced(self: ledger.Ledger) -> None:
    _begin(self)
    self.book.entered.clear()


_run = Desk.run
_begin = ledger.Ledger.begin


def _clear_whatever(self: SimSwitch, _asked: object) -> None:
    self.life.at("kill file: clear")
    self.disk.kill = None


def _never_over(scene: due.Scene, _: OrderRequest) -> str:
    return due.BY_KILL if scene.book.killed is not None else ""


def _known_left(order: Order) -> Any:
    return max(order.request.quantity - order.filled, ZERO) if order.state == "working" else ZERO


def _undoubting(_self: doubts.Doubts, *_: Any) -> bool:
    return True


def _hold(_log: SimLog) -> bool:
    return True


FAULTS: tuple[Fault, ...] = (
    Fault("fresh_id", "each reading of a signal gives a new order id",
          ((entries, "derived_id", _fresh_id),), 6),
    Fault("no_fsync", "a record is not synced before the order goes",
          ((SimLog, "sync", _nothing),)),
    Fault("journal_after_send", "the intent is written once the order is out",
          ((Desk, "_intend", _journal_later),)),
    Fault("full_disk_ignored", "a record that the disk refuses counts as written",
          ((ledger.Ledger, "write", _write_regardless),)),
    Fault("signal_dropped", "a signal counts as taken though its record was refused",
          ((Desk, "_intend", _dropped),)),
    Fault("time_out_rejects", "no answer is taken for a rejection",
          ((Desk, "_send", _time_out_rejects),), 1),
    Fault("retry_in_place", "what was not answered is sent again at once",
          ((Desk, "_send", _retry_in_place),)),
    Fault("resend_blindly", "what the venue does not know yet is sent again",
          ((inquiry.Inquiry, "_not_found", _resend_blindly),), 5),
    Fault("lost_at_once", "what the venue does not know yet counts as lost",
          ((inquiry.Inquiry, "_not_found", _lost_at_once),), 8),
    Fault("limiter_off", "nothing is refused", ((risk, "judge", _approve),)),
    Fault("entry_before_look", "entries go before the venue was asked",
          ((risk, "ENTRY", _without("ready")),)),
    Fault("stale_data", "entries rest on rows that are not LIVE",
          ((risk, "ENTRY", _without("data_state")),), 4),
    Fault("old_signal", "a signal of any age is good",
          ((risk, "ENTRY", _without("signal_age")),)),
    Fault("no_pace", "entries have no limit a second and a minute",
          ((risk, "ENTRY", _without("pace")),), 6),
    Fault("any_positions", "any number of symbols may be open",
          ((risk, "ENTRY", _without("open_positions")),), 2),
    Fault("no_day_loss", "the day's loss stops nothing",
          ((rules, "breach", _no), (due, "breach", _no)), 14),
    Fault("pace_forgotten", "a restart forgets how many orders went",
          ((ledger.Ledger, "begin", _begin_unpaced),), 6),
    Fault("approval_unjudged", "what a person approves is not judged again",
          ((risk, "STILL", ()),), 7),
    Fault("kill_in_memory", "the kill switch is kept nowhere",
          ((Desk, "kill", _kill_in_memory),), 9),
    Fault("kill_not_asked", "the kill switch is not asked right before the send",
          ((Desk, "_stopped", _no),), 18),
    Fault("armed_by_restart", "a restart arms", ((Desk, "run", _armed_by_restart),)),
    Fault("arming_forgets", "arming takes away a kill that was asked for meanwhile",
          ((SimSwitch, "clear", _clear_whatever),), 1),
    Fault("no_fence", "an earlier trader may go on to write and send",
          ((SimLog, "fence", _nothing), (SimLog, "held", _hold)), 1),
    Fault("fill_counted_whole", "a cumulative figure is booked as if it were one fill",
          ((book.Book, "fill_of", _whole_fill),)),
    Fault("fill_at_average", "a fill is booked at the order's average",
          ((book.Book, "fill_of", _average_fill),)),
    Fault("fees_forgotten", "fees are not booked", ((book.Book, "fill_of", _free_fill),)),
    Fault("last_word_wins", "a late report takes back what was final",
          ((book, "_next", _last_word),), 1),
    Fault("cancel_believed", "an order counts as cancelled once that was asked",
          ((Desk, "_ask_cancels", _believe_cancels),)),
    Fault("cancel_once", "a cancel that is in the log counts as sent",
          ((due, "_cancel", _cancel_once),), 29),
    Fault("adopt_at_once", "one look that differs is believed",
          ((inquiry.Inquiry, "_settle", _adopt_at_once),)),
    Fault("exit_beside_stops", "a position is closed while its stop may still fill",
          ((due, "_leave", _leave_beside), (risk, "REDUCING", ())), 1),
    Fault("one_stop", "only the first part of an entry gets a stop",
          ((due, "_protect", _one_stop),), 164),
    Fault("stops_stay", "stops are never cancelled", ((due, "_cancel", _stops_stay),), 12),
    Fault("never_over", "an entry works on after its time",
          ((due, "_over", _never_over),), 35),
    Fault("undoubting", "what reduces goes on the book's word, whatever a person did in the app",
          ((doubts.Doubts, "sure", _undoubting),)),
    Fault("unknown_fills_nothing", "an order of unknown outcome counts as none",
          ((Order, "left", property(_known_left)),), 35),
)  # fmt: skip
