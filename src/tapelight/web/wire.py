"""JSON as it leaves the gateway: one encoder, NaN and infinities as null."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

import msgspec
import numpy as np

from tapelight.ports import Json

ECHO_CHARS = 80
"""How much of a client's own text an error repeats."""


def _plain(value: Any) -> Json:
    """Turn a NumPy scalar into the Python value that JSON can hold."""
    if isinstance(value, np.generic):
        return value.item()
    raise NotImplementedError(f"{type(value).__name__} has no JSON form")


_encoder = msgspec.json.Encoder(enc_hook=_plain)


def encode(value: Json) -> bytes:
    """Return `value` as JSON in UTF-8; a number that is not finite becomes null."""
    return _encoder.encode(value)


def builtins(record: msgspec.Struct) -> Json:
    """Return `record` as dicts, lists and scalars."""
    return msgspec.to_builtins(record, enc_hook=_plain)


def quoted(text: str) -> str:
    """Return a client's text fit for a sentence: short, and without control characters."""
    short = text if len(text) <= ECHO_CHARS else text[:ECHO_CHARS] + "..."
    return ascii(short)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ' Did you mean X?' for the nearest known name, or nothing."""
    near = get_close_matches(name[:ECHO_CHARS], list(known), n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""
