"""How far a float32 result is from the exact one, and at which operation the bits were lost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lossdoctor.domains.exact import as_array
from lossdoctor.domains.interpret import Reading
from lossdoctor.domains.machine import Value, machine
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.ops.arrays import Array, is_array
from lossdoctor.session import Execution, Pair

Output = Literal["value", "gradient"]

_UNIT = 2.0**-24  # half an ulp of 1 in float32: the error of a rounded number
_TOTAL = 2.0**24 * _UNIT  # nothing is left beyond the error of the size of the number itself
_BITS_AT_LEAST = 3.0
_TRIED_AT_MOST = 8
_ALIKE = 4.0  # bits: of two places that lose as much, the one in the forward pass is told
# Gradient kernels that choose a side by the sign of this argument.
_SIDES = {"relu_grad": 1, "relu6_grad": 1, "leaky_relu_grad": 1, "elu_grad": 1, "selu_grad": 1}
_PASSES = ("input", "constant", "variable", "dims", "item", "identity", "stop_gradient")


@dataclass(frozen=True, slots=True)
class Inaccuracy:
    """One input at which rounding spoils the value or the gradient of a loss.

    `relative` is the error relative to the exact result, `conditioning` the change (in the same unit) that one ulp
    in the inputs would make, `share` the error relative to the loss or gradient at ordinary inputs.
    """

    output: Output
    pair: Pair
    node: int  # the forward node where the bits are lost
    backward: bool  # lost in the derivative of that node
    bits: float
    got: Array
    expected: Array
    relative: float
    conditioning: float
    share: float
    when: tuple[Execution, ...]
    minor: bool = False  # negligible beside the ordinary loss
    index: int = 0  # of the gradient


@dataclass(frozen=True, slots=True)
class Precision:
    """What exact arithmetic says of a float32 loss.

    `inaccuracies` holds one for each place; `compared` is the number of inputs looked at; `limit` says in words what
    kept the check from an answer ("" if nothing did), `limit_node` where.
    """

    inaccuracies: tuple[Inaccuracy, ...] = ()
    compared: int = 0
    limit: str = ""
    limit_node: int | None = None


@dataclass(frozen=True, slots=True)
class Loss:
    """Where bits are lost: the node, and how many."""

    node: Node
    bits: float


def deviation(got: Array, expected: Array, output: Output) -> tuple[float, float]:
    """Largest relative and largest absolute error (in the element where the relative error is largest).

    Elements of a value stand for themselves (samples); a gradient is one vector, so that its errors are relative to
    its largest element. Infinite and unknown elements are left out.
    """
    known = np.isfinite(got) & np.isfinite(expected)
    if not known.any():
        return 0.0, 0.0
    error: Array = np.abs(np.where(known, got, 0.0) - np.where(known, expected, 0.0))
    size: Array = np.abs(np.where(known, expected, 0.0))
    if output == "gradient":
        size = np.full_like(size, size.max())
    with np.errstate(over="ignore"):  # an error where the exact value is 0 has no bound
        worst = int(np.argmax(error / np.maximum(size, np.finfo(np.float64).tiny)))
    absolute = float(error.flat[worst])
    return (absolute / float(size.flat[worst]) if size.flat[worst] else (1.0 if absolute else 0.0)), absolute


def flipped(graph: LossGraph, single: Reading[Value], truth: Reading[Value], place: int) -> bool:
    """Whether rounding takes another branch on the way to the node `place`.

    At a kink, where a clip or a maximum changes sides, either gradient is right; so is either order of what is sorted
    where two are equal but for rounding.
    """
    for number in graph.graph.ancestors(place):
        node = graph[number]
        whole = node.dtype.startswith(("int", "uint"))
        if whole or node.dtype == "bool" or node.op == "sign":
            value = number
        elif node.op in _SIDES:
            value = node.args[_SIDES[node.op]]
        else:
            continue
        got, expected = single[value], as_array(truth[value])
        if not is_array(got) or expected is None or got.shape != expected.shape:
            continue
        # sign(x) has three sides: 0 is one of them.
        side = np.sign if node.op == "sign" else np.rint if whole else _positive
        if np.any(side(np.asarray(got, np.float64)) != side(np.asarray(expected, np.float64))):
            return True
    return False


def _positive(values: Array) -> Array:
    return values > 0


def lost(
    graph: LossGraph,
    inputs: Mapping[int, Array],
    single: Reading[Value],
    truth: Reading[Value],
    place: int,
    output: Output,
) -> Loss | None:
    """The operation to blame for the error of the node `place`.

    Args:
        graph: the loss.
        inputs: the arrays of its input nodes.
        single: its reading in float32.
        truth: its exact reading at the same input.
        place: the node of the value or of a gradient.
        output: which of the two.

    Returns:
        The operation whose result has far fewer right bits than its arguments, and which, computed rightly, would
        mend at least half of the error; of several, the one that loses most. None if there is none.
    """
    expected = as_array(truth[place])
    if expected is None:
        return None
    relative, _ = deviation(np.asarray(single[place], np.float64), expected, output)
    losses = sorted(_losses(graph, single, truth, place), key=lambda loss: -loss.bits)[:_TRIED_AT_MOST]
    mending: list[Loss] = []
    for loss in losses:
        value = as_array(truth[loss.node.id])
        if value is None or np.isnan(value).any():
            continue
        with np.errstate(all="ignore"):
            right = value.astype(single[loss.node.id].dtype)
        mended = machine(graph, {**inputs, loss.node.id: right})[place]
        if is_array(mended) and deviation(mended.astype(np.float64), expected, output)[0] < relative / 2:
            mending.append(loss)
    chosen = mending or losses
    if not chosen:
        return None
    most = chosen[0].bits
    alike = [loss for loss in chosen if loss.bits >= most - _ALIKE]
    return min(alike, key=lambda loss: (loss.node.role == "gradient", loss.node.id))


def _losses(graph: LossGraph, single: Reading[Value], truth: Reading[Value], place: int) -> Iterator[Loss]:
    errors: dict[int, float] = {}
    relevant = graph.graph.ancestors(place)
    for node in graph.nodes:
        if node.id not in relevant:
            continue
        known = [errors[arg] for arg in node.args if arg in errors]
        inherited = max([_UNIT, *known])
        if node.dtype == "tuple":
            errors[node.id] = inherited
            continue
        found = _error(single[node], truth[node])
        if found is None:
            continue
        errors[node.id] = found
        bits = math.log2(found / inherited) if found else 0.0
        if bits >= _BITS_AT_LEAST and node.op not in _PASSES and is_array(single[node]):
            yield Loss(node, bits)


def _error(got: Value, truth: Value) -> float | None:
    """The largest relative error of an element, at most 1; None where one of the two is not known."""
    if not is_array(got) or got.dtype.kind not in "f":
        return None
    expected = as_array(truth)
    if expected is None or expected.shape != got.shape or not got.size:
        return None
    value: Array = got.astype(np.float64)
    known = np.isfinite(value) & np.isfinite(expected)
    error: Array = np.abs(np.where(known, value - expected, 0.0))
    size: Array = np.abs(np.where(known, expected, 1.0))
    with np.errstate(all="ignore"):
        ratio = np.where(error == 0, 0.0, error / size)
    return min(float(ratio.max()), _TOTAL)
