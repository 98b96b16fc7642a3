"""Guards against zeros that guard nothing, as the source shows them: a clip whose result nobody uses, and an epsilon
that is lost when it is added to 1.

The graph shows neither: what nothing reads is not in it, and `1 - 1e-8` is a Python number before TensorFlow sees it.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from lossdoctor.source.module import SourceFunction, SourceModule, own_nodes

# Functions of TensorFlow and Keras that keep a value away from where another function fails.
_GUARDS = frozenset(
    {"clip_by_value", "clip_by_norm", "clip", "maximum", "minimum", "where", "relu", "abs", "nan_to_num",
     "l2_normalize", "normalize"}
)  # fmt: skip
_LIBRARIES = ("tensorflow.", "keras.")
_LOOPS = (ast.For, ast.While, ast.AsyncFor)


@dataclass(frozen=True, slots=True)
class Guard:
    """A guard without effect; lines and columns 1-based, end column exclusive.

    `discarded`: the call's result is not used, `subject` is what it was meant to guard. `absorbed`: a sum of the
    numbers `terms`, the second of which may be too small for the dtype; `subject` is its text.
    """

    kind: Literal["discarded", "absorbed"]
    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    text: str
    function: str
    subject: str
    terms: tuple[float, float] = (0.0, 0.0)
    name: str = ""  # what the result was assigned to; "" for a statement of its own


@dataclass(frozen=True, slots=True)
class Guards:
    """All of one file, in the order of their lines."""

    found: tuple[Guard, ...] = ()

    def of(self, kind: Literal["discarded", "absorbed"]) -> Iterator[Guard]:
        return (guard for guard in self.found if guard.kind == kind)


def guards(module: SourceModule, lines: Collection[int] | None = None) -> Guards:
    """Every guard without effect in the functions of a file; only in those that have one of `lines`, if given."""
    found: dict[tuple[int, int], Guard] = {}
    for function in module.functions.values():
        first, last = function.node.lineno, function.node.end_lineno or function.node.lineno
        if lines is not None and not any(first <= line <= last for line in lines):
            continue
        for guard in (*_discarded(function), *_absorbed(function)):
            found.setdefault((guard.line, guard.column), guard)
    return Guards(tuple(found[place] for place in sorted(found)))


def _discarded(function: SourceFunction) -> Iterator[Guard]:
    for node in own_nodes(function.node):
        name = ""
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
        elif not isinstance(node, ast.Expr):
            continue
        value = node.value
        if not isinstance(value, ast.Call) or not _is_guard(function.module, value):
            continue
        if isinstance(node, ast.Assign) and (_in_loop(function.node, node) or _read_after(function.node, name, node)):
            continue
        subject = function.segment(_guarded(function.module, value))
        yield _guard("discarded", function, value, subject, name=name)


def _in_loop(function: ast.AST, statement: ast.stmt) -> bool:
    """Whether a statement may run again, so that what follows it in the text also precedes it."""
    loops = (node for node in own_nodes(function) if isinstance(node, _LOOPS))
    return any(inner is statement for loop in loops for inner in ast.walk(loop))


def _read_after(function: ast.AST, name: str, assignment: ast.Assign) -> bool:
    """Whether the name is read behind its assignment, or by a function that may run later."""
    end = (assignment.end_lineno or assignment.lineno, assignment.end_col_offset or 0)
    for node in ast.walk(function):
        if isinstance(node, ast.Global | ast.Nonlocal) and name in node.names:
            return True
    own = {id(node) for node in own_nodes(function)}
    reads = [
        node
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)
    ]
    return any(id(node) not in own or (node.lineno, node.col_offset) >= end for node in reads)


def _is_guard(module: SourceModule, call: ast.Call) -> bool:
    name = module.resolve(call.func) or ""
    return name.startswith(_LIBRARIES) and name.rpartition(".")[2] in _GUARDS and bool(call.args)


def _guarded(module: SourceModule, call: ast.Call) -> ast.expr:
    """The argument that is guarded: the first that is no number."""
    return next((arg for arg in call.args if not isinstance(module.literal(arg), int | float)), call.args[0])


def _absorbed(function: SourceFunction) -> Iterator[Guard]:
    module = function.module
    numbers = {**module.constants, **_local_numbers(function)}
    for node in own_nodes(function.node):
        if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Add | ast.Sub):
            continue
        left, right = module.literal(node.left, numbers), module.literal(node.right, numbers)
        if not isinstance(left, int | float) or not isinstance(right, int | float):
            continue
        if isinstance(node.op, ast.Add) and abs(left) < abs(right):
            left, right = right, left
        if abs(left) == 1.0 and 0.0 < abs(right) < 1.0:
            signed = -right if isinstance(node.op, ast.Sub) else right
            text = function.segment(node)
            yield _guard("absorbed", function, node, text, terms=(float(left), float(signed)))


def _local_numbers(function: SourceFunction) -> dict[str, object]:
    """Names that the function binds once to a number, and parameters with a number as their default."""
    arguments = function.node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    pairs = [*zip(positional[len(positional) - len(arguments.defaults) :], arguments.defaults, strict=True)]
    pairs += [(arg, value) for arg, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if value]
    found: dict[str, object] = {arg.arg: function.module.literal(value) for arg, value in pairs}
    stores: dict[str, int] = {}
    for node in own_nodes(function.node):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            stores[node.id] = stores.get(node.id, 0) + 1
    for node in own_nodes(function.node):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if stores.get(name) == 1:
                found[name] = function.module.literal(node.value)
    bound_again = [name for name in found if stores.get(name, 0) > 1]
    return {name: value for name, value in found.items() if value is not None and name not in bound_again}


def _guard(
    kind: Literal["discarded", "absorbed"],
    function: SourceFunction,
    node: ast.expr,
    subject: str,
    *,
    terms: tuple[float, float] = (0.0, 0.0),
    name: str = "",
) -> Guard:
    return Guard(
        kind=kind,
        path=function.module.path,
        line=node.lineno,
        column=_column(function, node.lineno, node.col_offset),
        end_line=node.end_lineno or node.lineno,
        end_column=_column(function, node.end_lineno or node.lineno, node.end_col_offset or node.col_offset),
        text=function.segment(node),
        function=function.name,
        subject=subject,
        terms=terms,
        name=name,
    )


def _column(function: SourceFunction, line: int, offset: int) -> int:
    """The 1-based column of an offset that `ast` counts in UTF-8 bytes."""
    return len(function.module.lines[line - 1].encode()[:offset].decode(errors="replace")) + 1
