"""The variables in which one replica keeps what the recorder saw, and reading them from outside of the graph.

They are few, because under `jit_compile=True` each costs at every step, and every variable has a fixed shape, because
none can change its own there. Arrays are kept flat, with their shapes beside them, and what does not fit is cut off at
whole rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossdoctor.graph.bodies_tf import variables
from lossdoctor.runtime.untyped_tf import ResourceVariable, ops, tf

RING = 128  # last steps whose loss and gradient norm are kept
RANK = 8  # axes of an array that can be kept
WIDTH = 5  # of a row of `Slot.state`
_OPEN_ROW = 1024  # elements of a row with an axis of unknown size, for which room is made
_PART = 2**16  # bytes of the first part of a buffer
_GROWTH = 8  # of each further part


@dataclass(frozen=True)
class Capacity:
    """Bounds of what is kept of one batch."""

    rows: int = 4096
    bytes: int = 64 * 2**20  # of all arrays together


@dataclass(frozen=True)
class Kept:
    """An array as it was at the step that was captured; of a truncated one the first rows."""

    array: np.ndarray[Any, Any]
    shape: tuple[int, ...]  # of the whole

    @property
    def truncated(self) -> bool:
        return self.array.shape != self.shape


class Buffer:
    """Room for a flat array, in parts of which each is much larger than the one before.

    XLA copies a variable that a step may assign, at every step; a batch that fits into the first parts leaves the
    others alone.
    """

    def __init__(self, size: int, dtype: Any) -> None:
        self.size = size
        self.dtype = dtype
        self.starts = [0]
        part = max(1, _PART // dtype.size)
        while self.starts[-1] + part < size:
            self.starts.append(self.starts[-1] + part)
            part *= _GROWTH
        ends = [*self.starts[1:], size]
        self.parts = [_variable(tf.zeros([end - start], dtype)) for start, end in zip(self.starts, ends, strict=True)]

    def keep(self, value: Any, *, compiled: bool) -> list[Any]:
        """The assignments of an array that is cut or padded; `compiled`: in XLA, where its size is a constant."""
        flat = tf.reshape(value, [-1])[: self.size]
        return [self._assigned(flat, place, compiled) for place in range(len(self.parts))]

    def _assigned(self, flat: Any, place: int, compiled: bool) -> Any:
        start, part = self.starts[place], self.parts[place]

        def assign() -> Any:
            here = flat[start : start + part.shape[0]]
            padded = tf.pad(here, [[0, part.shape[0] - tf.size(here)]])
            done = part.assign(padded, read_value=False)
            with tf.control_dependencies([] if done is None else [done]):
                return tf.constant(1)

        if place == 0 or not compiled:
            return assign()
        # XLA compiles only the branch of a constant index.
        return tf.switch_case(tf.cast(tf.size(flat) > start, tf.int32), [lambda: tf.constant(0), assign])

    def numpy(self) -> np.ndarray[Any, Any]:
        return np.concatenate([part.numpy() for part in self.parts])


class Slot:
    """What is recorded of one call of a watched loss on one replica.

    `state` holds, in its first row, the steps seen, the step that was captured (-1: none), how many steps were not
    finite, the loss above which a finite batch is captured as well, and the step of the statistics (-1: none); then a
    row for each of the last steps, the latest first: loss, half the squared norm of the gradient at y_pred, and what
    the loss was multiplied with on its way to the optimizer (loss scaling, weights of several losses). `about` holds
    the row of the captured step and the shapes of its arrays, which `buffers` hold; `table` the statistics.
    """

    def __init__(
        self, leaves: Sequence[Any], capacity: Capacity, rows_of_statistics: int, columns: int, *, bodies: int = 0
    ) -> None:
        with ops.init_scope(), tf.device(_device(leaves)):
            first = [0.0, -1.0, 0.0, math.inf, -1.0]
            self.state = _variable(tf.constant([first] + [[0.0] * WIDTH] * RING, tf.float64))
            self.about = _variable(tf.fill([1 + len(leaves), RANK], tf.constant(-1.0, tf.float64)))
            sizes = _sizes(leaves, capacity)
            self.buffers = [Buffer(size, leaf.dtype) for size, leaf in zip(sizes, leaves, strict=True)]
            self.table = _variable(tf.zeros([rows_of_statistics, columns])) if rows_of_statistics else None
            self.bodies = variables(bodies)

    @property
    def steps(self) -> int:
        return int(self.state.numpy()[0, 0])

    @property
    def captured_step(self) -> int | None:
        """The step whose batch is kept, counted from 0."""
        step = int(self.state.numpy()[0, 1])
        return None if step < 0 else step

    @property
    def table_step(self) -> int:
        """The step of the statistics; -1 before the first."""
        return int(self.state.numpy()[0, 4])

    def rows(self, since: int) -> tuple[int, np.ndarray[Any, Any]]:
        """The step of the first and the loss, squared norm and scale of each from `since` on that is still there."""
        state = self.state.numpy()
        steps = int(state[0, 0])
        first = max(since, steps - RING)
        return first, _row(state[1 : 1 + steps - first][::-1])

    def seen(self) -> np.ndarray[Any, Any]:
        """Loss, squared norm and scale of the captured step."""
        return _row(self.about.numpy()[0])

    def kept(self) -> list[Kept]:
        """The arrays of the captured step, in the order in which they were given."""
        shapes = self.about.numpy()[1:]
        return [
            _unflattened(buffer.numpy(), tuple(int(n) for n in shape if n >= 0))
            for buffer, shape in zip(self.buffers, shapes, strict=True)
        ]

    def rearm(self, limit: float = math.inf) -> None:
        """Forget the captured batch, so that the next one is kept that is not finite or whose loss exceeds `limit`."""
        state = self.state.numpy()
        state[0, 1], state[0, 3] = -1.0, limit
        self.state.assign(state)


def _row(stored: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return stored[..., :3] * [1.0, 2.0, 1.0]


def shape_row(value: Any) -> Any:
    """The shape of an array, filled up with -1."""
    shape = tf.pad(tf.shape(value), [[0, RANK - len(value.shape)]], constant_values=-1)
    return tf.cast(shape, tf.float64)


def _variable(value: Any) -> Any:
    return ResourceVariable(value, trainable=False)


def _device(leaves: Sequence[Any]) -> str | None:
    return next((leaf.device for leaf in leaves if leaf.device), None)


def _sizes(leaves: Sequence[Any], capacity: Capacity) -> list[int]:
    """Elements of each buffer: as many whole rows as all bounds allow."""
    widths = [_width(leaf) for leaf in leaves]
    row = sum(width * leaf.dtype.size for width, leaf in zip(widths, leaves, strict=True))
    rows = max(1, min(capacity.rows, capacity.bytes // max(1, row)))
    return [width * rows for width in widths]


def _width(leaf: Any) -> int:
    dims = leaf.shape.as_list()[1:]
    known = math.prod(dim for dim in dims if dim is not None)
    return max(1, known * (1 if None not in dims else max(1, _OPEN_ROW // max(1, known))))


def _unflattened(flat: np.ndarray[Any, Any], shape: tuple[int, ...]) -> Kept:
    count = math.prod(shape)
    if count <= flat.size:
        return Kept(flat[:count].reshape(shape), shape)
    width = math.prod(shape[1:])
    rows = flat.size // width if width else 0
    return Kept(flat[: rows * width].reshape(rows, *shape[1:]), shape)
