"""/api/layouts: the workspaces of the dashboard. Their content is the dashboard's own affair."""

from collections.abc import Callable, Mapping

import msgspec

from tapelight.errors import Rejected
from tapelight.ports import Json
from tapelight.web.documents import Kind

FORMAT = 1
"""What this version of the dashboard writes."""
MIGRATIONS: Mapping[int, Callable[[dict[str, Json]], dict[str, Json]]] = {}
"""From a format to the next one: {1: from_1_to_2}."""
DEPTH = 32


class LayoutText(msgspec.Struct, forbid_unknown_fields=True):
    """Bring a layout: `body` is an object with `format`, the rest is the dashboard's."""

    body: dict[str, Json]
    shared: bool = False


def migrated(body: dict[str, Json]) -> dict[str, Json]:
    """Return a layout in today's format; raises Rejected that says why it can't be."""
    number = body.get("format")
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise Rejected("A layout is an object with its `format`, a whole number from 1 on.")
    if number > FORMAT:
        raise Rejected(
            f"The layout is of format {number}, this Tapelight knows up to {FORMAT}: "
            "it was made by a newer one, so update this one."
        )
    if _depth(body) > DEPTH:
        raise Rejected(f"The layout is nested more than {DEPTH} deep: it is no layout.")
    while number < FORMAT:
        number += 1
        body = {**MIGRATIONS[number - 1](body), "format": number}
    return body


def _depth(value: Json) -> int:
    """Return how deep lists and objects stand in one another; JSON itself bounds the recursion."""
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


LAYOUTS = Kind("layout", "layouts", LayoutText, migrated, whole=False)
