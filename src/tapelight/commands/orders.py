"""`tapelight orders|positions|pnl|kill|approve`: what the trader has done, and what a person wants."""

import getpass
import json as jsonlib
import tempfile
import time
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from tapelight.commands.options import ConfigFile, Data, data_folder
from tapelight.errors import ConfigError, TapelightError, Unavailable

ANSWER_S = 10.0
ORDER = ("id", "state", "purpose", "symbol", "side", "quantity", "kind", "limit", "stop", "filled",
         "average", "reason")  # fmt: skip
STRATEGY = ("desk", "strategy", "days", "needed", "entries", "refused", "filled", "realised")
DIFFERENCE = ("signal", "strategy", "symbol", "state", "dry_state", "filled", "dry_filled",
              "worse_bps", "delay_ms", "dry_delay_ms")  # fmt: skip


def orders(
    *,
    state: str = "",
    symbol: str = "",
    limit: int = 50,
    data: Data = None,
    config: ConfigFile = None,
    json: bool = False,
) -> None:
    """List orders, the newest first, the refused ones with the rule that refused them.

    Parameters
    ----------
    state
        One alone: open, held, refused, unknown, working, filled, cancelled ...
    symbol
        Of one symbol alone.
    limit
        How many at most.
    json
        One JSON object a line.
    """
    from tapelight.app.orderbook import OrderBook

    rows = list(islice(OrderBook.of(_folder(data, config)).orders(state, symbol), limit))
    _show(rows, ORDER, json, "There are no such orders.")


def positions(*, data: Data = None, config: ConfigFile = None, json: bool = False) -> None:
    """List what is held: the sum of all fills.

    Parameters
    ----------
    json
        One JSON object a line.
    """
    from tapelight.app.orderbook import OrderBook

    rows = OrderBook.of(_folder(data, config)).positions()
    _show(rows, ("symbol", "quantity", "average", "ours"), json, "Nothing is held.")


def pnl(
    *,
    strategies: bool = False,
    versus_dry: bool = False,
    port: int | None = None,
    data: Data = None,
    config: ConfigFile = None,
    json: bool = False,
) -> None:
    """Show profit and loss by symbol; unrealised where a running scanner knows the price.

    Parameters
    ----------
    strategies
        By strategy instead, of the broker's desk and of the paper desk beside it: days, entries,
        what was refused and filled, profit.
    versus_dry
        The entries that both desks made of the same signal, and how the broker's differ.
    port
        Of the scanner on this machine, instead of the configured one.
    json
        One JSON object a line.
    """
    from tapelight.app.orderbook import OrderBook
    from tapelight.config import load

    settings = load(config)
    folder = data_folder(data, settings.data)
    if strategies:
        from tapelight.app.proving import strategy_rows

        _show(
            strategy_rows(folder, settings.trade), STRATEGY, json, "No strategy has made an entry."
        )
        return
    if versus_dry:
        from tapelight.app.proving import difference_rows

        _show(difference_rows(folder), DIFFERENCE, json, "No signal was taken by both desks.")
        return
    book = OrderBook.of(folder)
    url = f"http://{settings.web.host}:{port or settings.web.port}"
    rows = book.pnl(_prices(book.held(), url, folder))
    _show(rows, ("symbol", "realised", "unrealised", "fees", "net"), json, "")


def kill(
    *,
    reason: str = "",
    flatten: bool = False,
    arm: bool = False,
    drill: bool = False,
    data: Data = None,
    config: ConfigFile = None,
    json: bool = False,
) -> None:
    """Block entries and cancel those that work, also with nothing running; --arm lets them go again.

    Parameters
    ----------
    reason
        Why, in words; kept in the order log.
    flatten
        Close our positions as well.
    arm
        Let entries go again: only a person does that.
    drill
        Only name the orders that would be cancelled.
    json
        Print one JSON object.
    """
    from tapelight.model.order_log import Armed, Killed
    from tapelight.stores.killswitch import KillFile, desk_folders
    from tapelight.stores.orders import FILE
    from tapelight.stores.traderstate import PID

    if arm and (flatten or drill):
        raise ConfigError("--arm lets entries go again: leave --flatten and --drill out.")
    if not arm and not drill and not reason:
        raise ConfigError('Say why: tapelight kill --reason "the data look wrong".')
    folder = _folder(data, config)
    works = _entries(folder)
    now_ns, person = time.time_ns(), getpass.getuser()
    state = "armed" if arm else "drill" if drill else "killed"
    for switch in [] if drill else [KillFile(place) for place in desk_folders(folder)]:
        if arm:
            switch.arm(Armed(now_ns, person))
        else:
            switch.trip(Killed(now_ns, reason, person, flatten))
    told = {"state": state, "reason": reason, "flatten": flatten, "cancels": works}
    if not arm and not (folder / PID).exists() and not (folder / FILE).exists():
        raise ConfigError(_nobody(folder, drill))
    print(jsonlib.dumps(told) if json else _kill_line(state, works))


def approve(
    order: str = "",
    *,
    decline: bool = False,
    data: Data = None,
    config: ConfigFile = None,
    json: bool = False,
) -> None:
    """Let a held order go, or decline it; without an id, list what waits.

    Parameters
    ----------
    order
        Its id, as `tapelight orders` lists it.
    decline
        Decline it instead.
    json
        Print JSON.
    """
    from tapelight.app.orderbook import OrderBook
    from tapelight.stores.commands import Command, Commands

    folder = _folder(data, config)
    held = list(OrderBook.of(folder).orders("held"))
    if not order:
        _show(held, ORDER, json, "Nothing waits for approval.")
        return
    if order not in {row["id"] for row in held}:
        raise ConfigError(f"No order {order} waits for approval: `tapelight approve` lists them.")
    what: Literal["approve", "decline"] = "decline" if decline else "approve"
    commands = Commands(folder)
    asked = Command(what=what, subject=order, by=getpass.getuser(), ts_s=time.time())
    answer = _answer(commands, commands.put(asked))
    commands.close()
    print(jsonlib.dumps({"order": order, "answer": answer}) if json else answer)


def _answer(commands: Any, seq: int) -> str:
    end_s = time.monotonic() + ANSWER_S
    while time.monotonic() < end_s:
        found = commands.answered(seq)
        if found is not None:
            return str(found)
        time.sleep(0.05)
    raise Unavailable(f"No trader answered within {ANSWER_S:g} s: is `tapelight run` running?")


def _entries(folder: Path) -> list[str]:
    from tapelight.app.orderbook import OrderBook

    try:
        found = list(OrderBook.of(folder).orders("open"))
    except TapelightError:
        return []  # the switch has to work without a log as well
    return [row["id"] for row in found if row["purpose"] == "entry"]


def _kill_line(state: str, works: Sequence[str]) -> str:
    if state == "armed":
        return "The kill switch is off: entries may go again."
    named = f"Working entries: {', '.join(works)}." if works else "No entry works."
    if state == "drill":
        return f"A drill, nothing was switched. {named}"
    return f"The kill switch is on, and stays so until `tapelight kill --arm`. {named}"


def _nobody(folder: Path, drill: bool) -> str:
    """Say that a folder has no trader, and where one runs that may be meant."""
    from tapelight.app.demo import FOLDER
    from tapelight.stores.traderstate import stands

    here = sorted(filter(stands, Path(tempfile.gettempdir()).glob(f"{FOLDER}*")))
    meant = " or ".join(f"--data {place}" for place in here)
    waits = "nothing would be stopped" if drill else "the switch waits there, but stops nothing now"
    return (
        f"No trader has run in {folder}: {waits}. Name the folder of the one you mean "
        f"({f'a demo runs with {meant}' if meant else '--data DIR'}), or use Kill on its page."
    )


def _folder(data: Path | None, config: Path | None) -> Path:
    from tapelight.config import load

    return data_folder(data, load(config).data)


def _prices(symbols: Iterable[str], url: str, folder: Path) -> dict[str, float]:
    """Return the last prices that a running scanner knows; none runs: none."""
    wanted = list(symbols)
    if not wanted:
        return {}
    from tapelight.app.localkey import local_key
    from tapelight.notebook.live import Live

    try:
        with Live(url, local_key(folder)) as live:
            found = {symbol: live.symbol(symbol).get("last") for symbol in wanted}
    except TapelightError:
        return {}
    return {symbol: float(price) for symbol, price in found.items() if price is not None}


def _show(rows: Sequence[dict[str, Any]], names: Sequence[str], json: bool, none: str) -> None:
    if json:
        for row in rows:
            print(jsonlib.dumps(row))
        return
    if not rows:
        print(none)
        return
    table = [tuple(names), *(tuple(_cell(row.get(n)) for n in names) for row in rows)]
    widths = [max(len(line[i]) for line in table) for i in range(len(names))]
    for line in table:
        print("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    return "-" if value is None else str(value)
