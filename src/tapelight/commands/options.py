"""Options that several commands share."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

ConfigFile = Annotated[Path | None, Parameter(name="--config", help="tapelight.toml by default.")]
Data = Annotated[
    Path | None, Parameter(name="--data", help="Folder for all that is written (TAPELIGHT_DATA).")
]

TrustStrategies = Annotated[
    bool,
    Parameter(
        name="--trust-strategies",
        negative=(),
        help="Run the own strategies of a journal that another data folder recorded.",
    ),
]


def data_folder(data: Path | None, fallback: str) -> Path:
    """Return the folder that --data or the environment names, else the configured one."""
    return named_folder(data) or Path(fallback)


def named_folder(data: Path | None) -> Path | None:
    """Return the folder that --data or the environment names."""
    named = os.environ.get("TAPELIGHT_DATA", "")
    return data or (Path(named) if named else None)
