"""What the user called the parts of a loss: variables that are assigned once, and the names of constants."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lossdoctor.formula.expression import Expression
from lossdoctor.graph.ir import LossGraph, Node, Span
from lossdoctor.source.parsed import nodes, parsed_file

_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.Pow: "pow",
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
}
_CALLS = {"power": "pow", "convert_to_tensor": "constant", "constant": "constant", "cast": "constant"}
Region = tuple[str, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Names:
    """Names of expressions by node, and of constants by node."""

    parts: Mapping[int, str]
    constants: Mapping[int, str]


def names_in(loss: LossGraph) -> Names:
    """Read the source around each forward node. Files that cannot be read have no names."""
    needed = loss.graph.ancestors(loss.value)
    assigned: dict[str, dict[Region, str]] = {}
    parts: dict[int, str] = {}
    constants: dict[int, str] = {}
    last: dict[Region, int] = {}
    for node in loss.nodes:
        if node.id not in needed or node.role != "forward":
            continue
        for span in node.calls:
            table = assigned.setdefault(span.path, _assignments(span.path))
            region = _region(span)
            if region in table:
                last[region] = node.id
        for place, name in _operands(loss, node):
            constants.setdefault(place, name)
    for region, place in last.items():
        parts.setdefault(place, assigned[region[0]][region])
    return Names(parts, constants)


def _region(span: Span) -> Region:
    return span.path, span.line, span.column, span.end_line, span.end_column


def _assignments(path: str) -> dict[Region, str]:
    """The variable that each right-hand side is assigned to."""
    try:
        tree = parsed_file(path)
    except (OSError, SyntaxError, ValueError):
        return {}
    found: dict[Region, str] = {}
    for statement in nodes(tree):
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
            continue
        target, value = statement.targets[0], statement.value
        if isinstance(target, ast.Name) and value.end_lineno is not None and value.end_col_offset is not None:
            place = (path, value.lineno, value.col_offset + 1, value.end_lineno, value.end_col_offset + 1)
            found[place] = target.id
    return found


def _operands(loss: LossGraph, node: Node) -> Iterator[tuple[int, str]]:
    """The constants among the arguments of a node that the user wrote as a name, such as `gamma` or `self.alpha`."""
    span = node.span
    if span is None or not span.text:
        return
    try:
        written = ast.parse(" ".join(span.text.split()), mode="eval").body
    except (SyntaxError, ValueError):
        return
    if node.op == "constant" and isinstance(written, ast.Call) and _called(written) == "constant" and written.args:
        name = _name(written.args[0])
        if name:
            yield node.id, name
        return
    operands: list[ast.expr] = []
    if isinstance(written, ast.BinOp) and _OPERATORS.get(type(written.op)) == node.op:
        operands = [written.left, written.right]
    elif isinstance(written, ast.Compare) and _OPERATORS.get(type(written.ops[0])) == node.op:
        operands = [written.left, *written.comparators]
    elif isinstance(written, ast.Call) and _called(written) == node.op:
        operands = written.args
    if len(operands) != len(node.args):
        return
    for operand, place in zip(operands, node.args, strict=True):
        name = _name(operand)
        if name and loss[place].op == "constant" and _same_statement(loss[place], node):
            yield place, name


def _same_statement(constant: Node, user: Node) -> bool:
    """A constant made where it is used; one made earlier has a name of its own there."""
    return constant.span is None or user.span is None or constant.span.line == user.span.line


def _called(call: ast.Call) -> str:
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return _CALLS.get(name, name)


def _name(operand: ast.expr) -> str:
    """`gamma` of gamma and of self.gamma; "epsilon" of epsilon()."""
    if isinstance(operand, ast.Name):
        return operand.id
    if isinstance(operand, ast.Attribute):
        return operand.attr
    if isinstance(operand, ast.Call) and not operand.args and not operand.keywords:
        return _name(operand.func)
    return ""


def chosen(
    root: Expression,
    named: Mapping[Expression, str],
    taken: set[str],
    lengths: Mapping[Expression, int],
) -> dict[Expression, str]:
    """The parts of a formula that are worth a name, in the order in which they can be defined.

    Args:
        named: the user's names.
        taken: names that mean something else.
        lengths: characters of each part, written out.
    """
    uses: dict[Expression, int] = {}
    order: list[Expression] = []

    def visit(part: Expression) -> None:
        uses[part] = uses.get(part, 0) + 1
        if uses[part] == 1:
            for arg in part.args:
                visit(arg)
            order.append(part)

    visit(root)
    found: dict[Expression, str] = {}
    used = set(taken)
    spare = iter("uvwabcdghk")
    whole = lengths[root]
    for part in order:
        if part is root or part.op in ("input", "number", "size"):
            continue
        name, length = named.get(part, ""), lengths[part]
        if name and not ((uses[part] > 1 and length >= 8) or (whole > 76 and length >= 18)):
            continue
        if not name:
            if uses[part] < 2 or length < 26 or any(_within(part, other) for other in named if uses.get(other, 0) > 1):
                continue
            name = next((letter for letter in spare if letter not in used), "")
            if not name:
                continue
        while name in used:
            name += "'"
        used.add(name)
        found[part] = name
    return found


def _within(part: Expression, other: Expression) -> bool:
    return part is not other and other.args != () and part in other.args and other.op in ("index", "reshape")


def identifier(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z_]\w*'*", name) is not None
