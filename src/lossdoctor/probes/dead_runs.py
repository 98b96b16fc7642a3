"""The loss over samples: its values one by one, and where the gradient of a batch is exactly zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lossdoctor.probes.calls import Caller, Live
from lossdoctor.search.evaluate import leaves, rebuilt
from lossdoctor.session import Array, Pair, Value
from lossdoctor.spec import BATCH, Contract, Spec, Structure

# float32 sums carry a relative error of a few 2^-24.
ROUNDING = 4e-6
# Of the spread of the losses: less is not worth a step.
CLEAR = 1e-3
NUDGE = 1e-3


class Refused(Exception):
    """The loss raised at an input."""


@dataclass(frozen=True)
class Runs:
    """A way of calling the loss. `rows`: it returns one row per sample, so that many samples need one call. `live`: the
    traced loss, which computes the same and is run instead."""

    call: Caller
    contract: Contract
    rows: bool
    live: Live | None = None

    def in_graph(self, live: Live | None, pair: Pair, value: Array, gradients: Sequence[Array | None]) -> Runs:
        """The same in the traced graph, if it gives this value and these gradients at a pair."""
        if live is None or self.call.cast:
            return self
        found = live.run([pair], "unoptimised")[0]
        same = len(found.gradients) == len(gradients) and all(
            _alike(*both) for both in zip((found.value, *found.gradients), (value, *gradients), strict=True)
        )
        return self.traced(live) if same else self

    def traced(self, live: Live) -> Runs:
        return replace(self, call=replace(self.call, function=live.value), live=live)

    def evaluate(self, pair: Pair) -> tuple[Array, list[Array | None]]:
        """What the loss returns (float64), and the gradient of its sum for each leaf of y_pred.

        Raises:
            Refused: whatever the loss raises.
        """
        import tensorflow as tf

        if self.live is not None:
            found = self.live.run([pair], "unoptimised")[0]
            if found.raised is not None:
                raise Refused(f"{found.raised.type}: {found.raised.message}")
            return np.asarray(found.value, dtype=np.float64), list(found.gradients)
        try:
            y_true, y_pred = self.call.tensors(pair.y_true, pair.y_pred)
            inputs = tf.nest.flatten(y_pred)
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                value = tf.convert_to_tensor(self.call.function(y_true, y_pred))
                total = tf.reduce_sum(value)
            found = tape.gradient(total, inputs)
            gradients = [None if one is None else np.asarray(tf.convert_to_tensor(one)) for one in found]
            return np.asarray(value, dtype=np.float64), gradients
        except Exception as problem:  # the loss is the user's: anything may be raised
            raise Refused(f"{type(problem).__name__}: {problem}".splitlines()[0]) from problem

    def values(self, pair: Pair) -> Array:
        """The loss of each sample, in one call where it returns rows; NaN where it is not finite."""
        if self.rows:
            return finite(per_row(self.value(pair)))
        size = leaves(pair.y_pred)[0].shape[0]
        return finite(np.array([np.mean(self.value(self.part(pair, [i]))) for i in range(size)]))

    def mean(self, pair: Pair) -> float:
        """The mean loss of the whole batch; NaN where it is not finite."""
        return float(finite(np.mean(self.value(pair))))

    def flat(self, pair: Pair, value: Array, rng: np.random.Generator, entries: Array | None = None) -> Array:
        """Whether the loss of each sample stays `value` nearby (where only `entries` move): what moves although its
        gradient is zero is cut off by design (stop_gradient) or another fault."""
        return level(value, self.values(self.nudged(pair, rng, entries)))

    @staticmethod
    def nudged(pair: Pair, rng: np.random.Generator, entries: Array | None = None) -> Pair:
        """The same with y_pred smaller by about a thousandth, which every kind of value allows."""
        parts = [
            part * (1.0 - rng.uniform(0.5, 1.5, part.shape) * NUDGE) if part.dtype.kind == "f" else part
            for part in leaves(pair.y_pred)
        ]
        if entries is not None:
            parts = [np.where(entries, parts[0], pair.y_pred)]
        given = leaves(pair.y_pred)
        return Pair(
            pair.y_true,
            rebuilt(pair.y_pred, [part.astype(old.dtype) for part, old in zip(parts, given, strict=True)]),
        )

    def value(self, pair: Pair) -> Array:
        """What the loss returns.

        Raises:
            Refused: whatever the loss raises.
        """
        try:
            with np.errstate(all="ignore"):
                return self.call.value(pair)
        except Exception as problem:  # as above
            raise Refused(f"{type(problem).__name__}: {problem}".splitlines()[0]) from problem

    def part(self, pair: Pair, samples: Sequence[int] | Array) -> Pair:
        """These samples of a pair."""
        return Pair(
            _taken(pair.y_true, self.contract.y_true, samples), _taken(pair.y_pred, self.contract.y_pred, samples)
        )

    def rounded(self, pair: Pair, better: Value) -> tuple[Pair, Value]:
        """The same with few digits, where the gradient is still zero and the loss still higher than at `better`."""
        specs: list[Spec] = [*leaves(self.contract.y_true), *leaves(self.contract.y_pred)]
        if any(spec.kind == "probability" for spec in specs):
            return pair, better
        for digits in (0, 1, 2):
            plain = Pair(_rounded(pair.y_true, digits), _rounded(pair.y_pred, digits))
            target = _rounded(better, digits)
            if any(np.any(gradient) for gradient in self.evaluate(plain)[1] if gradient is not None):
                continue
            if self.mean(plain) > self.mean(Pair(plain.y_true, target)) + CLEAR * abs(self.mean(plain)):
                return plain, target
        return pair, better

    def dead_samples(self, gradients: Sequence[Array | None]) -> Array:
        """For each sample of a batch, whether its whole gradient is exactly zero."""
        specs: list[Spec] = leaves(self.contract.y_pred)
        masks = [
            ~np.any(np.moveaxis(one, spec.dims.index(BATCH), 0).reshape(one.shape[spec.dims.index(BATCH)], -1), axis=1)
            for one, spec in zip(gradients, specs, strict=True)
            if one is not None
        ]
        return np.logical_and.reduce(masks)


def _alike(one: Array | None, other: Array | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-5, atol=1e-7, equal_nan=True)


def per_row(value: Array) -> Array:
    return value.reshape(value.shape[0], -1).mean(axis=1)


def finite(value: Any) -> Array:
    return np.where(np.isfinite(value), value, np.nan)


def above(value: Array, best: Array, spread: float) -> Array:
    """Where a loss is clearly above another; never where one is NaN."""
    with np.errstate(invalid="ignore"):
        return np.asarray(value - best > CLEAR * spread + ROUNDING * np.abs(value))


def level(value: Array, nearby: Array) -> Array:
    """Where two losses are equal up to rounding."""
    return np.asarray(np.abs(value - nearby) <= 2.0 * ROUNDING * np.abs(value))


def _rounded(value: Value, digits: int) -> Value:
    parts = leaves(value)
    return rebuilt(
        value, [np.round(part, digits).astype(part.dtype) if part.dtype.kind == "f" else part for part in parts]
    )


def _taken(value: Value, structure: Structure, samples: Sequence[int] | Array) -> Value:
    specs: list[Spec] = leaves(structure)
    parts = [
        np.take(part, samples, axis=spec.dims.index(BATCH)) if BATCH in spec.dims else part
        for part, spec in zip(leaves(value), specs, strict=True)
    ]
    return rebuilt(value, parts)
