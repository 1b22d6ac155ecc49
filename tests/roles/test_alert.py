"""The alert role: signals of workers and prices reach people, each once, however often it is killed."""

import json
import urllib.error
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from alerts.hook import Hook, hook
from backends.services import Service
from roles.town import START_S, Town, answers_until, fired, town
from tapelight.model.alerts import LEFT

pytestmark = [pytest.mark.service, pytest.mark.slow, pytest.mark.timeout(400)]

RULE = {"scans": ["probe"], "channels": ["hook"], "cooldown_s": 0, "per_hour": 3600}
KILLS = (3, 15, 27)
"""After so many posts the role is killed; an answer takes so long that some are under way then."""
ANSWER_S = 0.3


def test_alerts_reach_people_through_kills_of_their_role(
    tmp_path: Path, redis: Service, rabbit: Service, postgres: Service
) -> None:
    services = {"redis": redis, "rabbitmq": rabbit, "postgresql": postgres}
    with (
        hook() as receiver,
        town(tmp_path, services, shares=1, symbols=60, speed=1, rate=600) as t,
    ):
        receiver.answer_s, t.more = ANSWER_S, receiver.allowed
        alert = t.role("alert")
        t.wait(lambda: "start the gateway" in t.why("alert"), "that its gateway is missing")
        t.begin("web")
        t.wait(lambda: not t.why("alert"), "what the gateway keeps")
        t.send("PUT", "/api/channels/hook", receiver.channel)
        assert t.send("POST", "/api/channels/hook/test") == {"ok": True, "answer": "200 taken"}
        t.send("PUT", "/api/alerts/highs", RULE)
        t.wait(lambda: t.measures("alert").get("tapelight_alert_rules{rules}"), "the rule")
        t.role("feed")
        t.role("scan", "scan0")
        for count in KILLS:
            t.wait(lambda: len(receiver.ids()) >= count, f"{count} alerts", START_S)  # noqa: B023
            alert.kill()
            alert.start()
        receiver.answer_s = 0.0
        answers = answers_until(t.run()[0], t.mark_s("scan0"))
        due = {key[0] for key in fired(answers, "probe")}
        t.wait(lambda: due <= receiver.ids().keys(), "every signal told", START_S)
        assert len(due) >= KILLS[-1]
        assert {len(ids) for ids in receiver.ids().values()} == {1}, "one id for a signal"
        check_a_level(t, receiver)
        kept = t.get("/api/deliveries?limit=1000")
        told = {(d["alert"]["signal"], d["channel"], d["state"], d["answer"]) for d in kept}
        assert {
            (s, c, "sent", a) for s in due for c, a in (("hook", "200 taken"), ("browser", LEFT))
        } <= told


def check_a_level(t: Town, receiver: Hook) -> None:
    """A price that is reached is told at once, on the dashboard too, and rests."""
    symbol = receiver.posted[-1].alert["symbol"]
    level = {"symbol": symbol, "price": 0.01, "side": "above", "channels": ["hook"]}
    with connect(f"ws://127.0.0.1:{t.web_port}/ws") as socket:
        socket.send(json.dumps({"op": "subscribe", "topics": ["alerts:local"]}))
        first = heard(socket)
        assert first["kind"] == "snapshot"
        assert {alert["scan"] for alert in first["alerts"]} == {"probe"}
        t.send("PUT", "/api/levels/low", level)
        while not any(alert["kind"] == "level" for alert in heard(socket)["alerts"]):
            continue
    t.wait(lambda: receiver.ids("level"), "the level told")
    t.wait(lambda: t.get("/api/levels/low")["body"]["reached_ns"], "a level that rests")
    assert len(receiver.ids("level")["low"]) == 1
    unknown = t.send("PUT", "/api/levels/odd", {**level, "symbol": "NOPE"})
    assert "is not watched" in unknown["warnings"][0]
    with pytest.raises(urllib.error.HTTPError) as refused:
        t.send("POST", "/api/channels/nowhere/test")
    assert refused.value.code == 404
    refused.value.close()


def heard(socket: ClientConnection) -> dict[str, Any]:
    """Return the next message about alerts."""
    while True:
        came: dict[str, Any] = json.loads(socket.recv(timeout=60))
        if came.get("topic") == "alerts:local":
            return came
