"""Transfer functions of activation functions and of the gradient kernels, in the order of TensorFlow's products.

That order decides where an intermediate overflows (tensorflow/core/kernels/cwise_ops_gradients.h).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lossdoctor.domains.intervals import arithmetic as arith
from lossdoctor.domains.intervals.elementwise import Args, loose, strict
from lossdoctor.domains.intervals.enclosure import INF, Enclosure, constant, made, tiniest, union, unit_roundoff
from lossdoctor.graph.ir import Node

# Klambauer et al. 2017, Self-Normalizing Neural Networks: scale, and scale * alpha.
_SELU_SCALE, _SELU_BOTTOM = 1.0507009873554805, 1.7580993408473766
_NEVER = np.array([False])


def _choice(surely: np.ndarray, possibly: np.ndarray, yes: Enclosure, no: Enclosure) -> Enclosure:
    """`yes` where a condition holds surely, `no` where it cannot hold, else both."""
    both = union(yes, no)
    low = np.where(surely, yes.low, np.where(~possibly, no.low, both.low))
    high = np.where(surely, yes.high, np.where(~possibly, no.high, both.high))
    nan = np.where(surely, yes.nan, np.where(~possibly, no.nan, both.nan))
    return replace(both, low=low, high=high, nan=np.broadcast_to(nan, low.shape))


def _slope(x: Enclosure, low: np.ndarray, high: np.ndarray, dtype: str) -> Enclosure:
    return made(low, high, _NEVER, dtype, (x,), ulps=4.0)


@strict("sigmoid_grad")
def _sigmoid_grad(node: Node, args: Args) -> Enclosure:
    # dy * (1 - y) * y: y (1 - y) rises up to 1/2 and falls beyond.
    y, dy = args
    ends = y.low * (1.0 - y.low), y.high * (1.0 - y.high)
    high = np.where(arith.holds(y, 0.5), 0.25, np.maximum(*ends))
    result = arith.multiply(dy, _slope(y, np.minimum(*ends), high, node.dtype), node.dtype)
    step = arith.multiply(dy, arith.subtract(constant(1.0, 1.0), y, node.dtype), node.dtype)
    # An infinite partial product, times y.
    lost = arith.infinite(step)
    return replace(
        result,
        low=np.where(lost, -INF, result.low),
        high=np.where(lost, INF, result.high),
        nan=result.nan | step.nan | (lost & arith.holds(y, 0.0)),
    )


@strict("tanh_grad")
def _tanh_grad(node: Node, args: Args) -> Enclosure:
    y, dy = args
    return arith.multiply(dy, arith.subtract(constant(1.0, 1.0), arith.square(y, node.dtype), node.dtype), node.dtype)


@strict("sqrt_grad")
def _sqrt_grad(node: Node, args: Args) -> Enclosure:
    y, dy = args
    half = arith.scaled(dy, 0.5, node.dtype)
    result = arith.divide(half, y, node.dtype)
    # Packets multiply by a reciprocal, which may under- or overflow where the quotient does not.
    inverse = arith.reciprocal(y, node.dtype)
    small = 64.0 * tiniest(node.dtype)
    flushed = (np.abs(inverse.low) < small) | (np.abs(inverse.high) < small)
    inverse = replace(
        inverse,
        low=np.where(flushed, np.minimum(inverse.low, 0.0), inverse.low),
        high=np.where(flushed, np.maximum(inverse.high, 0.0), inverse.high),
    )
    result = union(result, arith.multiply(half, inverse, node.dtype))
    return made(result.low, result.high, result.nan, node.dtype, (result,), ulps=2.0)


@strict("rsqrt_grad")
def _rsqrt_grad(node: Node, args: Args) -> Enclosure:
    y, dy = args
    product, squared = arith.multiply(dy, y, node.dtype), arith.square(y, node.dtype)
    # The factor goes with either; that matters where one of them underflows.
    return union(
        arith.multiply(arith.scaled(product, -0.5, node.dtype), squared, node.dtype),
        arith.multiply(product, arith.scaled(squared, -0.5, node.dtype), node.dtype),
    )


@strict("reciprocal_grad")
def _reciprocal_grad(node: Node, args: Args) -> Enclosure:
    y, dy = args
    # Both orders of the three factors, as versions of Eigen differ.
    left = arith.multiply(arith.multiply(arith.negate(y), dy, node.dtype), y, node.dtype)
    right = arith.multiply(arith.negate(dy), arith.square(y, node.dtype), node.dtype)
    both = union(left, right)
    if (dy.low >= 0.0).all():
        both = replace(both, high=np.minimum(both.high, 0.0))
    return both


@strict("softplus_grad")
def _softplus_grad(node: Node, args: Args) -> Enclosure:
    # dy / (exp(-x) + 1)
    dy, x = args
    with np.errstate(over="ignore"):
        low, high = 1.0 / (1.0 + np.exp(-x.low)), 1.0 / (1.0 + np.exp(-x.high))
    return arith.multiply(dy, _slope(x, low, np.minimum(high, 1.0), node.dtype), node.dtype)


@strict("softsign_grad")
def _softsign_grad(node: Node, args: Args) -> Enclosure:
    dy, x = args
    base = arith.add(constant(1.0, 1.0), arith.magnitude(x), node.dtype)
    return arith.divide(dy, arith.square(base, node.dtype), node.dtype)


@loose("relu_grad")
def _relu_grad(node: Node, args: Args) -> Enclosure:
    dy, x = args
    return _masked(dy, x, x.low > 0.0, x.high > 0.0)


@loose("relu6_grad")
def _relu6_grad(node: Node, args: Args) -> Enclosure:
    dy, x = args
    return _masked(dy, x, (x.low > 0.0) & (x.high < 6.0), (x.high > 0.0) & (x.low < 6.0))


def _masked(dy: Enclosure, x: Enclosure, surely: np.ndarray, possibly: np.ndarray) -> Enclosure:
    # The kernel multiplies by 0 or 1, so that an infinite dy gives NaN where it is masked. A comparison with NaN is
    # false, so that a NaN feature masks.
    void = x.low > x.high
    blocked = Enclosure(np.zeros(1), np.zeros(1), arith.infinite(dy) | dy.nan, dy.leaves | x.leaves)
    return _choice(surely & ~x.nan & ~void, possibly & ~void, dy.plain(), blocked)


@strict("leaky_relu")
def _leaky_relu(node: Node, args: Args) -> Enclosure:
    (x,) = args
    below = arith.scaled(x, _alpha(node), node.dtype)
    kept = replace(x, low=np.maximum(x.low, 0.0), high=np.maximum(x.high, 0.0))
    part = arith.scaled(replace(x, low=np.minimum(x.low, 0.0), high=np.minimum(x.high, 0.0)), _alpha(node), node.dtype)
    mixed = union(kept, part)
    result = _choice(x.low > 0.0, x.high > 0.0, x, below)
    straddles = (x.low <= 0.0) & (x.high > 0.0)
    return replace(
        result,
        low=np.where(straddles, mixed.low, result.low),
        high=np.where(straddles, mixed.high, result.high),
    )


@strict("leaky_relu_grad")
def _leaky_relu_grad(node: Node, args: Args) -> Enclosure:
    dy, x = args
    return replace(
        _choice(x.low > 0.0, x.high > 0.0, dy, arith.scaled(dy, _alpha(node), node.dtype)), leaves=dy.leaves | x.leaves
    )


def _alpha(node: Node) -> float:
    alpha = node.attrs.get("alpha", 0.2)
    return float(np.float32(alpha)) if isinstance(alpha, (int, float)) else 0.2


@strict("elu")
def _elu(node: Node, args: Args) -> Enclosure:
    return _exponential_unit(node, args[0], 1.0, 1.0)


@strict("selu")
def _selu(node: Node, args: Args) -> Enclosure:
    return _exponential_unit(node, args[0], _SELU_SCALE, _SELU_BOTTOM)


def _exponential_unit(node: Node, x: Enclosure, scale: float, bottom: float) -> Enclosure:
    """scale * x above 0, bottom * (exp(x) - 1) below, which cancels: the error is absolute."""

    def value(v: np.ndarray) -> np.ndarray:
        return np.where(v < 0.0, bottom * np.expm1(np.minimum(v, 0.0)), scale * v)

    error = 8.0 * unit_roundoff(node.dtype)
    low = np.where(x.low < 0.0, np.maximum(value(x.low) - error, -bottom), value(x.low))
    high = np.where(x.high < 0.0, np.minimum(value(x.high) + error, 0.0), value(x.high))
    return made(low, high, _NEVER, node.dtype, (x,), ulps=4.0)


@strict("elu_grad")
def _elu_grad(node: Node, args: Args) -> Enclosure:
    dy, y = args
    below = replace(y, low=np.minimum(y.low, 0.0), high=np.minimum(y.high, 0.0))
    slope = arith.add(below, constant(1.0, 1.0), node.dtype)
    return replace(
        _choice(y.high < 0.0, y.low < 0.0, arith.multiply(slope, dy, node.dtype), dy), leaves=dy.leaves | y.leaves
    )


@strict("selu_grad")
def _selu_grad(node: Node, args: Args) -> Enclosure:
    dy, y = args
    below = replace(y, low=np.minimum(y.low, 0.0), high=np.minimum(y.high, 0.0))
    left = arith.multiply(dy, arith.add(below, _about(_SELU_BOTTOM, node), node.dtype), node.dtype)
    right = arith.multiply(dy, _about(_SELU_SCALE, node), node.dtype)
    return replace(_choice(y.high < 0.0, y.low < 0.0, left, right), leaves=dy.leaves | y.leaves)


def _about(value: float, node: Node) -> Enclosure:
    """A number as the dtype holds it."""
    error = value * 2.0 * unit_roundoff(node.dtype)
    return constant(value - error, value + error)


@strict("xdivy")
def _xdivy(node: Node, args: Args) -> Enclosure:
    # x / y, 0 where x is 0.
    x, y = args
    quotient = arith.divide(x, y, node.dtype)
    zero = (x.low == 0.0) & (x.high == 0.0)
    bad = arith.infinite(x) & arith.infinite(y)
    return replace(
        quotient,
        low=np.where(zero, 0.0, quotient.low),
        high=np.where(zero, 0.0, quotient.high),
        nan=np.broadcast_to(bad & ~zero, np.broadcast_shapes(bad.shape, quotient.low.shape)),
    )
