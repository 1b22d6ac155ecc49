"""Headlines: what may be shown of them, and what they are about."""

import html
import re

MAX_CHARS = 240
_TAGS: tuple[tuple[str, str], ...] = (
    (
        "offering",
        r"offering|priced? .{0,30}shares|at[- ]the[- ]market|private placement|warrants?\b",
    ),
    ("FDA", r"\bfda\b|phase (?:1|2|3|i|ii|iii)\b|clinical|510\(k\)|\bnda\b|orphan drug"),
    ("earnings", r"earnings|quarter(?:ly)? results|\bq[1-4]\b|guidance|revenue|\beps\b"),
    ("contract", r"contract|awarded|purchase order|partnership|agreement with|collaborat"),
    ("merger", r"merger|acquir|acquisition|buyout|take[- ]private|tender offer"),
    ("reverse split", r"reverse (?:stock )?split|share consolidation"),
)
TAGS = tuple(name for name, _ in _TAGS)
DILUTION = "dilution"
"""Tags a filing that lets new shares be sold."""
_RULES = tuple((name, re.compile(pattern, re.IGNORECASE)) for name, pattern in _TAGS)
_MARKUP = re.compile(r"<[^>]{0,200}>")


def plain(text: str) -> str:
    """Return a headline as one line of plain text: no markup, no control characters, bounded."""
    bare = html.unescape(_MARKUP.sub(" ", text))
    words = "".join(c if c.isprintable() else " " for c in bare).split()
    line = " ".join(words)
    return line if len(line) <= MAX_CHARS else line[: MAX_CHARS - 1].rstrip() + "…"


def tags_of(headline: str) -> tuple[str, ...]:
    """Return what the headline's words say that it is about: some of TAGS, in their order."""
    return tuple(name for name, rule in _RULES if rule.search(headline))
