"""A loss as XLA's algebraic simplifier writes it, where that may overflow or vanish and the original does not.

`-x/y/y`, the derivative of a quotient, becomes `-x/(y*y)`: at y = 1e-20 the square is 0 in float32. The rewrites are
those of xla/hlo/transforms/simplifiers/algebraic_simplifier.cc that can make a number infinite which was finite; those
that only help (log(exp(x)) to x) are left out, so that nothing is proved of XLA here: it is a reading of what to doubt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from lossdoctor.domains.intervals import Proof, Ranges, ranges
from lossdoctor.graph.ir import Dim, Graph, LossGraph, Node
from lossdoctor.spec import Contract

_FLOATS = ("float16", "bfloat16", "float32", "float64")


@dataclass
class _Rewriter:
    """The nodes of the new graph, and the numbers of the old ones among them."""

    nodes: list[Node] = field(default_factory=list[Node])
    moved: dict[int, int] = field(default_factory=dict[int, int])
    changed: bool = False

    def add(self, old: Node) -> None:
        forward = None if old.forward is None else self.moved.get(old.forward)
        node = replace(old, args=tuple(self.moved[arg] for arg in old.args), forward=forward)
        rule = _RULES.get(node.op) if node.dtype in _FLOATS else None
        found = rule(self, node) if rule is not None else None
        if found is None:
            self.moved[old.id] = self.put(node)
        else:
            self.moved[old.id] = found
            self.changed = True

    def put(self, node: Node) -> int:
        self.nodes.append(replace(node, id=len(self.nodes)))
        return len(self.nodes) - 1

    def written(self, like: Node, op: str, *args: int) -> int:
        """A new node that computes what `like` does."""
        return self.put(replace(like, op=op, args=args, attrs={}, constant=None))

    def made(self, like: Node, op: str, *args: int) -> int | None:
        """A new elementwise node beside `like`; None where its shape is not known."""
        shape = _broadcast([self.nodes[arg].shape for arg in args])
        if shape is None:
            return None
        return self.put(replace(like, op=op, args=args, shape=shape, attrs={}, constant=None))

    def of(self, number: int, *ops: str) -> Node | None:
        node = self.nodes[number]
        return node if node.op in ops and node.dtype in _FLOATS else None

    def constant(self, number: int) -> float | None:
        """The one number that a constant holds, broadcast or not."""
        node = self.nodes[number]
        while node.op in ("broadcast_to", "identity") and node.args:
            node = self.nodes[node.args[0]]
        if node.op != "constant" or node.constant is None or node.constant.dtype.kind != "f" or not node.constant.size:
            return None
        values = np.unique(node.constant.astype(np.float64))
        return float(values[0]) if values.size == 1 and np.isfinite(values[0]) else None

    def number(self, like: Node, value: float) -> int:
        with np.errstate(over="ignore"):  # as it does there
            held = np.asarray(value).astype(like.dtype if like.dtype != "bfloat16" else np.float32)
        return self.put(replace(like, op="constant", args=(), shape=(), attrs={}, constant=held))


def _broadcast(shapes: list[tuple[Dim, ...] | None]) -> tuple[Dim, ...] | None:
    """The common shape, where it is one of these and the others are single numbers."""
    known = {shape for shape in shapes if shape != ()}
    if None in known or len(known) > 1:
        return None
    return known.pop() if known else ()


def _divide(graph: _Rewriter, node: Node) -> int | None:
    above, below = node.args
    one, other = graph.of(above, "divide"), graph.of(below, "divide")
    value = graph.constant(below)
    if one is not None and other is not None:  # (a/b) / (c/d)
        top, bottom = graph.made(node, "multiply", one.args[0], other.args[1]), None
        if top is not None:
            bottom = graph.made(node, "multiply", one.args[1], other.args[0])
    elif one is not None:  # (a/b) / c
        top, bottom = one.args[0], graph.made(node, "multiply", one.args[1], below)
    elif other is not None:  # a / (b/c)
        top, bottom = graph.made(node, "multiply", above, other.args[1]), other.args[0]
    elif value:
        return graph.written(node, "multiply", above, graph.number(node, 1.0 / value))
    else:
        return _by_power(graph, node)
    return None if top is None or bottom is None else graph.written(node, "divide", top, bottom)


def _by_power(graph: _Rewriter, node: Node) -> int | None:
    """a / exp(b) as a * exp(-b), a / b**c as a * b**-c."""
    above, below = node.args
    divisor = graph.of(below, "exp", "pow")
    if divisor is None:
        return None
    turned = graph.made(divisor, "negative", divisor.args[-1])
    power = None if turned is None else graph.made(divisor, divisor.op, *divisor.args[:-1], turned)
    return None if power is None else graph.written(node, "multiply", above, power)


def _multiply(graph: _Rewriter, node: Node) -> int | None:
    for rest, factor in (node.args, node.args[::-1]):
        second, product = graph.constant(factor), graph.of(rest, "multiply")
        if second is None or product is None:
            continue
        for inner, place in (product.args, product.args[::-1]):  # (a * c1) * c2
            first = graph.constant(place)
            if first is not None and graph.constant(inner) is None:
                return graph.written(node, "multiply", inner, graph.number(node, first * second))
    one, other = (graph.of(arg, "exp") for arg in node.args)
    if one is None or other is None:
        return None
    exponent = graph.made(node, "add", one.args[0], other.args[0])
    return None if exponent is None else graph.written(node, "exp", exponent)


def _add(graph: _Rewriter, node: Node) -> int | None:
    """(a + c1) + c2 as a + (c1 + c2), subtraction of a constant included."""
    for rest, addend in (node.args, node.args[::-1]) if node.op == "add" else (node.args,):
        second, inner = graph.constant(addend), graph.of(rest, "add", "subtract")
        if second is None or inner is None:
            continue
        second = -second if node.op == "subtract" else second
        least = graph.constant(inner.args[0])
        if inner.op == "subtract" and least is not None:  # (c1 - a) + c2 as (c1 + c2) - a
            return graph.written(node, "subtract", graph.number(node, least + second), inner.args[1])
        for kept, place in (inner.args, inner.args[::-1]) if inner.op == "add" else (inner.args,):
            first = graph.constant(place)
            if first is not None and graph.constant(kept) is None:
                first = -first if inner.op == "subtract" else first
                return graph.written(node, "add", kept, graph.number(node, first + second))
    return None


def _pow(graph: _Rewriter, node: Node) -> int | None:
    """exp(a)**b as exp(a * b)."""
    base = graph.of(node.args[0], "exp")
    exponent = None if base is None else graph.made(node, "multiply", base.args[0], node.args[1])
    return None if exponent is None else graph.written(node, "exp", exponent)


_RULES: dict[str, Callable[[_Rewriter, Node], int | None]] = {
    "divide": _divide, "multiply": _multiply, "add": _add, "subtract": _add, "pow": _pow,
}  # fmt: skip


def compiled(loss: LossGraph) -> LossGraph | None:
    """The rewritten loss; None where nothing is written otherwise."""
    graph = _Rewriter()
    for node in loss.nodes:
        graph.add(node)
    if not graph.changed:
        return None
    moved = graph.moved
    return replace(
        loss,
        graph=Graph(
            tuple(graph.nodes),
            tuple(moved[number] for number in loss.graph.inputs),
            tuple(dict.fromkeys(moved[number] for number in loss.graph.outputs)),
        ),
        y_true=tuple(moved[number] for number in loss.y_true),
        y_pred=tuple(moved[number] for number in loss.y_pred),
        value=moved[loss.value],
        gradients=tuple(None if number is None else moved[number] for number in loss.gradients),
    )


@dataclass(frozen=True)
class UnderXla:
    """What is proved of a loss as written, and not of what XLA makes of it.

    `doubts`: the symptom ("finite-value", "finite-gradient") and the nodes of `ranges.loss` that leave it open.
    """

    ranges: Ranges
    doubts: tuple[tuple[str, tuple[Node, ...]], ...]


def under_xla(loss: LossGraph, contract: Contract, magnitude: float, proof: Proof) -> UnderXla | None:
    """The doubts about the compiled loss; None where there are none, or nothing is proved that could be doubted."""
    rewritten = compiled(loss) if proof.finite_value or proof.finite_gradient else None
    if rewritten is None:
        return None
    found = ranges(rewritten, contract, magnitude)
    gradients = [gradient for gradient in rewritten.gradients if gradient is not None]
    asked = (
        ("finite-value", proof.finite_value, [rewritten.value]),
        ("finite-gradient", proof.finite_gradient, gradients),
    )
    doubts = [
        (name, found.limits(*(root for root in roots if not found.finite(root))))
        for name, proved, roots in asked
        if proved and not all(map(found.finite, roots))
    ]
    return UnderXla(found, tuple(doubts)) if doubts else None
