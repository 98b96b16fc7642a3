"""The loss and the formula without the small constants that keep them away from singular points.

`log(p + 1e-7)`, `maximum(norm, 1e-12)` and `clip(p, 1e-7, 1 - 1e-7)` mean log(p), the norm and p. To tell such a
constant from a wrong formula it is taken away and both are compared again. For that the graph is also widened to
float64, so that rounding plays no part either.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossdoctor.domains.machine import UNKNOWN, machine
from lossdoctor.formula.expression import Expression, Formula, Number
from lossdoctor.graph.ir import Attr, Graph, LossGraph, Node
from lossdoctor.search.leaves import pair_arrays
from lossdoctor.session import Pair
from lossdoctor.spec import Contract

Array = NDArray[Any]

# The largest constant that may be a stabiliser: what one reads in losses lies between 1e-12 and 1e-5; a limit on
# a reciprocal is the reciprocal of such.
LARGEST = 1e-4
_LIMIT = 1e5
# What stands in its place: too small to show, and still no zero, so that nothing becomes singular.
_TINY = 1e-300
_NARROW = ("float16", "bfloat16", "float32")
# Where a small constant moves an argument a little. (In a product it would be a weight.)
_LIMITING = frozenset({"maximum", "minimum", "clip"})
_SHIFTING = _LIMITING | {"add", "subtract"}


def widened(loss: LossGraph) -> LossGraph:
    """The same program with every float as float64."""
    return replace(loss, graph=_widened(loss.graph))


def _widened(graph: Graph) -> Graph:
    return replace(graph, nodes=tuple(_wide(node) for node in graph.nodes))


def _wide(node: Node) -> Node:
    constant = node.constant
    if constant is not None and (constant.dtype.kind == "f" or str(constant.dtype) == "bfloat16"):
        constant = constant.astype(np.float64)
    attrs: dict[str, Attr] = {key: "float64" if value in _NARROW else value for key, value in node.attrs.items()}
    return replace(
        node,
        dtype="float64" if node.dtype in _NARROW else node.dtype,
        constant=constant,
        attrs=attrs,
        bodies=tuple(_widened(body) for body in node.bodies),
    )


def neutral(loss: LossGraph) -> LossGraph | None:
    """The loss without its stabilisers; None if it has none."""
    users = loss.graph.users()
    changed: dict[int, Node] = {}
    for node in loss.where("constant", role="forward"):
        value = node.constant
        if value is None or value.dtype.kind != "f" or value.size != 1:
            continue
        readers = [loss[user] for user in users[node.id] if loss[user].role == "forward"]
        limiting = all(reader.op in _LIMITING for reader in readers)
        plain = _plain(float(value.reshape(-1)[0]), limiting)
        if plain is not None and readers and all(reader.op in _SHIFTING for reader in readers):
            changed[node.id] = replace(node, constant=np.full_like(value, plain))
    if not changed:
        return None
    nodes = tuple(changed.get(node.id, node) for node in loss.nodes)
    return replace(loss, graph=replace(loss.graph, nodes=nodes))


def neutral_formula(formula: Formula) -> Formula | None:
    """The formula without its stabilisers; None if it has none."""
    found = False

    def changed(part: Expression) -> Expression:
        nonlocal found
        args = tuple(changed(arg) for arg in part.args)
        if part.op in _SHIFTING:
            for place, arg in enumerate(args):
                constant = _constant(arg)
                plain = None if constant is None else _plain(constant, part.op in _LIMITING)
                if plain is not None:
                    found = True
                    zero = Expression("number", number=Number(Fraction(plain)), text=arg.text, column=arg.column)
                    args = (*args[:place], zero, *args[place + 1 :])
        return replace(part, args=args)

    root = changed(formula.root)
    return Formula(formula.text, root, tuple(root.walk())) if found else None


def _constant(part: Expression) -> float | None:
    """The value of a number, or of a sum, difference or negative of numbers such as `1 - 1e-7`."""
    if part.op == "number" and part.number is not None and not part.number.name:
        return float(part.number.value)
    values = [_constant(arg) for arg in part.args]
    known = [value for value in values if value is not None]
    if len(known) < len(values) or part.op not in ("negative", "add", "subtract"):
        return None
    return -known[0] if part.op == "negative" else known[0] + (known[1] if part.op == "add" else -known[1])


def _plain(value: float, limiting: bool) -> float | None:
    """What a stabiliser stands beside: nothing for 1e-7, 1 for 1 - 1e-7 and 1 + 1e-7, no limit for 1e7."""
    if 0 < abs(value) <= LARGEST:
        return math.copysign(_TINY, value)
    if 0 < abs(value - 1.0) <= LARGEST:
        return 1.0
    if limiting and _LIMIT <= abs(value) < 1 / _TINY:
        return math.copysign(1 / _TINY, value)
    return None


def computed(loss: LossGraph, contract: Contract, pair: Pair, override: dict[int, Array] | None = None) -> list[Any]:
    """What the machine computes for every node of a widened graph; `UNKNOWN` where it cannot tell."""
    places = (*loss.y_true, *loss.y_pred)
    inputs = {
        place: array.astype(np.float64) if loss[place].dtype == "float64" else array
        for place, array in zip(places, pair_arrays(contract, pair), strict=True)
    }
    return list(machine(loss, {**inputs, **(override or {})}).values)


def value_of(loss: LossGraph, contract: Contract, pair: Pair, override: dict[int, Array] | None = None) -> Array | None:
    """The value of the loss by the machine; None where it cannot tell."""
    found = computed(loss, contract, pair, override)[loss.value]
    return None if found is UNKNOWN or not isinstance(found, np.ndarray | np.generic) else np.asarray(found, np.float64)
