"""From cycles to topics: only what somebody watches is reckoned, at most ten times a second."""

from collections.abc import Callable, Mapping

import numpy as np

from tapelight.app.views import EngineBoards, EngineMarket, board_state, last_prices
from tapelight.engine import Cycle
from tapelight.market.column import columns
from tapelight.market.view import View
from tapelight.ports import Bus, Json, Prints
from tapelight.web.views import PRINTS_SHOWN

REFRESH_NS = 100_000_000
NS = 1_000_000_000
PRICES, PRICE = "prices", "price"
"""One topic brings the last prices of the symbols of which `price:SYMBOL` is wanted: a row would bring all columns."""


class Publisher:
    """Publish boards, symbols, bars, signals and status to the bus.

    At whole seconds the boards are the engine's answers; in between they are a view: the same
    members with values and order as of the mark, left out of the journal and of every digest.
    """

    def __init__(
        self,
        boards: EngineBoards,
        market: EngineMarket,
        bus: Bus,
        status: Callable[[], Mapping[str, Json]],
        prints: Prints,
        behind: Callable[[], bool] = lambda: False,
    ) -> None:
        self.boards = boards
        self.market = market
        self.bus = bus
        self.status = status
        self.prints = prints
        self.behind = behind
        """Tells whether a later second is due already: views then wait for it."""
        self._shown_ns = 0

    def on_cycle(self, cycle: Cycle) -> None:
        """Publish what a mark brought."""
        self.boards.keep(cycle.rankings, cycle.signals)
        ts = cycle.mark.ts_ns
        wanted = self.bus.wanted()
        stamp = {"mark": ts, "ts_ns": ts}
        if cycle.signals and "signals" in wanted:
            self.bus.publish("signals", stamp | {"signals": list(cycle.signals)})
        if (ts - self._shown_ns < REFRESH_NS and not cycle.whole) or self.behind():
            return
        self._shown_ns = ts
        self._publish_boards(wanted, cycle)
        for topic in wanted:
            self._publish_row(topic, stamp)
        if PRICES in wanted:
            symbols = [
                rest for kind, _, rest in (t.partition(":") for t in wanted) if kind == PRICE
            ]
            prices = last_prices(self.boards.engine, symbols)
            self.bus.publish(PRICES, stamp | {"prices": prices})
        if cycle.whole and "armed" in wanted:
            self.bus.publish("armed", self.boards.armed())
        if cycle.whole and "status" in wanted:
            self.bus.publish("status", stamp | {"status": self.status()})

    def _publish_boards(self, wanted: frozenset[str], cycle: Cycle) -> None:
        names = [t.partition(":")[2] for t in wanted if t.startswith("board:")]
        engine = self.boards.engine
        ranked = [engine.boards[n] for n in names if n in engine.boards]
        if cycle.whole:
            for board in ranked:
                self.bus.publish(f"board:{board.name}", self.boards.board(board.name))
        elif ranked:
            members = [np.flatnonzero(b.entered) for b in ranked]
            rows = np.unique(np.concatenate(members)).astype(np.intp)
            view = View(engine.table, rows)
            for board in ranked:
                state = board_state(board.question, board.rank(view))
                self.bus.publish(f"board:{board.name}", state)
        fired = {s.scan for s in cycle.signals}
        for name in names:
            if name in fired or (cycle.whole and name in engine.scans):
                self.bus.publish(f"board:{name}", self.boards.board(name))

    def _publish_row(self, topic: str, stamp: dict[str, int]) -> None:
        kind, _, rest = topic.partition(":")
        symbol = rest.rpartition(":")[0] if kind == "bars" else rest
        if (
            kind not in ("symbol", "prints", "bars")
            or symbol not in self.boards.engine.table.universe.rows
        ):
            return
        if kind == "prints":
            state: dict[str, Json] = {"prints": self.prints.prints(symbol, PRINTS_SHOWN)}
        elif kind == "symbol":
            state = {
                "values": self.market.symbol(symbol),
                "columns": symbol_columns(),
            }
        else:
            state = {"bars": self.market.bars(symbol, 60)}
        self.bus.publish(topic, stamp | state)


def symbol_columns() -> list[dict[str, str]]:
    """Return name, unit, doc and topic of every column."""
    return [
        {"name": c.name, "unit": c.unit, "doc": c.doc, "topic": c.topic} for c in columns().values()
    ]
