"""What the user called the value of an expression: by assignment, as the key of a table, as a named argument."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from lossdoctor.graph.ir import Span
from lossdoctor.ops import TABLE

Region = tuple[int, int, int, int]  # line, column, end line, end column; 1-based as in `Span`
_LONGEST = 60  # characters of an expression that serves as a name
_UNNAMED = ("call", "__call__", "forward")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass(frozen=True, slots=True)
class Given:
    """A name that an expression's value gets. It `accumulates` if the name is assigned again in the function."""

    name: str
    accumulates: bool = False


@dataclass(frozen=True)
class SourceNames:
    """The names of one file, by the region of the expression."""

    given: Mapping[Region, Given] = field(default_factory=dict[Region, Given])
    unpacked: Mapping[Region, tuple[str, ...]] = field(default_factory=dict[Region, "tuple[str, ...]"])
    returned: Mapping[Region, int] = field(default_factory=dict[Region, int])  # place in a returned tuple
    loops: tuple[tuple[int, int, tuple[str, ...]], ...] = ()  # first line, last line, targets


def region_of(span: Span) -> Region:
    """The region of a span."""
    return span.line, span.column, span.end_line, span.end_column


def names_of(path: str) -> SourceNames:
    """The names of a file; none for one that cannot be read."""
    return _names("".join(linecache.getlines(path)))


@lru_cache(maxsize=64)
def _names(source: str) -> SourceNames:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return SourceNames()
    given: dict[Region, Given] = {}
    unpacked: dict[Region, tuple[str, ...]] = {}
    returned: dict[Region, int] = {}
    loops: list[tuple[int, int, tuple[str, ...]]] = []
    for scope in ast.walk(tree):
        if isinstance(scope, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            own = list(_own(scope))
            often = set(_accumulators(own))
            for node in own:
                _read(node, often, given, unpacked, returned)
                loops.extend(_loops(node))
    return SourceNames(given, unpacked, returned, tuple(loops))


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    """What belongs to a scope, without the functions and classes in it."""
    stack = list(ast.iter_child_nodes(scope))
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            stack.extend(ast.iter_child_nodes(node))


def _accumulators(own: list[ast.AST]) -> Iterator[str]:
    """The variables to which something is added: total += x, total = total + x."""
    for node in own:
        if isinstance(node, ast.AugAssign):
            yield _target(node.target)
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            name = _target(node.targets[0])
            if name and name in _added(node.value):
                yield name


def _added(value: ast.expr) -> set[str]:
    """The variables that are addends of an expression."""
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add | ast.Sub):
        return _added(value.left) | _added(value.right)
    if isinstance(value, ast.Call) and _called(value) in ("add", "add_n", "subtract"):
        return set[str]().union(*map(_added, value.args))
    if isinstance(value, ast.List | ast.Tuple):
        return set[str]().union(*map(_added, value.elts))
    return {_target(value)} - {""}


def _target(node: ast.expr) -> str:
    """`kl` of kl, self.kl and losses["kl"]; "" of anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
        return node.slice.value
    return ""


def _read(
    node: ast.AST,
    often: set[str],
    given: dict[Region, Given],
    unpacked: dict[Region, tuple[str, ...]],
    returned: dict[Region, int],
) -> None:
    def name(value: ast.expr, text: str, accumulates: bool = False) -> None:
        if not text:
            return
        if isinstance(value, ast.IfExp):
            name(value.body, text, accumulates)
            name(value.orelse, text, accumulates)
        given.setdefault(_region(value), Given(text, accumulates))

    if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if not isinstance(target, ast.Tuple | ast.List):
                name(node.value, _target(target), _target(target) in often)
            elif isinstance(node.value, ast.Tuple | ast.List) and len(node.value.elts) == len(target.elts):
                for part, value in zip(target.elts, node.value.elts, strict=True):
                    name(value, _target(part), _target(part) in often)
            else:
                unpacked[_region(node.value)] = tuple(_target(part) for part in target.elts)
    elif isinstance(node, ast.AugAssign):
        given.setdefault(_region(node), Given(_target(node.target), True))
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                for part in value.elts if isinstance(value, ast.Tuple | ast.List) else [value]:
                    name(part, key.value)
                name(value, key.value)
    elif isinstance(node, ast.Call) and _called(node) not in TABLE.by_name and not _called(node).startswith("reduce_"):
        table = _called(node) in ("dict", "update")
        for keyword in node.keywords:
            if keyword.arg and (table or isinstance(node.func, ast.Name)):
                name(keyword.value, keyword.arg)
    elif isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
        for place, value in enumerate(node.value.elts):
            returned[_region(value)] = place


def _loops(node: ast.AST) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    targets: list[ast.expr] = []
    if isinstance(node, ast.For):
        targets = [node.target]
    elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
        targets = [part.target for part in node.generators]
    if isinstance(node, ast.stmt | ast.expr):
        for target in targets:
            names = tuple(part.id for part in ast.walk(target) if isinstance(part, ast.Name))
            yield node.lineno, node.end_lineno or node.lineno, names


def _region(node: ast.expr | ast.stmt) -> Region:
    return node.lineno, node.col_offset + 1, node.end_lineno or node.lineno, (node.end_col_offset or 0) + 1


def _called(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def called(span: Span) -> str:
    """The name of the function that an expression calls: `dice` of self.dice(y, p). "" for what is no call, and for
    a call of a plain operation such as reduce_mean."""
    try:
        written = ast.parse(" ".join(span.text.split()), mode="eval").body
    except (SyntaxError, ValueError):
        return ""
    if not isinstance(written, ast.Call):
        return ""
    function = written.func
    name = _called(written)
    if isinstance(function, ast.Call):  # BinaryCrossentropy()(y_true, y_pred)
        name = _called(function)
    plain = name.removeprefix("reduce_")
    return "" if plain in TABLE.by_name or plain in _PLAIN or name in _UNNAMED else name


_PLAIN = frozenset(
    "add_n matmul tensordot einsum cast constant convert_to_tensor norm pow power l2_loss identity reshape append sum "
    "stop_gradient map map_fn vectorized_map image_gradients gather gather_nd boolean_mask float int".split()
)


def function_name(span: Span) -> str:
    """The name of the user's function that holds a span; "" for lambdas, comprehensions and `call` methods."""
    name = span.function.rpartition(".")[2]
    return "" if name.startswith("<") or name in _UNNAMED else name


def text_of(span: Span) -> str:
    """The expression itself as a name."""
    text = " ".join(span.text.split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
