"""The rules of the code base as functions over sources: {module name: parsed source}."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

Sources = Mapping[str, ast.Module]

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"


@cache
def read_sources(folder: Path = SRC) -> dict[str, ast.Module]:
    """Parse every Python file under `folder`; a package goes by its own name."""
    return {
        ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__"): (
            ast.parse(path.read_text(), str(path))
        )
        for path in sorted(folder.rglob("*.py"))
    }


def parse(**modules: str) -> dict[str, ast.Module]:
    """Return sources from text, for the tests of the rules; `__` stands for a dot."""
    return {name.replace("__", "."): ast.parse(text) for name, text in modules.items()}


# --- imports ---------------------------------------------------------------------------------


def imports(sources: Sources, module: str, packages: frozenset[str]) -> Iterator[str]:
    """Yield each of our modules that `module` imports, lazily or for type checking included."""
    for node in ast.walk(sources[module]):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{origin(node, module, packages)}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            found = known(sources, name)
            if found is not None and found != module:
                yield found


def origin(node: ast.ImportFrom, module: str, packages: frozenset[str]) -> str:
    """Return the absolute name of what stands after `from`."""
    if node.level == 0:
        return node.module or ""
    depth = node.level - (module in packages)
    parent = module.split(".")
    base = ".".join(parent[: len(parent) - depth])
    return f"{base}.{node.module}" if node.module else base


def known(sources: Sources, name: str) -> str | None:
    """Return the longest part of `name` that is a module of ours."""
    while name:
        if name in sources:
            return name
        name = name.rpartition(".")[0]
    return None


def import_graph(sources: Sources) -> dict[str, set[str]]:
    """Return for each module the modules of ours that it imports."""
    packages = frozenset(name.rpartition(".")[0] for name in sources)
    return {module: set(imports(sources, module, packages)) for module in sources}


def cycle(graph: Mapping[str, set[str]]) -> list[str] | None:
    """Return one import cycle, first module = last, or None."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return None


def part(module: str) -> str:
    """Return the folder or file below `tapelight` to which a module belongs."""
    return module.split(".")[1] if "." in module else ""


def wrong_directions(
    graph: Mapping[str, set[str]], allowed: Mapping[str, set[str] | None]
) -> Iterator[str]:
    """Yield a sentence for each import that `allowed` does not permit; None permits all."""
    for module, targets in sorted(graph.items()):
        if part(module) not in allowed:
            yield f"{module}: '{part(module)}' has no place in the layers; give it one."
            continue
        permitted = allowed[part(module)]
        for target in sorted(targets):
            if permitted is not None and part(target) not in permitted | {part(module), ""}:
                yield f"{module} imports {target}: {part(module)} may know {sorted(permitted)}."


# --- sizes -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Size:
    """Name a function or file, and its lines, blank ones and docstring included."""

    name: str
    lines: int


def functions(sources: Sources) -> Iterator[Size]:
    """Yield every function and method, nested ones too."""
    for module, tree in sources.items():
        yield from _functions(tree, module)


def _functions(node: ast.AST, prefix: str) -> Iterator[Size]:
    for child in ast.iter_child_nodes(node):
        name = prefix
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}.{child.name}"
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Size(name, (child.end_lineno or child.lineno) - child.lineno + 1)
        yield from _functions(child, name)


# --- bans ------------------------------------------------------------------------------------

IMPURE_MODULES = frozenset(
    "asyncio concurrent http logging multiprocessing os random requests secrets select selectors "
    "signal socket socketserver subprocess tempfile threading time urllib uuid".split()
)
"""What nothing between a batch and a signal may import."""
IMPURE_NAMES = frozenset(
    "datetime.now datetime.utcnow datetime.today date.today np.random numpy.random "
    "os.environ os.urandom os.getenv".split()
)
UNSAFE_MODULES = frozenset("pickle cPickle marshal shelve dill cloudpickle joblib".split())
UNSAFE_CALLS = frozenset("eval exec __import__".split())
UNSAFE_NAMES = frozenset("yaml.load yaml.unsafe_load yaml.full_load os.system".split())
BROAD = frozenset({"Exception", "BaseException"})


def dotted(node: ast.AST) -> str:
    """Return `a.b.c` for an attribute chain of names, else an empty text."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        head = dotted(node.value)
        return f"{head}.{node.attr}" if head else node.attr
    return ""


def imported(node: ast.AST) -> list[str]:
    """Return the full names that an import statement brings, relative ones left out."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def _ends_with(name: str, banned: frozenset[str]) -> bool:
    return any(name == ban or name.endswith(f".{ban}") for ban in banned)


def impurities(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, what) for each clock, dice, environment, socket, thread, log or await."""
    for node in ast.walk(tree):
        for name in imported(node):
            if name.split(".")[0] in IMPURE_MODULES or _ends_with(name, IMPURE_NAMES):
                yield node.lineno, f"import of {name}"
        if isinstance(node, ast.Attribute) and _ends_with(dotted(node), IMPURE_NAMES):
            yield node.lineno, dotted(node)
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield node.lineno, "await"


def unsafe(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, what) for each thing that runs data as code."""
    for node in ast.walk(tree):
        for name in imported(node):
            if name.split(".")[0] in UNSAFE_MODULES or name in UNSAFE_NAMES:
                yield node.lineno, f"import of {name}"
        if isinstance(node, ast.Call):
            name = dotted(node.func)
            if name in UNSAFE_CALLS or _ends_with(name, UNSAFE_NAMES):
                yield node.lineno, f"{name}()"


def prints(tree: ast.AST) -> Iterator[int]:
    """Yield the line of each call of print."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and dotted(node.func) == "print":
            yield node.lineno


def broad_excepts(tree: ast.AST) -> Iterator[int]:
    """Yield the line of each handler or suppress() that takes every exception."""
    for node in ast.walk(tree):
        caught: list[ast.expr] = []
        if isinstance(node, ast.ExceptHandler):
            if node.type is None:
                yield node.lineno
            elif isinstance(node.type, ast.Tuple):
                caught = node.type.elts
            else:
                caught = [node.type]
        elif isinstance(node, ast.Call) and dotted(node.func).split(".")[-1] == "suppress":
            caught = node.args
        if any(dotted(kind).split(".")[-1] in BROAD for kind in caught):
            yield node.lineno
