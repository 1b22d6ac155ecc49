"""Read a strategy's text for what a replay could not repeat: clocks, dice, files, hidden state.

This is no sandbox: it finds what is written by mistake, not what is hidden on purpose.
"""

import ast
import importlib
from collections.abc import Iterator
from types import ModuleType

MAY_IMPORT = frozenset(
    "__future__ collections collections.abc dataclasses functools math msgspec numpy "
    "numpy.typing operator typing".split()
)
OURS = frozenset(
    f"tapelight.{name}"
    for name in (
        "market.candles market.indicators scan.closed scan.course scan.levels scan.strategy".split()
    )
)
"""What of Tapelight is offered to strategies; docs/strategies.md tells what each is for."""
ENDS = frozenset("BaseException KeyboardInterrupt SystemExit GeneratorExit".split())
NO_NAMES = frozenset(
    "open exec eval compile input print breakpoint globals locals vars getattr setattr delattr "
    "id hash iter quit exit BaseExceptionGroup ExceptionGroup".split()
)
NO_PARTS = frozenset(
    "random load loads loadtxt genfromtxt fromregex DataSource save savez savez_compressed savetxt "
    "memmap fromfile tofile ctypeslib datetime64 seterr seterrcall testing lib f2py "
    "sys os io importlib builtins subprocess socket ctypes threading pathlib "
    "attrgetter methodcaller get_type_hints ForwardRef "
    "cache lru_cache cached_property".split()
)
"""What a strategy's text may not name, alone or as a part: it reads its look and nothing else."""
BROAD = ENDS | {"Exception"}
CHANGES = frozenset(
    "append appendleft extend insert add update setdefault pop popleft popitem remove discard "
    "clear sort reverse fill put itemset resize".split()
)
GIVE_SETS = frozenset("union intersection difference symmetric_difference".split())
WHOLE = frozenset(
    "sorted len min max any all bool set frozenset isinstance issubset issuperset isdisjoint".split()
)
"""What may be given a set: it answers alike whatever the order."""
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_KEPT = "what it remembers must be declared in memory and returned in keep"


def impure(tree: ast.Module) -> Iterator[str]:
    """Yield a sentence for each thing by which an answer could differ on a replay."""
    for node in ast.walk(tree):
        for fault in (*_import_faults(node), *_word_faults(node), *_shape_faults(node)):
            yield f"line {getattr(node, 'lineno', 0)}: {fault}"
    yield from _state_faults(tree)
    yield from _order_faults(tree)


def _import_faults(node: ast.AST) -> Iterator[str]:
    """Yield what may not be imported: by module, by each part of its name, by what a name is."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name not in MAY_IMPORT:
                yield _no_import(alias.name)
    elif isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        if module not in MAY_IMPORT | OURS:
            yield _no_import(module)
            return
        for alias in node.names:
            name = f"{module}.{alias.name}"
            if alias.name == "*":
                yield f"it must name what it imports from {module}, not *."
            elif alias.name in NO_PARTS or _is_other_module(module, alias.name):
                yield _no_import(name)


def _is_other_module(module: str, name: str) -> bool:
    """Tell whether a name of a module is itself a module that may not be imported."""
    found = getattr(importlib.import_module(module), name, None)
    return isinstance(found, ModuleType) and found.__name__ not in MAY_IMPORT | OURS


def _no_import(name: str) -> str:
    if name.startswith("tapelight"):
        return f"it may not import {name}; of Tapelight there are: from {', '.join(sorted(OURS))}."
    return f"it may not import {name}; a strategy reads its look alone."


def _word_faults(node: ast.AST) -> Iterator[str]:
    name = _named(node)
    word = name or (node.attr if isinstance(node, ast.Attribute) else "")
    hidden = word.startswith("__") and word not in ("__init__", "__post_init__")
    read = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    if (read and name in NO_NAMES | ENDS) or word in NO_PARTS or hidden:
        yield f"it may not use {word}; a strategy reads its look alone."


def _shape_faults(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.While):
        yield "it may not loop with while, which might never end; use for."
    if isinstance(node, ast.ClassDef) and any(_named(base) in BROAD for base in node.bases):
        yield "an error of its own must be a ValueError or the like."
    if isinstance(node, ast.Raise) and node.exc is not None and _raises(node.exc) in BROAD:
        yield f"raise ValueError or the like, not {_raises(node.exc)}."
    if (
        isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr)
        and node.value is not None
        and _named(node.value) in BROAD
    ):
        yield f"it may not give {_named(node.value)} another name."
    if isinstance(node, ast.Global | ast.Nonlocal):
        yield f"it may not use {type(node).__name__.lower()}; {_KEPT}."


def _state_faults(tree: ast.Module) -> Iterator[str]:
    """Yield where a function changes what outlives it: its object, or names of the module."""
    shared = {name for node in tree.body for name in _bound(node)}
    for owner in ast.walk(tree):
        for node in ast.iter_child_nodes(owner):
            if not isinstance(node, _Function):
                continue
            own = {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)}
            own |= {name for inner in ast.walk(node) for name in _stored(inner)}
            first = (
                {a.arg for a in node.args.args[:1]} if isinstance(owner, ast.ClassDef) else set()
            )
            if getattr(node, "name", "") == "__init__":
                first = set()
            yield from _changes(node, (shared - own) | first)
            if any(isinstance(d, ast.List | ast.Dict | ast.Set) for d in _defaults(node)):
                yield f"line {node.lineno}: a default that can change is kept; {_KEPT}."


def _order_faults(tree: ast.Module) -> Iterator[str]:
    """Yield where the members of a set are taken one by one: words have another order each run."""
    nodes = list(ast.walk(tree))
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and _is_set(
            node.value, names
        ):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {_last_name(target) for target in targets}
    for node in nodes:
        if any(_is_set(taken, names) for taken in _taken(node)):
            at = node.iter if isinstance(node, ast.comprehension) else node
            yield f"line {getattr(at, 'lineno', 0)}: a set has no order that a replay repeats; use sorted(...) or a tuple."


def _is_set(node: ast.AST | None, names: set[str]) -> bool:
    """Tell whether an expression gives a set, as far as its text and the names of sets tell."""
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.Call):
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        return _named(node.func) in ("set", "frozenset") or method in GIVE_SETS
    if isinstance(node, ast.BinOp):
        return _is_set(node.left, names) or _is_set(node.right, names)
    return isinstance(node, ast.Name | ast.Attribute) and _last_name(node) in names


def _last_name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else _named(node)


def _taken(node: ast.AST) -> list[ast.expr]:
    """Return the expressions whose members a node takes one by one."""
    if isinstance(node, ast.For | ast.comprehension):
        return [node.iter]
    if isinstance(node, ast.Starred):
        return [node.value]
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple | ast.List):
        return [node.value]
    if not isinstance(node, ast.Call) or _last_name(node.func) in WHOLE | GIVE_SETS:
        return []
    taken = [*node.args, *(keyword.value for keyword in node.keywords)]
    if isinstance(node.func, ast.Attribute) and node.func.attr == "pop":
        taken.append(node.func.value)
    return taken


def _changes(function: ast.AST, kept: set[str]) -> Iterator[str]:
    for node in ast.walk(function):
        target: ast.expr | None = None
        if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            target = node
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            target = node.func.value if node.func.attr in CHANGES else None
        if target is not None and _root(target) in kept:
            yield f"line {target.lineno}: it may not change {ast.unparse(target)}; {_KEPT}."


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return _named(node)


def _bound(node: ast.stmt) -> list[str]:
    """Return the names that a statement of the module binds, imports apart."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    return [name for inner in ast.walk(node) for name in _stored(inner)]


def _stored(node: ast.AST) -> list[str]:
    return [node.id] if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else []


def _defaults(node: _Function) -> list[ast.expr]:
    return [d for d in (*node.args.defaults, *node.args.kw_defaults) if d is not None]


def _named(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _raises(node: ast.expr) -> str:
    return _named(node.func if isinstance(node, ast.Call) else node)
