"""Read a frame that the fast decoder refuses, event by event: a bad event rejects only itself.

The slow path: Python's json tells where an element ends, msgspec checks its types.
"""

import json
import re
from collections.abc import Iterator

import msgspec

from tapelight.feeds.massive.events import IGNORED, Event, EventUnion

FAULTS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for a bad frame; invalid UTF-8 is no MsgspecError."""
SAMPLE_CHARS = 200
MAX_RESYNCS = 64
"""How often a frame is taken up again after broken JSON: bounds the work on a hostile one."""
Reject = tuple[str, str]
"""(kind, sample): kind is the event's `ev`, "frame" for broken JSON, "unknown" for others."""
_KINDS = frozenset({"T", "Q", "A", "AM", "LULD", "status", *IGNORED})
_START = re.compile(r"\s*\[?\s*")
_GAP = re.compile(r"[\s,\]]*")
_FAULTS_OF_JSON = (ValueError, RecursionError)


def _null(_: str) -> None:
    """Read NaN and Infinity, which are no JSON, as null, so that only their event fails."""


_json = json.JSONDecoder(parse_constant=_null)
_typed = msgspec.json.Decoder(EventUnion)


def salvage(frame: bytes) -> tuple[list[Event], list[Reject]]:
    """Return the sound events of a frame and what had to be rejected; never raises.

    A frame that comes here is broken: if no event of it is bad, the frame itself is counted.
    """
    events: list[Event] = []
    rejected: list[Reject] = []
    for element in _elements(frame.decode("utf-8", "replace")):
        if isinstance(element, str):
            rejected.append(("frame", element))
            continue
        try:
            # Through JSON again: msgspec.convert lets integers past the bounds of a float.
            events.append(_typed.decode(json.dumps(element)))
        except FAULTS:
            rejected.append((_kind(element), ascii(element)[:SAMPLE_CHARS]))
    if not rejected:
        rejected.append(("frame", ascii(frame[:SAMPLE_CHARS])))
    return events, rejected


def rejected_event(event: msgspec.Struct) -> Reject:
    """Return what is counted of an event that is well-formed and yet cannot be true."""
    return str(event.__struct_config__.tag), ascii(event)[:SAMPLE_CHARS]


def _elements(text: str) -> Iterator[dict[str, object] | list[object] | str]:
    """Yield each element of the array; a string is a sample of what is no element."""
    at = _after(_START, text, 0)
    resyncs = 0
    while at < len(text) and resyncs <= MAX_RESYNCS:
        try:
            element, at = _json.raw_decode(text, at)
        except _FAULTS_OF_JSON:
            yield text[at : at + SAMPLE_CHARS]
            resyncs += 1
            at = text.find('{"ev"', at + 1)
            if at < 0:
                return
            continue
        yield element if isinstance(element, dict | list) else str(element)[:SAMPLE_CHARS]
        at = _after(_GAP, text, at)


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


def _kind(element: object) -> str:
    kind = element.get("ev") if isinstance(element, dict) else None
    return kind if isinstance(kind, str) and kind in _KINDS else "unknown"
