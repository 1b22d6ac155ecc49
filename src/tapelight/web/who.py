"""Who asks: the name and the rights that go with a request or a WebSocket."""

from dataclasses import dataclass

from starlette.types import Scope

ROLES = ("nobody", "guest", "viewer", "analyst", "trader", "admin")
"""Each may do what those before it may. `guest` is the public read-only demo, `nobody` unknown."""
SCOPES = ("read", "scan", "alert", "trade")
"""What an API key may be made for, within its owner's role."""
KEY = "tapelight.who"


@dataclass(frozen=True, slots=True)
class Who:
    """Name a user, the rights, and how they were shown.

    `via` is open (no accounts yet, this machine only), session, key, guest or nobody; `token`
    tells one session or key from another, and is no secret.
    """

    name: str
    role: str
    via: str
    scopes: frozenset[str] = frozenset(SCOPES)
    token: str = ""

    def may(self, role: str, scope: str) -> bool:
        """Tell whether what needs `role`, and `scope` of a key, is allowed.

        An empty `scope` is for people: no key is enough.
        """
        if role == "nobody":
            return True
        if self.via == "key" and scope not in self.scopes:
            return False
        return ROLES.index(self.role) >= ROLES.index(role)


NOBODY = Who("", "nobody", "nobody", frozenset())
GUEST = Who("guest", "guest", "guest", frozenset({"read"}))
OPEN = Who("local", "admin", "open")
"""Whoever sits at this machine, as long as there are no accounts."""


def who_asks(scope: Scope) -> Who:
    """Return who asks, as the gate found out."""
    who = scope.get(KEY, OPEN)
    assert isinstance(who, Who)
    return who
