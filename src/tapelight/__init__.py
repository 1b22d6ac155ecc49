"""Tapelight: a self-hosted, real-time market scanner.

In a notebook: `import tapelight as tl`, then `tl.connect()`, `tl.open("2026-11-20")` or
`tl.backtest("hod_momo")`; see `tapelight.notebook`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tapelight.notebook import backtest, connect, open  # noqa: A004 - as in tl.open("DAY")

__all__ = ["backtest", "connect", "open"]


def __getattr__(name: str) -> Any:
    """Import what a notebook needs when it is asked for: the commands stay quick."""
    if name not in __all__:
        raise AttributeError(f"module 'tapelight' has no attribute {name!r}")
    from tapelight import notebook

    return getattr(notebook, name)
