"""`tapelight top`: one screen of boards, tape, a symbol and health."""

from collections import deque
from collections.abc import Sequence
from typing import Any, ClassVar

from rich.table import Table as Grid
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import DataTable, Footer, Static

from tapelight.errors import ConfigError
from tapelight.notebook.stream import Stream, Update
from tapelight.terminal.cells import cell, clock, flat, plain

PAINTS_S = 0.25
"""Between two paintings: a person reads no faster."""
ROWS = 100
TAPE = 200
LIVE_STYLES = {"live": "green", "connecting": "yellow", "lost": "bold red"}
SHOWN = (
    "last chg_pct gap_pct chg_5m vol rvol_tod rvol_5m float_shares spread_pct vwap hod lod "
    "prev_close atr14 trade_rate luld_up luld_dn halted halt_code halts_today news_age_min headline "
    "filing dilution_age_min ssr stale provisional age_ms quiet_s tier"
).split()
"""Columns of the symbol's panel, as far as there are."""


class Top(App[None]):
    """Show a running scanner; `stream` follows the topics of what is on the screen."""

    TITLE = "tapelight"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #head { height: 2; padding: 0 1; background: $panel; }
    #left { width: 2fr; }
    #board { height: 2fr; }
    #tape { height: 1fr; border-top: solid $primary; }
    #side { width: 1fr; border-left: solid $primary; padding: 0 1; overflow-y: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("left_square_bracket", "turn(-1)", "Board before", key_display="["),
        Binding("right_square_bracket", "turn(1)", "Next board", key_display="]"),
        Binding("h", "health", "Health"),
        Binding("space", "hold", "Freeze"),
    ]

    def __init__(self, stream: Stream, boards: Sequence[str], board: str) -> None:
        super().__init__()
        self.stream = stream
        self.board, self.symbol = board, ""
        self._boards = list(boards)
        self._views: dict[str, dict[str, Any]] = {}
        self._tape: deque[tuple[str, str, str]] = deque(maxlen=TAPE)
        self._ts_ns = 0
        self._dirty: set[str] = set()
        self._health = self._held = False
        self._painted = ""
        """The stream's state when the screen was painted last."""
        self._columns: list[str] = []
        self._failure: ConfigError | None = None

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        yield Static(id="head", markup=False)
        with Horizontal():
            with Vertical(id="left"):
                yield DataTable[Text](id="board", cursor_type="row", zebra_stripes=True)
                yield DataTable[Text](id="tape", cursor_type="none")
            yield Static(id="side", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Begin to listen and to paint."""
        self.query_one("#tape", DataTable).add_columns("time", "symbol", "what")
        self.query_one("#board", DataTable).focus()
        self.run_worker(self._listen(), name="stream", exit_on_error=False)
        self.set_interval(PAINTS_S, self._paint)

    async def _listen(self) -> None:
        await self.stream.follow(*self._topics())
        try:
            async for update in self.stream.updates():
                self._take(update)
        except ConfigError as error:
            self._failure = error
            self.exit(return_code=2, message=str(error))

    def _topics(self) -> list[str]:
        symbol = [f"symbol:{self.symbol}"] if self.symbol else []
        return [f"board:{self.board}", "signals", "status", *symbol]

    def _take(self, update: Update) -> None:
        self._ts_ns = max(self._ts_ns, update.ts_ns)
        self._views[update.topic] = update.view
        if update.topic == "signals":
            self._read_tape(update.view["signals"])
        self._dirty.add(update.topic.partition(":")[0])

    def _read_tape(self, signals: Sequence[dict[str, Any]]) -> None:
        """Keep the newest signals first: their time, symbol, scan and words."""
        fired = [s for s in signals if s["state"] in ("fired", "halted", "retracted")]
        self._tape.clear()
        for s in fired[:TAPE]:
            what = f"{s['scan']} {s['state'] if s['state'] != 'fired' else ''} {s.get('text', '')}"
            self._tape.append((clock(s["ts_ns"]), s["symbol"], what))

    # What the keys do

    async def action_turn(self, by: int) -> None:
        """Go to the next board, or to the one before."""
        if self.board in self._boards:
            at = (self._boards.index(self.board) + by) % len(self._boards)
            self.board = self._boards[at]
            self._dirty.add("board")
            await self.stream.follow(*self._topics())

    def action_health(self) -> None:
        """Show the scanner's health in the side panel, or the symbol again."""
        self._health = not self._health
        self._dirty |= {"status", "symbol"}

    def action_hold(self) -> None:
        """Let the board stand still, or go on."""
        self._held = not self._held
        self._dirty.add("board")

    async def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Show the row's symbol."""
        self.symbol = str(event.row_key.value).partition("@")[0]
        self._health = False
        self._dirty.add("symbol")
        await self.stream.follow(*self._topics())

    # What is painted

    def _paint(self) -> None:
        dirty, self._dirty = self._dirty, set()
        if self.stream.state != self._painted:
            self._painted = self.stream.state
            dirty.add("symbol")
        self.query_one("#head", Static).update(self._head())
        self.query_one("#board", DataTable).border_title = self._title()
        if "board" in dirty and not self._held:
            self._paint_board()
        if "signals" in dirty:
            tape = self.query_one("#tape", DataTable)
            tape.clear()
            tape.add_rows([tuple(Text(plain(word)) for word in each) for each in self._tape])
        if dirty & {"symbol", "status"}:
            side = self._side_health() if self._health else self._side_symbol()
            self.query_one("#side", Static).update(side)

    def _head(self) -> Text:
        status = self._views.get("status", {}).get("status", {})
        feed = status.get("feed", {})
        state = self.stream.state
        line = Text.assemble(
            ("tapelight ", "bold"), (state, LIVE_STYLES[state]), "  ",
            clock(self._ts_ns) if self._ts_ns else "--:--:--", f"  {status.get('phase', '')}  ",
            f"feed {feed.get('name', '?')} {feed.get('state', '?')} {feed.get('coverage', '')}",
        )  # fmt: skip
        names = ("rows", "trades_s", "stale", "provisional", "quarantined", "gaps", "signals")
        told = "  ".join(f"{name} {status.get(name, '-')}" for name in names)
        line.append(f"\n{told}" if state == "live" else f"\n{plain(self.stream.detail)}")
        return line

    def _title(self) -> str:
        """Return the board's name, and what keeps its values from being new."""
        gone = self._views.get(f"board:{self.board}", {}).get("gone")
        marks = {"frozen": self._held, "STALE": self.stream.state != "live", "deleted": gone}
        return "".join([self.board, *(f"  ({mark})" for mark, on in marks.items() if on)])

    def _paint_board(self) -> None:
        view = self._views.get(f"board:{self.board}")
        table = self.query_one("#board", DataTable)
        if view is None:
            table.clear()
            return
        # The symbol comes first of itself.
        places = [n for n, column in enumerate(view["columns"]) if column["name"] != "symbol"]
        names = [view["columns"][n]["name"] for n in places]
        at = table.cursor_row
        if names != self._columns:
            table.clear(columns=True)
            table.add_columns("symbol", *names)
            self._columns = names
        else:
            table.clear()
        for symbol in view["order"][:ROWS]:
            row = (
                Text(plain(symbol.partition("@")[0]), style="bold"),
                *(cell(view["rows"][symbol][n]) for n in places),
            )
            table.add_row(*row, key=symbol)
        if table.row_count:
            table.move_cursor(row=min(at, table.row_count - 1))

    def _side_symbol(self) -> Grid | Text:
        values = self._views.get(f"symbol:{self.symbol}", {}).get("values")
        if values is None:
            return Text("Enter on a row shows its symbol here; h the scanner's health.")
        old = any(values.get(name) for name in ("stale", "provisional"))
        title = f"{self.symbol}  STALE" if old or self.stream.state != "live" else self.symbol
        return _grid(title, [(name, values[name]) for name in SHOWN if name in values])

    def _side_health(self) -> Grid:
        status = self._views.get("status", {}).get("status", {})
        return _grid("health", list(flat(status)))


def _grid(title: str, pairs: Sequence[tuple[str, Any]]) -> Grid:
    grid = Grid(title=Text(plain(title)), box=None, show_header=False, expand=True)
    for name, value in pairs:
        grid.add_row(Text(plain(name), style="dim"), cell(value))
    return grid
