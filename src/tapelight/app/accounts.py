"""The books of each stage: what came in, and what became of it. Nothing is dropped in silence.

A stage's `in` is folded + superseded + rejected + expired + ignored + waiting; what is missing in that sum
is `unaccounted`, and a fault of ours.
"""

from collections.abc import Mapping

from tapelight.market import spill
from tapelight.market.table import Table

Account = dict[str, int]
BATCHED = ("trades", "quotes", "bars", "bands")
HANDED_ON = (*BATCHED, "corrections", "prints")
"""What a feed counts of events that it hands on."""
KINDS = ("folded", "superseded", "rejected", "expired", "ignored", "waiting")
IGNORED = ("ignored", "statuses", "test_symbols")


def accounts(feed: Mapping[str, int], table: Table, taken: int) -> dict[str, Account]:
    """Return the account of each stage: decode (the feed's), line (held back), table.

    `feed` are the feed's running totals, `taken` the events that it has put since this process
    began. What waits for a snapshot is counted where it lies, and not taken for what is missing.
    A feed that does not count its `events` has no account of its own; one that makes prints of
    samples (and quotes besides) has none of the line.
    """
    found: dict[str, Account] = {}
    if "events" in feed:
        samples = "prints" in feed
        expired, waiting = feed.get("expired", 0), feed.get("waiting", 0)
        handed_on = sum(feed.get(name, 0) for name in HANDED_ON)
        found["decode"] = _account(
            feed["events"],
            folded=handed_on,
            superseded=feed.get("superseded", 0),
            rejected=feed.get("rejected", 0),
            ignored=sum(feed.get(name, 0) for name in IGNORED),
            expired=expired if samples else 0,
            waiting=waiting if samples else 0,
        )
        if not samples:
            batched = sum(feed.get(name, 0) for name in BATCHED)
            found["line"] = _account(batched, folded=taken, expired=expired, waiting=waiting)
    found["table"] = table_account(table)
    return found


def table_account(table: Table) -> Account:
    """Return the table's account; a snapshot keeps it over a restart."""
    c = [int(n) for n in table.counters]
    return _account(
        c[spill.IN],
        folded=sum(c[i] for i in (spill.TRADES, spill.QUOTES, spill.BARS, spill.BANDS))
        + c[spill.CORRECTIONS],
        superseded=c[spill.DUPLICATES] + c[spill.INSIDE_SNAPSHOT] + c[spill.BARS_SUPERSEDED],
        expired=c[spill.LATE],
    )


def _account(came: int, **became: int) -> Account:
    return {
        "in": came,
        **{name: became.get(name, 0) for name in KINDS},
        "unaccounted": came - sum(became.values()),
    }


def unaccounted(found: Mapping[str, Account]) -> int:
    """Return how many events are missing in the books."""
    return sum(abs(account["unaccounted"]) for account in found.values())
