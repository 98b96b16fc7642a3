"""Is the gradient that training uses the derivative of the value?

The tape gradient of sum(upstream * value), with upstream weights of either sign, is compared with central
differences along random directions. The weights differ from 1, so a gradient function that forgets its upstream
factor shows. Points at kinks, at jumps and in noise are dropped, never judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lossdoctor.probes.calls import Caller, Subject, caller
from lossdoctor.probes.custom_gradients import CustomGradients, custom_gradients
from lossdoctor.probes.draws import pair as draw_pair
from lossdoctor.readings import GradientCheck, Mismatch
from lossdoctor.session import Array, Pair
from lossdoctor.spec import Contract

POINTS = 6  # smooth points to find
DRAWS = 12  # tries
DIRECTIONS = 2  # at each point
ALIGNED = 4  # points at which whole gradients are compared, of losses that stop a part of theirs
ENTRIES = 64  # of y_pred, at most, for that


def probe(subject: Subject, contract: Contract, *, seed: int = 0) -> GradientCheck:
    """Compare tape gradients with differences at ordinary points."""
    return probe_seeds(subject, contract, (seed,))[0]


def probe_seeds(subject: Subject, contract: Contract, seeds: Sequence[int]) -> list[GradientCheck]:
    """A check for each seed, which draws inputs, directions and weights; the loss is traced once."""
    rng = np.random.default_rng(seeds[0])
    made = _prepared(subject, contract, rng)
    if isinstance(made, GradientCheck):
        return [made] * len(seeds)
    call, weighted = made
    found = custom_gradients(weighted.graph, subject)
    checks = [_compare(call, weighted, contract, rng, found)]
    for seed in seeds[1:]:
        rng = np.random.default_rng(seed)
        checks.append(_compare(call, weighted.drawn(rng), contract, rng, found))
    return checks


def _prepared(
    subject: Subject, contract: Contract, rng: np.random.Generator
) -> GradientCheck | tuple[Caller, _Weighted]:
    """The loss, traced; or why it cannot be checked."""
    call = caller(subject, contract, rng)
    if call is None:
        return GradientCheck(False, "the loss does not accept ordinary inputs of its specs")
    first = draw_pair(contract, rng, call.sizes)
    failure = ""
    # In float64 where the loss takes it: differences of float32 values resolve three digits at best.
    for dtype in ("float64", None):
        try:
            weighted = _Weighted.traced(call, first, dtype, rng)
            total, again = weighted.at(first).total, weighted.at(first).total
        except Exception as problem:  # the loss is the user's: anything may be raised
            failure = f"{type(problem).__name__}: {problem}".splitlines()[0]
            continue
        if total != again and np.isfinite(total):
            return GradientCheck(False, "two calls with the same input differ: the loss draws random numbers")
        if not weighted.connected:
            return GradientCheck(False, "no gradient reaches y_pred")
        return call, weighted
    return GradientCheck(False, f"the loss cannot be traced: {failure}")


@dataclass(frozen=True, slots=True)
class _Point:
    total: float  # sum(upstream * value)
    size: float  # sum(|upstream * value|), what its rounding error is relative to
    gradients: list[Array]


@dataclass(frozen=True)
class _Weighted:
    """sum(upstream * loss) and its gradient, traced once, as `fit` traces (without AutoGraph)."""

    call: Caller
    function: Any
    graph: Any
    dtype: str | None  # replaces the dtype of all floating inputs
    epsilon: float  # rounding unit of the coarsest floating tensor on the way
    upstream: Array
    connected: bool

    @classmethod
    def traced(cls, call: Caller, pair: Pair, dtype: str | None, rng: np.random.Generator) -> _Weighted:
        import tensorflow as tf

        connected: list[bool] = []

        def weighted(y_true: Any, y_pred: Any, upstream: Any) -> Any:
            inputs = tf.nest.flatten(y_pred)
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                value = tf.convert_to_tensor(call.function(y_true, y_pred))
                parts = tf.cast(value, tf.float64) * upstream
                total = tf.reduce_sum(parts)
            gradients = tape.gradient(total, inputs)
            connected.append(any(gradient is not None for gradient in gradients))
            filled = [
                tf.zeros_like(one) if gradient is None else tf.convert_to_tensor(gradient)
                for one, gradient in zip(inputs, gradients, strict=True)
            ]
            return total, tf.reduce_sum(tf.abs(parts)), filled

        arguments = call.tensors(pair.y_true, pair.y_pred, dtype)
        shape = np.shape(tf.convert_to_tensor(call.function(*arguments)))
        upstream = _upstream(shape, rng)
        concrete: Any = tf.function(weighted, autograph=False).get_concrete_function(*arguments, upstream)
        dtypes = {
            tensor.dtype
            for operation in concrete.graph.get_operations()
            for tensor in operation.outputs
            if tensor.dtype.is_floating and len(operation.inputs) > 0
        }
        epsilon = max(_epsilon(each) for each in dtypes)
        return cls(call, concrete, concrete.graph, dtype, epsilon, upstream, any(connected))

    def drawn(self, rng: np.random.Generator) -> _Weighted:
        """The same with other weights."""
        return replace(self, upstream=_upstream(self.upstream.shape, rng))

    def at(self, pair: Pair) -> _Point:
        import tensorflow as tf

        y_true, y_pred = self.call.tensors(pair.y_true, pair.y_pred, self.dtype)
        total, size, gradients = self.function(y_true, y_pred, tf.constant(self.upstream))
        return _Point(float(total), float(size), [np.asarray(one, dtype=np.float64) for one in gradients])


def _upstream(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Weights of either sign, away from 1 in size: a lone weight of 1 would hide a missing factor."""
    return rng.uniform(1.5, 2.5, shape) * rng.permutation(np.resize((1.0, -1.0), shape).ravel()).reshape(shape)


def _epsilon(dtype: Any) -> float:
    # Half precision formats have 10 and 7 bits; NumPy does not know bfloat16.
    return {8: 2.0**-52, 4: 2.0**-23}.get(dtype.size, 2.0**-7)


def _compare(
    call: Caller, weighted: _Weighted, contract: Contract, rng: np.random.Generator, found: CustomGradients
) -> GradientCheck:
    checked = skipped = points = 0
    mismatches: list[Mismatch] = []
    ratios: list[float] = []
    centres: list[tuple[Pair, _Point]] = []
    for _ in range(DRAWS):
        if points == POINTS:
            break
        pair = draw_pair(contract, rng, call.sizes)
        try:
            centre = weighted.at(pair)
        except Exception:  # an assertion of the user's: as below
            skipped += 1
            continue
        centres.append((pair, centre))
        smooth = True
        for _ in range(DIRECTIONS):
            along = [rng.normal(size=one.shape) for one in centre.gradients]
            try:
                judged = _judge(weighted, pair, centre, along)
            except Exception:  # a step out of the range that an assertion of the user's guards
                judged = None
            if judged is None:
                skipped += 1
                smooth = False
                continue
            checked += 1
            if judged.difference:
                ratios.append(judged.ratio)
            if abs(judged.tape - judged.difference) > judged.tolerance:
                mismatches.append(judged)
        points += smooth
    same = len(ratios) >= 4 and np.ptp(ratios) <= 0.02 * abs(np.mean(ratios))
    return GradientCheck(
        applicable=True,
        dtype=weighted.dtype or "as given",
        checked=checked,
        skipped=skipped,
        mismatches=tuple(sorted(mismatches, key=lambda one: -abs(one.tape - one.difference) / one.tolerance)),
        stopped=found.stopped,
        stop_spans=found.stop_spans,
        custom=found.custom,
        pass_through=found.pass_through,
        surrogate=found.surrogate,
        custom_spans=found.custom_spans,
        factor=float(np.mean(ratios)) if same and mismatches else None,
        opposed=_opposed(weighted, centres) if mismatches and found.stop_spans else None,
    )


def _opposed(weighted: _Weighted, centres: Sequence[tuple[Pair, _Point]]) -> float | None:
    """The share of entries whose gradient and derivative, by a central difference, have opposite signs; None where
    the value has no derivative to compare with (straight-through estimators)."""
    step = weighted.epsilon ** (1.0 / 3.0)
    shares: list[float] = []
    for pair, centre in centres[:ALIGNED]:
        used = np.concatenate([one.ravel() for one in centre.gradients])
        if not 1 < used.size <= ENTRIES:
            return None
        true = np.zeros(used.size)
        for entry in range(used.size):
            unit = np.zeros(used.size)
            unit[entry] = 1.0
            along = _split(unit, centre.gradients)
            ends = [_moved(weighted, pair, along, sign * step).total for sign in (1.0, -1.0)]
            true[entry] = (ends[0] - ends[1]) / (2.0 * step)
        sizes = float(np.abs(used).max()), float(np.abs(true).max())
        if not np.isfinite(sizes).all() or min(sizes) <= 1e-3 * max(sizes):
            continue
        known = (np.abs(used) > 1e-2 * sizes[0]) & (np.abs(true) > 1e-2 * sizes[1])
        if known.any():
            shares.append(float(np.mean(used[known] * true[known] < 0)))
    return float(np.mean(shares)) if len(shares) >= 2 else None


def _split(flat: Array, like: Sequence[Array]) -> list[Array]:
    parts = np.split(flat, np.cumsum([one.size for one in like])[:-1])
    return [part.reshape(one.shape) for part, one in zip(parts, like, strict=True)]


def _judge(weighted: _Weighted, pair: Pair, centre: _Point, along: list[Array]) -> Mismatch | None:
    """Tape and difference along one direction, or None where the difference says nothing.

    With step h the rounding of the totals gives the one-sided quotients an error of about 4 eps size / h, and the
    curvature one of h f'' / 2; h = eps^(1/3) makes the sum of both small.
    """
    step = weighted.epsilon ** (1.0 / 3.0)
    values = [_moved(weighted, pair, along, share * step).total for share in (-1.0, -0.5, 0.5, 1.0)]
    products = [gradient * one for gradient, one in zip(centre.gradients, along, strict=True)]
    tape = float(sum(np.sum(product) for product in products))
    reach = float(sum(np.sum(np.abs(product)) for product in products))
    if not np.all(np.isfinite([*values, centre.total, tape])):
        return None
    wide, narrow = (values[3] - values[0]) / (2.0 * step), (values[2] - values[1]) / step
    left, right = (centre.total - values[1]) / (0.5 * step), (values[2] - centre.total) / (0.5 * step)
    noise = 4.0 * weighted.epsilon * centre.size / (0.5 * step)
    scale = max(abs(tape), abs(narrow), 0.05 * reach)
    relative = 0.01 if weighted.epsilon < 1e-10 else 0.05
    # A kink or a jump between the points: the one-sided derivatives differ.
    if abs(right - left) > 0.5 * relative * max(abs(left), abs(right), 0.05 * reach) + noise:
        return None
    tolerance = relative * scale + noise + 4.0 * abs(wide - narrow)
    if tolerance > 0.2 * scale:
        return None
    return Mismatch(pair, tuple(along), weighted.upstream, tape, narrow, tolerance)


def _moved(weighted: _Weighted, pair: Pair, along: list[Array], step: float) -> _Point:
    import tensorflow as tf

    flat = [
        np.asarray(one, dtype=np.float64) + step * direction
        for one, direction in zip(tf.nest.flatten(pair.y_pred), along, strict=True)
    ]
    return weighted.at(Pair(pair.y_true, tf.nest.pack_sequence_as(pair.y_pred, flat)))
