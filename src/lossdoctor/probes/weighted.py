"""sum(upstream * loss) with its gradient, for comparing the gradient that training uses with the value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lossdoctor.graph.run_tf import Executable
from lossdoctor.probes.calls import Caller
from lossdoctor.session import Array, Pair


@dataclass(frozen=True, slots=True)
class Point:
    total: float  # sum(upstream * value)
    size: float  # sum(|upstream * value|), what its rounding error is relative to
    gradients: list[Array]


@dataclass(frozen=True)
class Weighted:
    """sum(upstream * loss) and its gradient, traced once, as `fit` traces (without AutoGraph), and run as traced."""

    call: Caller
    function: Executable
    graph: Any
    dtype: str | None  # replaces the dtype of all floating inputs
    epsilon: float  # rounding unit of the coarsest floating tensor on the way
    upstream: Array
    connected: bool
    predictions: tuple[Any, ...] = ()  # the inputs of `graph` that are y_pred
    source: Any = None  # what was traced: total, size and gradients of (y_true, y_pred, upstream)

    @classmethod
    def traced(cls, call: Caller, pair: Pair, dtype: str | None, rng: np.random.Generator) -> Weighted:
        import tensorflow as tf

        connected: list[bool] = []
        values: list[Any] = []

        def weighted(y_true: Any, y_pred: Any, upstream: Any) -> Any:
            inputs = tf.nest.flatten(y_pred)
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                value = tf.convert_to_tensor(call.function(y_true, y_pred))
                values.append(value)
                parts = tf.cast(value, tf.float64) * tf.ensure_shape(upstream, value.shape)
                total = tf.reduce_sum(parts)
            gradients = tape.gradient(total, inputs)
            connected.append(any(gradient is not None for gradient in gradients))
            filled = [
                tf.zeros_like(one) if gradient is None else tf.convert_to_tensor(gradient)
                for one, gradient in zip(inputs, gradients, strict=True)
            ]
            return total, tf.reduce_sum(tf.abs(parts)), filled

        arguments = call.tensors(pair.y_true, pair.y_pred, dtype)
        any_shape: Any = None
        weights = tf.TensorSpec(any_shape, tf.float64)
        concrete: Any = tf.function(weighted, autograph=False).get_concrete_function(*arguments, weights)
        upstream = _upstream(_shape(values[-1], concrete.graph, arguments), rng)
        dtypes = {
            tensor.dtype
            for operation in concrete.graph.get_operations()
            for tensor in operation.outputs
            if tensor.dtype.is_floating and len(operation.inputs) > 0
        }
        epsilon = max(_epsilon(each) for each in dtypes)
        first = len(tf.nest.flatten(arguments[0]))
        predictions = tuple(concrete.inputs[first : first + len(tf.nest.flatten(arguments[1]))])
        # Without the graph optimiser: it takes longer than all the calls together.
        function = Executable(concrete.graph, concrete.outputs, effects=True)
        return cls(call, function, concrete.graph, dtype, epsilon, upstream, any(connected), predictions, weighted)

    def drawn(self, rng: np.random.Generator) -> Weighted:
        """The same with other weights."""
        return replace(self, upstream=_upstream(self.upstream.shape, rng))

    def at(self, pair: Pair) -> Point:
        import tensorflow as tf

        y_true, y_pred = self.call.tensors(pair.y_true, pair.y_pred, self.dtype)
        feeds = [*tf.nest.flatten(y_true), *tf.nest.flatten(y_pred), self.upstream]
        total, size, *gradients = self.function(feeds, optimised=False)
        return Point(float(total), float(size), [np.asarray(one, dtype=np.float64) for one in gradients])


def _shape(value: Any, graph: Any, arguments: tuple[Any, Any]) -> tuple[int, ...]:
    """The shape of a tensor in the graph of `weighted`, at these arguments."""
    import tensorflow as tf

    if value.shape.is_fully_defined():
        return tuple(value.shape)
    unused = np.float64(0)  # in the place of upstream, which a value does not need
    run = Executable(graph, [value], effects=False)
    return tuple(run([*tf.nest.flatten(arguments), unused], optimised=False)[0].shape)


def _upstream(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Weights of either sign, away from 1 in size: a lone weight of 1 would hide a missing factor."""
    return rng.uniform(1.5, 2.5, shape) * rng.permutation(np.resize((1.0, -1.0), shape).ravel()).reshape(shape)


def _epsilon(dtype: Any) -> float:
    # Half precision formats have 10 and 7 bits; NumPy does not know bfloat16.
    return {8: 2.0**-52, 4: 2.0**-23}.get(dtype.size, 2.0**-7)


def moved(weighted: Weighted, pair: Pair, along: list[Array], step: float) -> Point:
    """The weighted loss a step along a direction of y_pred."""
    if isinstance(pair.y_pred, np.ndarray):
        return weighted.at(Pair(pair.y_true, pair.y_pred.astype(np.float64) + step * along[0]))
    import tensorflow as tf

    flat = [
        np.asarray(one, dtype=np.float64) + step * direction
        for one, direction in zip(tf.nest.flatten(pair.y_pred), along, strict=True)
    ]
    return weighted.at(Pair(pair.y_true, tf.nest.pack_sequence_as(pair.y_pred, flat)))


def split(flat: Array, like: Sequence[Array]) -> list[Array]:
    parts = np.split(flat, np.cumsum([one.size for one in like])[:-1])
    return [part.reshape(one.shape) for part, one in zip(parts, like, strict=True)]
