"""The switches with which a test makes the simulated broker misbehave."""

import random

import msgspec

COUNTED = (
    "lose_reply", "lose_request", "timeout_504", "too_many", "server_error", "reject",
    "cancel_reject", "replace_reject",
)  # fmt: skip
"""Switches that hold for the next n requests or orders."""


class Faults(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Hold the switches; PUT /simulator/faults sets all, what is not named is off."""

    lose_reply: int = 0
    """The next n changing requests are carried out, and the connection breaks before the reply."""
    lose_request: int = 0
    """The next n changing requests are not carried out, and the connection breaks."""
    timeout_504: int = 0
    """The next n changing requests are carried out and answered 504."""
    too_many: int = 0
    """The next n requests are answered 429."""
    server_error: int = 0
    """The next n changing requests are not carried out and answered 500."""
    reject: int = 0
    """The next n orders are taken and then rejected by the venue."""
    cancel_reject: int = 0
    """The next n cancels are taken and then rejected."""
    replace_reject: int = 0
    """The next n replacements are taken and then rejected."""
    lose_reply_share: float = 0.0
    """This share of changing requests loses its reply, drawn by `seed`."""
    seed: int = 1
    delay_s: float = 0.0
    """Each reply waits so long, in seconds of the wall."""
    limit_a_minute: int = 200
    """Requests a minute above which 429 is answered."""
    freeze: bool = False
    """No order is filled."""
    max_fill: int = 0
    """A fill has at most so many shares; 0: what is displayed."""
    cancel_delay_s: float = 0.0
    """Cancels and replacements take effect so many market seconds later: fills win the race."""
    double_oco: bool = False
    """When one exit is filled, the other is filled as well."""
    mute_updates: bool = False
    """Updates are lost."""
    duplicate_updates: bool = False
    """Each update is sent twice."""
    no_sip: bool = False
    """The plan has no SIP: its stream is refused with 409, its REST data with 403."""
    free_limit: bool = True
    """The IEX stream has at most 30 symbols of trades and quotes, and no *."""


class Switches:
    """Hold the faults of the moment and use up those that are counted."""

    def __init__(self) -> None:
        self.now = Faults()
        self._random = random.Random(self.now.seed)

    def set(self, faults: Faults) -> None:
        """Let `faults` hold from now on."""
        self.now = faults
        self._random = random.Random(faults.seed)

    def use(self, name: str) -> bool:
        """Tell whether a counted fault strikes now, using it up by one."""
        left: int = getattr(self.now, name)
        if left > 0:
            setattr(self.now, name, left - 1)
        return left > 0

    def loses_reply(self) -> bool:
        """Tell whether this request loses its reply."""
        if self.use("lose_reply"):
            return True
        return self.now.lose_reply_share > 0 and self._random.random() < self.now.lose_reply_share
