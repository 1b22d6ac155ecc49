"""How the simulated service says no: HTTP status, Alpaca's code, a message, further fields."""

from tapelight.errors import Rejected

BAD_INPUT, BAD_RULE = 40010001, 42210000
FORBIDDEN, DAY_TRADER = 40310000, 40310100
NOT_FOUND, TOO_MANY = 40410000, 42910000


class Refusal(Rejected):
    """Carry the answer to a request that is not carried out."""

    def __init__(self, status: int, code: int, message: str, **more: str) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, object] = {"code": code, "message": message, **more}


def bad(message: str) -> Refusal:
    """Return the refusal of a request that is malformed."""
    return Refusal(422, BAD_INPUT, message)


def unfit(message: str) -> Refusal:
    """Return the refusal of an order whose prices or state break a rule."""
    return Refusal(422, BAD_RULE, message)


def forbidden(message: str, **more: str) -> Refusal:
    """Return the refusal of an order that the account may not send."""
    return Refusal(403, FORBIDDEN, message, **more)


def missing(message: str) -> Refusal:
    """Return the answer for an order or a position that isn't there."""
    return Refusal(404, NOT_FOUND, message)
