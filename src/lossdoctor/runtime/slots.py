"""The variables in which one replica keeps what the recorder saw, and reading them from outside of the graph.

Every variable has a fixed shape: under `jit_compile=True` a variable cannot change its own. Arrays are kept flat, with
their shapes beside them, and what does not fit is cut off at whole rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossdoctor.runtime.untyped_tf import ResourceVariable, ops, tf

RING = 128  # last steps whose loss and gradient norm are kept
RANK = 8  # axes of an array that can be kept
_OPEN_ROW = 1024  # elements of a row with an axis of unknown size, for which room is made


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


class Slot:
    """What is recorded of one call of a watched loss on one replica.

    `counters` holds the steps seen, the step that was captured (-1: none) and how many steps were not finite;
    `ring` a row for each of the last steps: loss, squared norm of the gradient at y_pred, and what the loss was
    multiplied with on its way to the optimizer (loss scaling, weights of several losses); `limit` is the loss above
    which a finite batch is captured as well.
    """

    def __init__(self, leaves: Sequence[Any], capacity: Capacity, rows_of_statistics: int, columns: Sequence[int]):
        self.sizes = _sizes(leaves, capacity)
        with ops.init_scope(), tf.device(_device(leaves)):
            self.counters = _variable(tf.constant([0, -1, 0], tf.int64))
            self.ring = _variable(tf.zeros([RING, 3]))
            self.limit = _variable(tf.constant(math.inf))
            self.seen = _variable(tf.zeros([3]))  # the row of the captured step
            self.buffers = [
                _variable(tf.zeros([size], leaf.dtype)) for size, leaf in zip(self.sizes, leaves, strict=True)
            ]
            self.shapes = _variable(tf.fill([len(leaves), RANK], -1))
            self.tables = [_variable(tf.zeros([rows_of_statistics, count])) for count in columns]
            self.table_step = _variable(tf.constant(-1, tf.int64))

    @property
    def steps(self) -> int:
        return int(self.counters.numpy()[0])

    @property
    def captured_step(self) -> int | None:
        """The step whose batch is kept, counted from 0."""
        step = int(self.counters.numpy()[1])
        return None if step < 0 else step

    def rows(self, since: int) -> tuple[int, np.ndarray[Any, Any]]:
        """The rows of the steps from `since` on, as far as they are still there, and the step of the first."""
        steps = self.steps
        first = max(since, steps - RING)
        ring = self.ring.numpy().astype(np.float64)
        return first, ring[[step % RING for step in range(first, steps)]]

    def kept(self) -> list[Kept]:
        """The arrays of the captured step, in the order in which they were given."""
        shapes = self.shapes.numpy()
        return [
            _unflattened(buffer.numpy(), tuple(int(n) for n in shape if n >= 0))
            for buffer, shape in zip(self.buffers, shapes, strict=True)
        ]

    def rearm(self) -> None:
        """Forget the captured batch, so that the next one is kept."""
        steps, _, bad = self.counters.numpy()
        self.counters.assign([steps, -1, bad])
        self.limit.assign(math.inf)


def keep(buffer: Any, value: Any) -> Any:
    """The assignment of a flat, cut or padded array to its buffer."""
    size = buffer.shape[0]
    flat = tf.reshape(value, [-1])[:size]
    return buffer.assign(tf.pad(flat, [[0, size - tf.size(flat)]]), read_value=False)


def shape_row(value: Any) -> Any:
    """The shape of an array, filled up with -1."""
    shape = tf.shape(value)
    return tf.pad(shape, [[0, RANK - len(value.shape)]], constant_values=-1)


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
