"""What a mutation operator is, the list of all of them, and the source that they work on.

An operator is a function from a module's tree to mutations of it: the mutated tree, the line of the mutation and the
families that a finding may have. It registers itself in a group; `benchmarks/mutants.py` has one judge for a group,
which says by brute force what really went wrong. Operators for single expressions are written with `expression`.

Trees come from `standalone`, whose source has a statement a line: as operators change expressions only, the lines of
a mutated tree are those of its source.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

ROOTS = ("tf", "ops", "K", "keras")
# The names of one function in tf, keras.ops and keras.backend.
_SAME = {
    "reduce_sum": "sum", "reduce_mean": "mean", "reduce_max": "max", "reduce_min": "min", "reduce_std": "std",
    "reduce_variance": "var", "variance": "var", "reduce_logsumexp": "logsumexp", "clip_by_value": "clip",
    "power": "pow", "l2_normalize": "normalize", "divide": "truediv", "log_sigmoid": "log_sigmoid",
    "logsigmoid": "log_sigmoid",
}  # fmt: skip


@dataclass(frozen=True)
class Mutation:
    tree: ast.Module
    line: int  # of the mutation, in the mutated source
    families: tuple[str, ...]  # that a finding may have; the judge may know better


Operator = Callable[[ast.Module], Iterator[Mutation]]
Replace = Callable[[ast.expr, "Definitions"], "Iterator[ast.expr]"]
# Name of a variable -> the expression that is assigned to it, where there is exactly one.
Definitions = dict[str, ast.expr]

OPERATORS: dict[str, dict[str, Operator]] = {}


def operator(group: str, name: str) -> Callable[[Operator], Operator]:
    """Register an operator on whole trees."""

    def register(function: Operator) -> Operator:
        known = OPERATORS.setdefault(group, {})
        if name in known:
            raise ValueError(f"operator {name} is defined twice")
        known[name] = function
        return function

    return register


def expression(group: str, name: str, *families: str) -> Callable[[Replace], Replace]:
    """Register an operator that proposes replacements of one expression; each place gives one mutation a proposal."""

    def register(replace: Replace) -> Replace:
        def on_tree(tree: ast.Module) -> Iterator[Mutation]:
            definitions = single_definitions(tree)
            for place in expressions(tree):
                for proposal in replace(place, definitions):
                    mutated = replaced(tree, place, proposal)
                    yield Mutation(mutated, place.lineno, families)

        operator(group, name)(on_tree)
        return replace

    return register


def expressions(tree: ast.Module) -> Iterator[ast.expr]:
    """Every expression inside a function, decorators, defaults and annotations left out, in the order of the source."""
    found: dict[int, ast.expr] = {}
    for function in ast.walk(tree):
        body: list[ast.AST] = []
        if isinstance(function, ast.FunctionDef):
            body = list(function.body)
        elif isinstance(function, ast.Lambda):
            body = [function.body]
        for statement in body:
            found |= {id(node): node for node in ast.walk(statement) if isinstance(node, ast.expr)}
    yield from sorted(found.values(), key=lambda node: (node.lineno, node.col_offset, -(node.end_col_offset or 0)))


def single_definitions(tree: ast.Module) -> Definitions:
    """What names stand for, of those that are assigned once in the module."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                for name in ast.walk(target):
                    if isinstance(name, ast.Name):
                        found.setdefault(name.id, []).append(node.value if target is name else ast.Constant(None))
        elif isinstance(node, ast.AugAssign | ast.For) and isinstance(node.target, ast.Name):
            found.setdefault(node.target.id, []).append(ast.Constant(None))
        elif isinstance(node, ast.arg):
            found.setdefault(node.arg, []).append(ast.Constant(None))
        elif isinstance(node, ast.FunctionDef):
            pairs = zip(reversed(node.args.args), reversed(node.args.defaults), strict=False)
            for argument, default in pairs:  # a default stands for the argument
                found[argument.arg] = [default]
    return {name: values[0] for name, values in found.items() if len(values) == 1}


def replaced(tree: ast.Module, place: ast.expr, proposal: ast.expr) -> ast.Module:
    """A copy of the tree with the proposal in the place of one node."""
    memo: dict[int, ast.AST] = {id(place): ast.copy_location(copy.deepcopy(proposal), place)}
    return ast.fix_missing_locations(copy.deepcopy(tree, memo))


def called(node: ast.AST | None) -> str:
    """The canonical name of the function of a call into TensorFlow or Keras ("sum" for tf.reduce_sum); else ""."""
    if not isinstance(node, ast.Call):
        return ""
    names: list[str] = []
    function: ast.expr = node.func
    while isinstance(function, ast.Attribute):
        names.append(function.attr)
        function = function.value
    if not names or not isinstance(function, ast.Name) or function.id not in ROOTS:
        return ""
    return _SAME.get(names[0], names[0])


def argument(call: ast.expr, index: int, *names: str) -> ast.expr | None:
    """The argument of a call by its place or one of its names."""
    assert isinstance(call, ast.Call)
    if len(call.args) > index:
        return call.args[index]
    return next((keyword.value for keyword in call.keywords if keyword.arg in names), None)


def made(template: str, **parts: ast.expr) -> ast.expr:
    """The expression of a text in which the names given stand for other expressions."""
    text = ast.parse(template, mode="eval").body

    class Fill(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return copy.deepcopy(parts[node.id]) if node.id in parts else node

    return Fill().visit(text)


def standalone(source: str, target: str) -> str:
    """The part of a module that one of its losses needs, a statement a line; TensorFlow is there as `tf`."""
    tree = ast.parse(source)
    needed = {name.id for name in ast.walk(ast.parse(target, mode="eval")) if isinstance(name, ast.Name)}
    kept: set[int] = set()
    growing = True
    while growing:
        growing = False
        for index, statement in enumerate(tree.body):
            if index in kept or not (_bound(statement) & needed or isinstance(statement, ast.Import | ast.ImportFrom)):
                continue
            kept.add(index)
            needed |= {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
            growing = True
    body = [statement for index, statement in enumerate(tree.body) if index in kept]
    text = ast.unparse(ast.Module(body, []))
    return text if "import tensorflow as tf" in text else f"import tensorflow as tf\n{text}"


def _bound(statement: ast.stmt) -> set[str]:
    """The names that a statement at the top of a module gives a meaning."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.For | ast.If | ast.With):
        return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
    return set()


def downstream(tree: ast.Module, line: int) -> frozenset[int]:
    """The lines that use what the statement at `line` computes, at any number of steps, and the statement's own.

    A use of a name that it assigns, of a name assigned from that and so on; where it is returned by a helper, the
    calls of that helper; where it is given to a helper, the helper's lines. A finding at any of them points at a use
    of what the mutation spoilt.
    """
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt) and not isinstance(node, ast.ClassDef)]
    helpers = {node.name: node for node in statements if isinstance(node, ast.FunctionDef)}
    simple = [node for node in statements if not isinstance(node, ast.FunctionDef)]
    within = {name: {node for node in simple if node in set(ast.walk(helper))} for name, helper in helpers.items()}
    lines = {line}
    while True:
        names: set[str] = set()
        found = set(lines)
        for node in simple:
            if node.lineno not in lines:
                continue
            names |= {
                part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
            }
            if isinstance(node, ast.Return):
                names |= {name for name, inner in within.items() if node in inner}
            found |= {inner.lineno for name in _used(node) & helpers.keys() for inner in within[name]}
        found |= {node.lineno for node in simple if names & _used(node)}
        if found == lines:
            return frozenset(lines)
        lines = found


def _used(statement: ast.stmt) -> set[str]:
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
