"""Trading status codes of the tapes, as Alpaca passes them on: one truth for feed and broker."""

HALTED = {"C": frozenset("HP"), "": frozenset("2")}
RESUMED = {"C": frozenset("T"), "": frozenset("3")}
"""By tape: UTP's, and CTA's for the others. Q resumes quotations, not trading."""


def halted(code: str, tape: str) -> bool | None:
    """Return whether a status code says that trading halts or resumes; None = neither.

    `tape` is A, B or C; one that is not told is taken for CTA's.
    """
    codes = "C" if tape == "C" else ""
    if code in HALTED[codes]:
        return True
    return False if code in RESUMED[codes] else None
