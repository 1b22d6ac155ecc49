"""Benchmarks: each a module here with `run() -> Iterable[row]`, found by its file being there.

What begins with an underscore is a part of one.

A row is {name, value, unit, baseline, ratio}: `baseline` is measured in the same run, so that
`ratio` means something on any machine.
"""

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any

from tapelight.errors import ConfigError

Row = dict[str, Any]


def benches() -> list[str]:
    """Return the names of all benchmarks."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name for name in found if not name.startswith("_"))


def row(name: str, value: float, baseline: float, unit: str = "ms") -> Row:
    """Return one result; the ratio is that of value to baseline, 0 where there is no baseline."""
    return {
        "name": name,
        "value": round(value, 4),
        "unit": unit,
        "baseline": round(baseline, 4),
        "ratio": round(value / baseline, 4) if baseline else 0.0,
    }


def run_benches(names: Iterable[str] = (), rate: float | None = None) -> Iterator[Row]:
    """Yield the rows of the named benchmarks as they are measured; all when none is named.

    `rate` is the rated load of those that send one. Raises ConfigError for an unknown name before anything runs.
    """
    known = benches()
    chosen = list(names) or known
    for name in chosen:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}."
            raise ConfigError(f"Unknown benchmark {name!r}: {hint}")
    return _rows(chosen, rate)


def _rows(names: list[str], rate: float | None) -> Iterator[Row]:
    for name in names:
        module = importlib.import_module(f"{__name__}.{name}")
        yield from module.run(rate) if hasattr(module, "RATED") else module.run()
