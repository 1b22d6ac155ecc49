"""Who is at the other end: addresses behind trusted proxies, and how many connections each has."""

from collections import Counter
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from tapelight.errors import ConfigError

HEADER = "x-forwarded-for"
NETWORK_BITS = 64
"""One household or office has a whole /64 of IPv6 addresses."""
CONNECTIONS = 256
"""HTTP connections of one address at once; this machine's own and those of proxies are not counted."""
Address = IPv4Address | IPv6Address


class Proxies:
    """Know the proxies that may say for whom they ask: ("127.0.0.1", "10.0.0.0/8")."""

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        self._trusted = [_network(text) for text in trusted]

    def holds(self, client: str) -> bool:
        """Tell whether an address is a trusted proxy's."""
        address = address_of(client)
        return address is not None and any(address in network for network in self._trusted)

    def client(self, peer: str, forwarded: Iterable[str]) -> str:
        """Return who asks: the last address of the header that no trusted proxy has.

        What stands before it could be written by anybody. An entry that is no address ends the search.
        """
        entries = [entry for text in forwarded for entry in text.split(",")]
        for entry in reversed(entries):
            if not self.holds(peer):
                break
            address = address_of(_bare(entry))
            if address is None:
                break
            peer = str(address)
        return peer

    def around(self, app: ASGIApp) -> ASGIApp:
        """Return `app`, told by each request of a trusted proxy for whom it asks."""
        if not self._trusted:
            return app

        async def seen(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] in ("http", "websocket") and scope.get("client"):
                peer, port = scope["client"]
                lines = Headers(scope=scope).getlist(HEADER)
                scope = {**scope, "client": (self.client(str(peer), lines), port)}
            await app(scope, receive, send)

        return seen


class Crowd:
    """Count the connections of each address; `free` are not counted."""

    def __init__(self, proxies: Proxies, most: int = CONNECTIONS) -> None:
        self._proxies, self._most = proxies, most
        self._open: Counter[str] = Counter()
        self.refused = 0

    def enter(self, client: str) -> bool:
        """Count a connection; tell whether there was room for it."""
        if self._is_free(client):
            return True
        key = network_of(client)
        if self._open[key] >= self._most:
            self.refused += 1
            return False
        self._open[key] += 1
        return True

    def leave(self, client: str) -> None:
        """Forget a connection that was let in."""
        key = network_of(client)
        self._open[key] -= 1
        if self._open[key] <= 0:
            del self._open[key]

    def _is_free(self, client: str) -> bool:
        address = address_of(client)
        return address is None or address.is_loopback or self._proxies.holds(client)


def address_of(text: str) -> Address | None:
    """Return an address, an IPv4 one in IPv6's clothes as itself; None for what is none."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def network_of(client: str) -> str:
    """Return what quotas count by: an IPv4 address, the /64 of an IPv6 one."""
    address = address_of(client)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, NETWORK_BITS), strict=False))
    return str(address) if address is not None else client


def _bare(entry: str) -> str:
    """Return an entry of the header without its port: 1.2.3.4:5678, [::1]:5678."""
    text = entry.strip()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _network(text: str) -> Any:
    try:
        return ip_network(text.strip(), strict=False)
    except ValueError as error:
        raise ConfigError(
            f"trusted_proxies under [web]: {text!r} is no address: give one as in 127.0.0.1 or "
            "10.0.0.0/8."
        ) from error
