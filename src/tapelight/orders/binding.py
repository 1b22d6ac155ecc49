"""The binding: an order log is one account's, and what it asks for goes to no other."""

from tapelight.errors import ConfigError
from tapelight.model.order_log import Bound


def refuse_another(bound: Bound | None, name: str, host: str, number: str | None = None) -> None:
    """Raise ConfigError where a log is bound to another account than the broker's of that name.

    Without a `number` of the account only broker and host are compared: they are known before it
    is asked.
    """
    if bound is None:
        return
    same = (bound.broker, bound.host) == (name, host)
    if same and number in (None, bound.account):
        return
    raise ConfigError(
        f"The orders in orders.db are those of {_words(bound.broker, bound.host, bound.account)}, "
        f"and this is {_words(name, host, number or '')}: nothing was sent. Give "
        "another --data, or, once that account is flat, move orders.db and its -wal away."
    )


def _words(name: str, host: str, number: str) -> str:
    more = [part for part in (host, f"account {number}" if number else "") if part]
    return f"{name} ({', '.join(more)})" if more else name
