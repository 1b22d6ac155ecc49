"""Signals: what a digest covers, and how long an event took from station to station."""

import msgspec

from tapelight.model.signals import Hops, Leaf, Signal, witness

LEAF = Leaf("rvol_tod", 3.4, ">=", 3.0, True, ("gate",))
SIGNAL = Signal(
    id="a1", scan="s", symbol="ABC", state="fired", ts_ns=5, mark=5, values={"last": 10.0},
    why=(LEAF,), event_ns=4, hops=Hops(exchange_ns=4),
)  # fmt: skip


def test_a_digest_covers_all_but_the_hops() -> None:
    other = msgspec.structs.replace(SIGNAL, hops=Hops(exchange_ns=9))
    assert witness(SIGNAL) == witness(other)
    for change in ({"state": "armed"}, {"why": ()}, {"count": 2}, {"event_ns": 3}, {"of": "b"}):
        assert witness(msgspec.structs.replace(SIGNAL, **change)) != witness(SIGNAL), change


def test_a_signal_keeps_its_leaves_through_json() -> None:
    text = msgspec.json.encode(SIGNAL)
    assert msgspec.json.decode(text, type=Signal) == SIGNAL


def test_hops_are_the_times_between_known_stations() -> None:
    ms = 1_000_000
    hops = Hops(exchange_ns=0, receive_ns=61 * ms, fold_ns=70 * ms, fire_ns=72 * ms)
    assert hops.parts_ms() == {"net": 61.0, "table": 9.0, "rule": 2.0}
    sent = msgspec.structs.replace(hops, dispatch_ns=80 * ms)
    assert sent.parts_ms() == {"net": 61.0, "table": 9.0, "rule": 2.0, "send": 8.0, "total": 80.0}
    assert Hops(fire_ns=3).parts_ms() == {}
