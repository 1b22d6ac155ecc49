"""Risk: whether an order may go. Pure; a refusal is a value with the rule's name and the figures.

Entry limits never block an order that reduces risk: its quantity is capped at the position and its
pace has a limit of its own, and nothing else holds it.
"""

from collections.abc import Callable

from tapelight.model.limits import Limits
from tapelight.model.orders import Approved, OrderRequest, Picture, Refused, Verdict
from tapelight.orders import rules
from tapelight.orders.book import Book
from tapelight.orders.case import Case, Moment

Rule = Callable[[Case], str]
"""Return why the order is refused, empty where it is not. The function's name is the rule's."""

REDUCING: tuple[Rule, ...] = (
    rules.quantity,
    rules.tick,
    rules.at_most_the_position,
    rules.pace_of_reducing,
)
ENTRY: tuple[Rule, ...] = (
    rules.kill_switch, rules.ready, rules.broker, rules.day_loss, rules.hours, rules.signal_age,
    rules.data_state, rules.quantity, rules.tick, rules.spread, rules.collar, rules.luld,
    rules.stop, rules.short_sale, rules.one_direction, rules.one_strategy, rules.repeat,
    rules.pace, rules.open_positions, rules.order_size, rules.exposure, rules.buying_power,
)  # fmt: skip
STILL: tuple[Rule, ...] = (
    rules.kill_switch, rules.ready, rules.broker, rules.day_loss, rules.hours, rules.data_state,
    rules.spread, rules.collar, rules.luld, rules.short_sale, rules.one_direction,
    rules.one_strategy, rules.repeat, rules.pace, rules.open_positions, rules.exposure,
    rules.buying_power,
)  # fmt: skip
"""What is asked again when a person lets an entry go: all that may have changed since."""


def judge(
    request: OrderRequest, book: Book, picture: Picture | None, limits: Limits, moment: Moment,
    waits: bool = False, again: bool = False,
) -> Verdict:  # fmt: skip
    """Return the verdict on an order; `waits`: a person has to approve it too.

    `again`: that person has, and what may have changed meanwhile is asked once more.
    """
    case = Case(request, book, picture, limits, moment)
    for rule in REDUCING if request.reduces else STILL if again else ENTRY:
        reason = rule(case)
        if reason:
            return Refused(moment.now_ns, rule.__name__, reason)
    return Approved(moment.now_ns, waits)
