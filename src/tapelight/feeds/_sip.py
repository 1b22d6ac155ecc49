"""The letters of the consolidated tapes, as numbers: sale conditions and exchanges.

The numbers are Massive's, which the table's masks are made of. Tapes A and B are CTA's, tape C is
UTP's; a few letters mean different things on them.
Source: CTS Pillar and UTP plan specifications; Alpaca's lists of conditions and exchanges.
"""

from collections.abc import Iterable, Mapping

from tapelight.model.conditions import UNKNOWN, mask_of

BOTH = {
    "C": 7, "6": 8, "X": 9, "4": 10, "T": 12, "U": 13, "F": 14, "M": 15, "Q": 16, "O": 17,
    "5": 18, "N": 20, "H": 21, "P": 22, "K": 23, "R": 29, "L": 30, "Z": 32, "I": 37, "9": 38,
    "V": 52, "7": 53,
}  # fmt: skip
CTA: Mapping[str, int] = {**BOTH, " ": 0, "@": 0, "B": 2, "E": 3}
UTP: Mapping[str, int] = {
    **BOTH, "@": 0, " ": 0, "A": 1, "W": 2, "B": 4, "G": 5, "D": 11, "1": 27, "S": 34, "Y": 36,
}  # fmt: skip
EXCHANGES: Mapping[str, int] = {
    "A": 1, "B": 2, "C": 3, "D": 4, "I": 6, "J": 7, "K": 8, "M": 9, "N": 10, "P": 11, "T": 12,
    "Q": 12, "L": 14, "V": 15, "X": 17, "Y": 18, "Z": 19, "H": 20, "U": 21,
}  # fmt: skip
"""Nasdaq is Q on tape C and T on the others."""


def mask_of_letters(letters: Iterable[str], tape: str) -> int:
    """Return the condition mask of SIP letters; an unknown one sets UNKNOWN."""
    table = UTP if tape == "C" else CTA
    mask = 0
    for letter in letters:
        number = table.get(letter)
        mask |= UNKNOWN if number is None else mask_of((number,)) if number else 0
    return mask


def letters_of(numbers: Iterable[int], tape: str) -> list[str]:
    """Return the SIP letters of condition numbers; those without one are left out."""
    table = UTP if tape == "C" else CTA
    by_number = {number: letter for letter, number in table.items() if number}
    alike = {19: "6", 25: "O", 28: "5", 24: "K", **by_number}
    found = [alike[number] for number in numbers if number in alike]
    return ["@" if tape == "C" else " ", *found] if len(found) < 4 else found
