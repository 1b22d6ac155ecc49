"""`tapelight trace`: the story of a signal from the logs of scanner, alerts and trader."""

import asyncio
from pathlib import Path

import pytest

from orders.desks import Stage, play
from tapelight.app.story import Step, lines, story
from tapelight.commands.trace import trace
from tapelight.errors import ConfigError
from tapelight.model.alerts import Alert, delivery
from tapelight.model.signals import Hops, Leaf, Signal
from tapelight.stores import outbox
from tapelight.stores.database import Database
from tapelight.stores.outbox import Outbox
from tapelight.stores.signals import SignalLog

NS = 1_000_000_000


def traded(folder: Path) -> Signal:
    """Let a signal be logged, told to a person, and traded until its stop is reached."""
    found: list[Signal] = []

    async def act(on: Stage) -> None:
        ns = on.now_ns()
        hops = Hops(exchange_ns=ns - 40_000_000, receive_ns=ns - 30_000_000, fire_ns=ns)
        leaf = Leaf(name="rvol_tod", value=3.4, op=">=", bound=3.0, true=True)
        signal = on.signal(id="ab12cd", hops=hops, why=(leaf,), text="ran up")
        found.append(signal)
        assert on.desk.take(1, signal)
        await on.settle(2)
        on.quotes["AAA"] = (19.7, 19.72)
        await on.settle(3)

    play(folder, act)
    log = SignalLog(folder)
    log.append("2026-11-20/0001", found)
    log.close()
    database = Database(folder / "alerts.db", outbox.METADATA)
    alert = Alert(id="a1", owner="ann", rule="r", kind="signal", text="", signal="ab12cd")
    asyncio.run(Outbox(database).add([delivery(alert, "hook", 5 * NS)]))
    database.close()
    return found[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("story")
    traded(made)
    return made


def test_the_story_goes_from_the_event_to_the_fill_of_the_stop(folder: Path) -> None:
    steps = story(folder, "ab12cd")
    assert [step.what for step in steps[:5]] == ["event", "received", "fired", "signal", "intent"]
    assert steps[3].text == ("own AAA entry fired (id ab12cd): ran up [rvol_tod 3.4 >= 3.0 true]")
    assert steps[4].text.startswith("entry buy 498 stop_limit") or "entry buy 498" in steps[4].text
    told = [step.what for step in steps]
    assert told.count("fill") >= 2
    assert told.index("sent") < told.index("fill")
    assert steps[-1] == Step(5 * NS, "alert", "ann by hook: waiting, 0 sent; ", "wall")
    stops = [step.text for step in steps if step.what == "intent"]
    assert any("sell 498 stop" in text for text in stops)


def test_the_beginning_of_an_id_will_do(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace("ab1", data=folder)
    out = capsys.readouterr().out.splitlines()
    assert out == list(lines(story(folder, "ab12cd")))
    assert "+0.0 ms  event" in out[0]


def test_what_is_no_signal_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No signal has the id 'zz'"):
        story(folder, "zz")
    with pytest.raises(ConfigError, match="No signal has the id '%'"):
        story(folder, "%")
    with pytest.raises(ConfigError, match=r"signals\.db"):
        story(tmp_path, "ab12cd")
