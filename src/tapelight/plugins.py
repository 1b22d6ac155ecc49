"""Plug-ins: a name in the config is a module name.

Looked for in the own folder (`tapelight.feeds.NAME`), then among the entry points
(`tapelight.feeds`), then as a dotted path. A module offers `Config`, a msgspec Struct, and
`open(config)`.
"""

import importlib
import importlib.util
import pkgutil
from difflib import get_close_matches
from importlib.metadata import entry_points
from types import ModuleType

from tapelight.errors import ConfigError


def load(folder: str, name: str) -> ModuleType:
    """Return the module called `name` of a folder such as feeds; raises ConfigError."""
    own = f"tapelight.{folder}.{name}"
    if "." not in name and importlib.util.find_spec(own) is not None:
        return importlib.import_module(own)
    for entry in entry_points(group=f"tapelight.{folder}", name=name):
        module: ModuleType = entry.load()
        return module
    if "." in name:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise ConfigError(f"{folder[:-1]} {name!r} can't be imported: {error}.") from error
    near = get_close_matches(name, names(folder), 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names(folder))}."
    raise ConfigError(f"Unknown {folder[:-1]} {name!r}: {hint}")


def names(folder: str) -> list[str]:
    """Return the names that ship in a folder, and those of installed packages."""
    package = importlib.import_module(f"tapelight.{folder}")
    own = [m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_")]
    return sorted({*own, *(e.name for e in entry_points(group=f"tapelight.{folder}"))})
