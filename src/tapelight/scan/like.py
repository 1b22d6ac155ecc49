"""LIKE: a text against a pattern with % (any text) and _ (any one character).

Never by a regular expression: one that backtracks takes exponential time on a hostile pattern.
"""

from collections.abc import Callable

from tapelight.errors import ConfigError

MAX_CHARS = 200
MAX_PERCENTS = 16


def like(pattern: str) -> Callable[[str], bool]:
    """Return the test of `pattern`, case-sensitive; raises ConfigError where it is too long.

    The parts between the % are looked for from left to right, each as early as it fits: that
    finds a match wherever there is one, in at most len(text) x len(pattern) steps.
    """
    if len(pattern) > MAX_CHARS or pattern.count("%") > MAX_PERCENTS:
        raise ConfigError(
            f"A LIKE pattern has at most {MAX_CHARS} characters and {MAX_PERCENTS} %: "
            f"shorten {pattern[:40]!r}."
        )
    first, *middle = pattern.split("%")
    if not middle:
        return lambda text: len(text) == len(first) and _fits(text, first, 0)
    last = middle.pop()

    def test(text: str) -> bool:
        at, end = len(first), len(text) - len(last)
        if at > end or not (_fits(text, first, 0) and _fits(text, last, end)):
            return False
        for part in middle:
            at = _after(text, part, at, end)
            if at < 0:
                return False
        return True

    return test


def _fits(text: str, part: str, at: int) -> bool:
    """Tell whether `part` stands in `text` at `at`; the text must be long enough."""
    if "_" not in part:
        return text.startswith(part, at)
    return all(p in ("_", text[at + i]) for i, p in enumerate(part))


def _after(text: str, part: str, at: int, end: int) -> int:
    """Return the position behind the first `part` in text[at:end]; -1 where there is none."""
    for begin in range(at, end - len(part) + 1):
        if _fits(text, part, begin):
            return begin + len(part)
    return -1
