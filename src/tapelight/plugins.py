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

OFFERS = ("Config", "open")


def load(folder: str, name: str) -> ModuleType:
    """Return the module called `name` of a folder such as feeds.

    Raises ConfigError when there is none, or when it does not offer what a plug-in does.
    """
    module = _found(folder, name)
    if module is None:
        raise _unknown(folder, name)
    if not _is_plugin(module):
        raise ConfigError(
            f"{name!r} is no {folder[:-1]}, it offers no Config and open: "
            f"there are {', '.join(names(folder))}."
        )
    return module


def check(folder: str, name: str) -> None:
    """Raise ConfigError when a folder has no module called `name`; nothing is imported."""
    own = f"tapelight.{folder}.{name}"
    shipped = name.isidentifier() and importlib.util.find_spec(own) is not None
    if not shipped and "." not in name and not entry_points(group=f"tapelight.{folder}", name=name):
        raise _unknown(folder, name)


def _unknown(folder: str, name: str) -> ConfigError:
    near = get_close_matches(name, names(folder), 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names(folder))}."
    return ConfigError(f"Unknown {folder[:-1]} {name!r}: {hint}")


def _found(folder: str, name: str) -> ModuleType | None:
    own = f"tapelight.{folder}.{name}"
    if name.isidentifier() and importlib.util.find_spec(own) is not None:
        return importlib.import_module(own)
    for entry in entry_points(group=f"tapelight.{folder}", name=name):
        module: ModuleType = entry.load()
        return module
    if "." not in name:
        return None
    try:
        return importlib.import_module(name)
    except (ModuleNotFoundError, TypeError) as error:
        raise ConfigError(f"{folder[:-1]} {name!r} can't be imported: {error}.") from error


def _is_plugin(module: ModuleType) -> bool:
    return all(hasattr(module, name) for name in OFFERS)


def names(folder: str) -> list[str]:
    """Return the names of the plug-ins that ship in a folder, and those of installed packages."""
    package = importlib.import_module(f"tapelight.{folder}")
    shipped = [m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_")]
    own = [n for n in shipped if _is_plugin(importlib.import_module(f"tapelight.{folder}.{n}"))]
    return sorted({*own, *(e.name for e in entry_points(group=f"tapelight.{folder}"))})
