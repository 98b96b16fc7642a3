"""The full Jacobian of the loss, by the tape and by differences of sixth order, in float64.

A loss of single samples has a Jacobian of one block a sample: one entry of every sample is moved at once, and the
moved copies of the batch are stacked, so that a few calls give all blocks. That a loss is one of single samples is
seen first, by changing half of the samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossdoctor.probes.calls import Subject, caller
from lossdoctor.probes.draws import pair as draw_pair
from lossdoctor.readings import JacobianCheck
from lossdoctor.session import Array
from lossdoctor.spec import Contract, Spec

# f'(x) = sum of w_k (f(x + kh) - f(x - kh)) / h with an error of h^6 f^(7) / 140 (Fornberg, Generation of finite
# difference formulas on arbitrarily spaced grids, 1988); with this h both that and the rounding are near 1e-13.
WEIGHTS = np.array([45 / 60, -9 / 60, 1 / 60])
STEP = 4e-3
# Of central differences: h^2 f''' / 6 is 1e-10, and the rounding of a mean of a hundred values 1e-9.
QUICK = 2e-5
_DOUBT = 2e-8  # difference from the tape, relative to the largest derivative, from which six points decide
_STACKED = 4_000_000  # elements of one call
_COUPLED = 4_000  # entries of y_pred up to which a loss that couples its samples is examined
_KINK = 4e-7  # how much the slopes to the left and right may differ, relative to the largest derivative


def probe(subject: Subject, contract: Contract, *, seed: int = 0) -> JacobianCheck:
    """Compare both Jacobians at one ordinary input."""
    if not isinstance(contract.y_pred, Spec) or not isinstance(contract.y_true, Spec):
        return JacobianCheck(False, "structured inputs")
    rng = np.random.default_rng(seed)
    call = caller(subject, contract, rng)
    if call is None:
        return JacobianCheck(False, "the loss does not accept ordinary inputs of its specs")
    pair = draw_pair(contract, rng, call.sizes)
    y_true, y_pred = call.tensors(pair.y_true, pair.y_pred, "float64")
    try:
        return check(call.function, np.asarray(y_true), np.asarray(y_pred), rng)
    except Exception as problem:  # the loss is the user's: anything may be raised
        return JacobianCheck(False, f"{type(problem).__name__}: {problem}".splitlines()[0])


def check(function: Callable[[Any, Any], Any], y_true: Array, y_pred: Array, rng: np.random.Generator) -> JacobianCheck:
    """Compare both Jacobians at one input; y_pred of float64. Raises what the function raises."""
    both = _Both(function)
    base = both.value(y_true, y_pred)
    if base.dtype != np.float64:
        return JacobianCheck(False, "the loss computes in lower precision")
    if not np.all(np.isfinite(base)) or not np.array_equal(base, both.value(y_true, y_pred)):
        return JacobianCheck(False, "the loss is not finite there, or draws random numbers")
    if _per_sample(both, y_true, y_pred, base, rng):
        return _compared(*_blocks(both, y_true, y_pred, base), per_sample=True)
    if y_pred.size > _COUPLED:
        return JacobianCheck(False, f"the loss couples its samples, and y_pred has {y_pred.size} entries")
    return _compared(both.jacobian(y_true, y_pred), *_all_by_moves(both, y_true, y_pred), per_sample=False)


@dataclass(frozen=True)
class _Both:
    """The loss and its gradients, called eagerly: a handful of large calls costs less than tracing."""

    function: Callable[[Any, Any], Any]

    def value(self, y_true: Array, y_pred: Array) -> Array:
        import tensorflow as tf

        return np.asarray(tf.convert_to_tensor(self.function(tf.constant(y_true), tf.constant(y_pred))))

    def gradient(self, y_true: Array, y_pred: Array, weights: Array) -> Array:
        """Of sum(weights * value), in the shape of y_pred; zeros where there is none."""
        import tensorflow as tf

        inputs: Any = tf.constant(y_pred)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            total: Any = tf.reduce_sum(tf.convert_to_tensor(self.function(tf.constant(y_true), inputs)) * weights)
        found: Any = tape.gradient(total, inputs)
        return np.zeros_like(y_pred) if found is None else np.asarray(tf.convert_to_tensor(found))

    def jacobian(self, y_true: Array, y_pred: Array) -> Array:
        """Of shape (entries of the value, entries of y_pred)."""
        import tensorflow as tf

        inputs: Any = tf.constant(y_pred)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value: Any = tf.reshape(tf.convert_to_tensor(self.function(tf.constant(y_true), inputs)), [-1])
        found: Any = tape.jacobian(value, inputs)
        rows = len(value)
        return np.zeros((rows, y_pred.size)) if found is None else np.asarray(found).reshape(rows, -1)


def _per_sample(both: _Both, y_true: Array, y_pred: Array, base: Array, rng: np.random.Generator) -> bool:
    """Whether each value depends on its own sample only, and not on the size of the batch."""
    batch = len(y_pred)
    if base.ndim < 1 or len(base) != batch or len(y_true) != batch or batch < 2:
        return False
    chosen = rng.permutation(batch) < batch // 2
    for half in (chosen, ~chosen):
        changed = y_pred.copy()
        changed[half] = y_pred[np.roll(np.flatnonzero(half), 1)] * 0.9 + 0.01
        if not np.allclose(both.value(y_true, changed)[~half], base[~half], rtol=1e-12, atol=1e-300):
            return False
    twice = both.value(np.concatenate([y_true] * 2), np.concatenate([y_pred] * 2))
    return twice.shape == (2 * batch, *base.shape[1:]) and np.allclose(twice[:batch], base, rtol=1e-12, atol=1e-300)


def _blocks_by_tape(both: _Both, y_true: Array, y_pred: Array, base: Array) -> Array:
    """The blocks, of shape (batch, values of a sample, entries of a sample)."""
    batch, outputs = len(base), int(np.prod(base.shape[1:]))
    rows: list[Array] = []
    for place in range(outputs):
        weights = np.zeros((batch, outputs))
        weights[:, place] = 1.0
        rows.append(both.gradient(y_true, y_pred, weights.reshape(base.shape)).reshape(batch, -1))
    return np.stack(rows, axis=1)


def _blocks(both: _Both, y_true: Array, y_pred: Array, base: Array) -> tuple[Array, Array, Array]:
    """The blocks by the tape and by differences, and where the value has no kink nearby.

    Two points each tell most derivatives to nine digits; what they leave in doubt is looked at with six.
    """
    tape = _blocks_by_tape(both, y_true, y_pred, base)
    ends = _moved(both, y_true, y_pred, np.arange(tape.shape[-1]), np.array([1, -1]) * QUICK)
    found = np.moveaxis((ends[:, 0] - ends[:, 1]) / (2 * QUICK), 0, -1)
    largest = np.max(np.abs(found), axis=-1, keepdims=True, initial=1e-300)
    doubtful = np.flatnonzero(np.any(~(np.abs(tape - found) <= _DOUBT * largest), axis=(0, 1)))
    smooth = np.ones(found.shape, bool)
    if doubtful.size:
        values = _moved(both, y_true, y_pred, doubtful, np.array([1, -1, 2, -2, 3, -3]) * STEP)
        slopes, even = _slopes(values, base.reshape(len(base), -1), largest[None, :, :, 0])
        found[..., doubtful], smooth[..., doubtful] = np.moveaxis(slopes, 0, -1), np.moveaxis(even, 0, -1)
    return tape, found, smooth


def _moved(both: _Both, y_true: Array, y_pred: Array, places: Array, shifts: Array) -> Array:
    """Values with one entry of every sample moved, of shape (places, shifts, batch, values of a sample)."""
    batch, entries = len(y_pred), int(np.prod(y_pred.shape[1:]))
    at_once = max(1, _STACKED // (len(shifts) * y_pred.size))
    flat = y_pred.reshape(batch, entries)
    found: list[Array] = []
    for start in range(0, len(places), at_once):
        some = places[start : start + at_once]
        stack = np.broadcast_to(flat, (len(some), len(shifts), batch, entries)).copy()
        stack[np.arange(len(some)), :, :, some] += shifts[None, :, None]
        repeats = len(some) * len(shifts)
        true = np.broadcast_to(y_true, (repeats, *y_true.shape)).reshape(-1, *y_true.shape[1:])
        values = both.value(true, stack.reshape(-1, *y_pred.shape[1:]))
        found.append(values.reshape(len(some), len(shifts), batch, -1))
    return np.concatenate(found)


def _all_by_moves(both: _Both, y_true: Array, y_pred: Array) -> tuple[Array, Array]:
    """The same where every value may depend on every entry, of shape (values, entries)."""
    shifts = np.array([1, -1, 2, -2, 3, -3]) * STEP
    base = both.value(y_true, y_pred).reshape(-1)
    columns: list[Array] = []
    smooth: list[Array] = []
    for place in range(y_pred.size):
        values: list[Array] = []
        for shift in shifts:
            moved = y_pred.copy()
            moved.reshape(-1)[place] += shift
            values.append(both.value(y_true, moved).reshape(-1))
        found, even = _slopes(np.stack(values)[None, :, None, :], base[None, :], None)
        columns.append(found[0, 0])
        smooth.append(even[0, 0])
    return np.stack(columns, axis=-1), np.stack(smooth, axis=-1)


def _slopes(values: Array, base: Array, largest: Array | None) -> tuple[Array, Array]:
    """Derivatives from values at +h, -h, +2h, -2h, +3h, -3h (axis 1), and where both sides have the same slope.

    `largest` derivative of each value; by default of those at hand.
    """
    gaps = values[:, ::2] - values[:, 1::2]
    slopes = np.tensordot(WEIGHTS, np.moveaxis(gaps, 1, 0), axes=1) / STEP
    # One-sided, of third order: a kink within reach makes them differ by its whole size.
    right = (18 * values[:, 0] - 9 * values[:, 2] + 2 * values[:, 4] - 11 * base) / (6 * STEP)
    left = (11 * base - 18 * values[:, 1] + 9 * values[:, 3] - 2 * values[:, 5]) / (6 * STEP)
    scale = np.max(np.abs(slopes), axis=0, keepdims=True, initial=1e-300) if largest is None else largest
    return slopes, np.abs(right - left) <= _KINK * scale


def _compared(tape: Array, moved: Array, smooth: Array, *, per_sample: bool) -> JacobianCheck:
    usable = smooth & np.isfinite(moved)
    largest = np.max(np.abs(np.where(usable, moved, 0.0)), axis=-1, keepdims=True, initial=1e-300)
    error = np.where(usable, np.abs(tape - moved) / np.maximum(largest, 1e-9), 0.0)
    # NaN and None-as-zero of the tape are errors, never ties.
    worst = float(np.max(np.where(usable & ~np.isfinite(tape), np.inf, error), initial=0.0))
    return JacobianCheck(True, "", int(usable.sum()), int((~usable).sum()), worst, per_sample)
