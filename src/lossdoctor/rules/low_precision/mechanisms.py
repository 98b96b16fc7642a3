"""Why a number that float32 holds is lost in float16 or bfloat16: which constant, which limit."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import numpy as np

from lossdoctor.graph.ir import LossGraph, Node, Span

HALF = frozenset({"float16", "bfloat16"})
# Largest finite number, smallest number above zero (denormals: float16 has them, bfloat16's count as zero), and the
# gap above 1 (IEEE 754-2019 binary16; bfloat16 is the upper half of a float32).
LARGEST = {"float16": 65504.0, "bfloat16": 3.39e38}
SMALLEST = {"float16": 6e-8, "bfloat16": 1.2e-38}
GAP = {"float16": 2.0**-10, "bfloat16": 2.0**-7}
_NEAR = 8  # operations back from the fault within which a lost constant explains it


def half_dtype(graph: LossGraph) -> str | None:
    """The half precision format that the loss computes in somewhere; None if in none."""
    return next((node.dtype for node in graph.nodes if node.dtype in HALF), None)


def rounds_to_half(graph: LossGraph, node: Node) -> bool:
    """Whether the operation reads or gives half precision, so that its rounding is that of the format."""
    return any(each.dtype in HALF for each in (node, *(graph[arg] for arg in node.args)))


def mechanism(graph: LossGraph, node: Node, *, backward: bool) -> tuple[str, str, tuple[Span, ...]]:
    """The code of the rule that names the mechanism, the message, and the user's frames of the cause.

    Args:
        graph: the loss.
        node: the forward node where the value, or the derivative, first goes wrong.
        backward: whether it is the derivative.
    """
    dtype = _format(graph, node)
    here = graph.calls(node)
    mask = _infinite_constant(graph, node)
    if mask is not None:
        constant, value = mask
        text = f"`{_number_in(constant.call)}` is {value:g} in {dtype}, whose largest number is {LARGEST[dtype]:g}"
        return "LD345", text, graph.calls(constant) or here
    lost = _lost_constant(graph, node)
    if lost is not None:
        written, where, becomes = lost
        detail = (
            f"smallest number is {SMALLEST[dtype]:g}" if becomes == 0 else f"next number to 1 is {GAP[dtype]:g} away"
        )
        effect = f"the derivative of `{node.call}`" if backward else f"`{node.call}`"
        text = f"`{written}` in `{where}` is {becomes:g} in {dtype}, whose {detail}"
        return "LD342", f"{text}: {effect} is not finite, as it is in float32", here
    limit = f"{LARGEST[dtype]:g}, the largest number of {dtype}"
    if backward:
        text = (
            f"the derivative of `{node.call}` is larger than {limit}: the gradient is not finite, as it is in float32"
        )
        return "LD343", text, here
    if node.op not in ("log", "log1p", "where", "subtract"):
        return "LD344", f"`{node.call}` is larger than {limit}; float32 holds it", here
    return "LD341", f"`{node.call}` becomes nan or inf in {dtype}; in float32 it stays finite", here


def _format(graph: LossGraph, node: Node) -> str:
    """The half format at a node: its own, else that of an argument, else of the loss."""
    for dtype in (node.dtype, *(graph[arg].dtype for arg in node.args)):
        if dtype in HALF:
            return dtype
    return half_dtype(graph) or "float16"


def _before(graph: LossGraph, node: Node) -> Iterator[Node]:
    """The node and the operations before it, nearest first."""
    order, seen = [node.id], {node.id}
    for current in order:  # breadth first
        yield graph[current]
        if len(order) > 4 * _NEAR:
            continue
        for arg in graph[current].args:
            if arg not in seen:
                seen.add(arg)
                order.append(arg)


def _infinite_constant(graph: LossGraph, node: Node) -> tuple[Node, float] | None:
    """A constant before the fault that is infinite in half precision and not in the source."""
    for each in _before(graph, node):
        if each.op == "constant" and each.constant is not None and each.dtype in HALF:
            value = np.asarray(each.constant, np.float64)
            if value.size == 1 and np.isinf(value).all() and "inf" not in each.call.lower():
                return each, float(value.reshape(()))
    return None


def _number_in(text: str) -> str:
    """The largest number in an expression, as it is written; the expression itself if there is none."""
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError:
        return text
    numbers = [
        (abs(float(part.value)), (ast.get_source_segment(text, part) or ast.unparse(part)))
        for part in ast.walk(tree)
        if isinstance(part, ast.Constant) and isinstance(part.value, int | float)
    ]
    return max(numbers)[1] if numbers else text


def _lost_constant(graph: LossGraph, node: Node) -> tuple[str, str, float] | None:
    """An epsilon that half precision rounds to 0, or a bound that it rounds to 1: as written, where, and to what."""
    for each in _before(graph, node):
        if each.op not in ("add", "subtract", "maximum", "minimum", "clip", "divide") or each.dtype not in HALF:
            continue
        for arg in each.args:
            value = graph[arg].constant
            if graph[arg].op != "constant" or value is None or value.size != 1:
                continue
            number = float(np.asarray(value, np.float64).reshape(()))
            written = _written(each.call, number)
            if number in (0.0, 1.0) and written is not None:
                return written, each.call, number
    return None


def _written(text: str, number: float) -> str | None:
    """The operand of an expression that stands for the constant: a literal other than the number, or a name."""
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError:
        return None
    if isinstance(tree, ast.BinOp):
        operands: list[ast.expr] = [tree.right, tree.left]
    elif isinstance(tree, ast.Call):
        operands = [*tree.args, *(word.value for word in tree.keywords)]
    else:
        return None
    for operand in operands:
        literal = _value(operand)
        if literal is not None and literal != number and abs(literal - number) < 0.01:
            return ast.get_source_segment(text, operand) or ast.unparse(operand)
    names = [operand for operand in operands if _is_constant_name(operand)]
    return ast.unparse(names[-1 if number else 0]) if names and number == 0.0 else None


def _value(node: ast.expr) -> float | None:
    """The number of an expression of literals; None for anything else."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return float(value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = _value(operand)
            return None if inner is None else -inner
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            one, other = _value(left), _value(right)
            return None if one is None or other is None else one - other
        case _:
            return None


def _is_constant_name(node: ast.expr) -> bool:
    """EPS, self.epsilon: a name that people give to a small number."""
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    lowered = name.lower()
    return bool(name) and (
        name.isupper() or any(word in lowered for word in ("eps", "tol", "small", "smooth", "delta"))
    )
