"""What the gateway sees of the engine: boards whose columns are changed, and the last price."""

from collections.abc import Mapping

from market.tape import Tape
from tapelight.app.prints import PrintTape
from tapelight.app.publish import Publisher
from tapelight.app.run import last_price
from tapelight.app.trading import Price
from tapelight.app.views import EngineBoards, EngineMarket, phase_and_session
from tapelight.buses.memory import MemoryBus
from tapelight.ports import Json
from tapelight.web.rest import _board

HEAD = '-- gate = "none"\n'
EVENTS = HEAD + '-- kind = "events"\n'


class Desk:
    """A tape, and the boards that listen to it."""

    def __init__(self) -> None:
        self.tape = Tape("A")
        self.boards = EngineBoards(self.tape.engine)

    def ask(self, columns: str) -> None:
        where = f"SELECT {columns} FROM market WHERE last > 10"
        self.tape.ask(up=EVENTS + where, top=HEAD + where)

    def mark(self, time: str) -> None:
        cycle = self.tape.mark(time)
        self.boards.keep(cycle.rankings, cycle.signals)

    def rows(self, name: str) -> list[dict[str, Json]]:
        rows: list[dict[str, Json]] = _board(self.boards.board(name))["rows"]
        return rows


def desk() -> Desk:
    made = Desk()
    made.ask("symbol, last, vol")
    made.tape.trade("10:00:00.1", 10.5, size=900.0)
    for second in (1, 2, 3):
        made.mark(f"10:00:0{second}")
    return made


def test_a_firing_stands_under_its_columns_names_whatever_they_are_now() -> None:
    made = desk()
    assert made.rows("up") == [{"symbol": "A", "last": 10.5, "vol": 900.0}]
    made.ask("symbol, vol, last")
    assert made.rows("up") == [{"symbol": "A", "vol": 900.0, "last": 10.5}]
    made.ask("last")
    assert made.rows("up") == [{"symbol": "A", "last": 10.5}]
    made.ask("symbol, last, vol, hod")
    assert made.rows("up") == [{"symbol": "A", "last": 10.5, "vol": 900.0, "hod": None}]


def test_a_firing_keeps_its_moment_though_the_symbol_is_a_column() -> None:
    told = _board(desk().boards.board("up"))
    (key,) = told["order"]
    symbol, _, ms = key.rpartition("@")
    (fired,) = desk().boards.newest
    assert (symbol, int(ms)) == ("A", fired.ts_ns // 1_000_000)


def test_an_edited_board_shows_the_old_answer_under_the_old_columns_until_the_next_second() -> None:
    made = desk()
    was = [{"symbol": "A", "last": 10.5, "vol": 900.0}]
    assert made.rows("top") == was
    made.ask("symbol, vol, last")
    assert made.rows("top") == was
    made.ask("symbol, last")
    assert made.rows("top") == was
    made.mark("10:00:04")
    made.mark("10:00:05")
    assert made.rows("top") == [{"symbol": "A", "last": 10.5}]


def test_an_armed_row_that_moves_away_without_a_record_is_armed_no_longer() -> None:
    tape = Tape("A", "B")
    tape.ask(
        near=f'{EVENTS}-- armed = "last > 9.8"\nSELECT symbol, last FROM market WHERE last > 10'
    )
    told: list[Mapping[str, Json]] = []
    bus = MemoryBus()
    bus.subscribe(lambda topic, state: told.append({"topic": topic, **state}))
    bus.want("armed", True)
    boards = EngineBoards(tape.engine)
    prints = PrintTape(lambda: tape.engine)
    publisher = Publisher(boards, EngineMarket(tape.engine, dict), bus, dict, prints)

    def armed(time: str, price: float) -> list[tuple[str, str, int]]:
        tape.trade(time, price)
        publisher.on_cycle(tape.mark(time))
        assert told[-1]["topic"] == "armed"
        return [(r["scan"], r["symbol"], r["since_ns"]) for r in told[-1]["armed"]]

    assert armed("10:00:01", 9.9) == [("near", "A", tape.ns("10:00:01"))]
    assert armed("10:00:02", 9.1) == [("near", "A", tape.ns("10:00:01"))]
    assert len(armed("10:00:03", 8.4)) == 1
    assert armed("10:00:04", 7.8) == []
    assert [s.state for s in boards.newest] == ["armed"]


def test_prices_of_levels_come_in_one_topic_without_what_is_old_or_unknown() -> None:
    made = desk()
    engine = made.tape.engine
    told: list[tuple[str, Json]] = []
    bus = MemoryBus()
    bus.subscribe(lambda topic, state: told.append((topic, state["prices"])))
    for topic in ("prices", "price:A", "price:NOBODY"):
        bus.want(topic, True)
    publisher = Publisher(
        made.boards, EngineMarket(engine, dict), bus, dict, PrintTape(lambda: engine)
    )
    publisher.on_cycle(made.tape.mark("10:00:04"))
    assert told == [("prices", {"A": 10.5})]
    publisher.on_cycle(made.tape.mark("10:00:20", complete="10:00:05"))
    assert told[1:] == [("prices", {})]


def test_the_phase_is_of_the_moment_that_is_asked_for() -> None:
    tape = Tape("A")
    assert phase_and_session(tape.engine, tape.ns("10:00:00")) == ("closed", "")
    tape.mark("09:30:05")
    asked = [("09:30:05", 0), ("09:29:58", 0), ("16:00:00", 0), ("19:59:00", -1)]
    day = tape.engine.table.session
    assert day is not None
    told = [phase_and_session(tape.engine, tape.ns(time, days)) for time, days in asked]
    assert [phase for phase, _ in told] == ["regular", "pre", "post", "post"]
    assert [date == day.date.isoformat() for _, date in told] == [True, True, True, False]


def test_a_last_price_says_whether_it_is_old_or_doubtful() -> None:
    made = desk()
    engine = made.tape.engine
    assert last_price(engine, "A") == Price(10.5)
    assert last_price(engine, "NOBODY") is None
    made.tape.mark("10:00:20", complete="10:00:05")
    assert last_price(engine, "A") == Price(10.5, stale=True)
