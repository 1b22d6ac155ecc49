"""Compile every loop that an engine runs before its first mark: a second's work inside a mark otherwise."""

from tapelight.market import warm
from tapelight.scan import members


def compile_loops() -> None:
    """Run each loop once, with the types that it meets live; compiled before, that takes no time."""
    warm.compile_loops()
    members.warm()
