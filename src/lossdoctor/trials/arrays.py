"""What the caller gives as x, y and sample_weight, as arrays by name, and the rows of them that run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossdoctor.findings import UsageError
from lossdoctor.readings.model import Array
from lossdoctor.spec.arrays import row_lengths

LARGEST = 128  # samples that run; what is not finite among the others joins them
_JOINING = 8


@dataclass(frozen=True)
class Given:
    """The batch as flat tables; a key is "" where there is one array only."""

    x: Mapping[str, Array]
    y: Mapping[str, Array]
    weight: Mapping[str, Array]
    rows: tuple[int, ...]
    nested: tuple[type | None, type | None, type | None] = (None, None, None)  # list, tuple or dict: how each came

    @property
    def size(self) -> int:
        return len(next(iter(self.x.values())))

    def inputs(self) -> Any:
        """The rows of x that run, in the structure that it came in."""
        return structured(self._run(self.x), self.nested[0])

    def targets(self) -> Any:
        """Likewise y; None without one."""
        return structured(self._run(self.y), self.nested[1]) if self.y else None

    def weights(self) -> Any:
        """Likewise the sample weights."""
        return structured(self._run(self.weight), self.nested[2]) if self.weight else None

    def _run(self, parts: Mapping[str, Array]) -> dict[str, Any]:
        import tensorflow as tf

        rows = list(self.rows)
        return {
            key: tf.constant(value[rows].tolist() if value.dtype == object else value[rows])
            for key, value in parts.items()
        }


def given(x: Any, y: Any = None, sample_weight: Any = None) -> Given:
    """Read x, y and sample_weight, or a data set or generator of such as x, of which the first batch counts.

    Raises:
        UsageError: they are no arrays, or their first axes differ.
    """
    if y is None and not hasattr(x, "shape") and not isinstance(x, Mapping | list | tuple):
        x, y, sample_weight = first_batch(x)
    inputs, of_x = table(x, "x")
    targets, of_y = ({}, None) if y is None else table(y, "y")
    weights, of_weights = ({}, None) if sample_weight is None else table(sample_weight, "sample_weight")
    sizes = {
        f"{name}{f'[{key!r}]' if key else ''}": len(value) if value.ndim else 0
        for name, part in (("x", inputs), ("y", targets), ("sample_weight", weights))
        for key, value in part.items()
    }
    if len(set(sizes.values())) > 1:
        shown = ", ".join(f"{name} of {size}" for name, size in sizes.items())
        raise UsageError(f"Invalid value for `y`. Expected as many samples in each array. Received: {shown}")
    if not sizes or 0 in sizes.values():
        raise UsageError("Invalid value for `x`. Expected at least one sample. Received: none")
    rows = _rows([*inputs.values(), *targets.values(), *weights.values()])
    return Given(inputs, targets, weights, rows, (of_x, of_y, of_weights))


def first_batch(data: Any) -> tuple[Any, Any, Any]:
    """x, y and sample_weight of the first batch of a data set, generator or `keras.utils.Sequence`."""
    try:
        batch = data[0] if hasattr(data, "__getitem__") and hasattr(data, "__len__") else next(iter(data))
    except Exception as problem:
        raise UsageError(
            f"Invalid value for `x`. Expected arrays, or a data set with a batch. Received: {type(data).__name__} "
            f"({type(problem).__name__}: {problem})"
        ) from None
    if not isinstance(batch, tuple | list):
        return batch, None, None
    return (batch[0], batch[1] if len(batch) > 1 else None, batch[2] if len(batch) > 2 else None)


def table(value: Any, argument: str) -> tuple[dict[str, Array], type | None]:
    """Arrays by name: of a table its keys, of a list "0", "1", …, of one array ""."""
    if isinstance(value, Mapping):
        return {str(key): array(part, argument) for key, part in value.items()}, dict
    parts = isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 0
    if parts and all(hasattr(part, "shape") and np.ndim(part) > 0 for part in value):
        kept = tuple if isinstance(value, tuple) else list
        return {str(place): array(part, argument) for place, part in enumerate(value)}, kept
    return {"": array(value, argument)}, None


def array(value: Any, argument: str) -> Array:
    """An array, of dtype object where it holds text.

    Raises:
        UsageError: it has no first axis, or is ragged.
    """
    if row_lengths(value) is not None:
        raise UsageError(
            f"Invalid value for `{argument}`. Expected rows of one length; ragged are only y_true and y_pred of a "
            f"single loss, as in check(loss, y_true, model(x)). Received: {type(value).__name__}"
        )
    try:
        found = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    except Exception:
        found = None
    if found is None or found.ndim == 0:
        raise UsageError(
            f"Invalid value for `{argument}`. Expected an array with the samples on its first axis. "
            f"Received: {type(value).__name__}"
        )
    return found.astype(object) if found.dtype.kind in "OSU" else found


def structured(parts: Mapping[str, Any], kind: type | None) -> Any:
    """The parts of a table in the structure that it came in: one alone, a list, a tuple or a table."""
    if kind is None:
        return next(iter(parts.values()))
    return dict(parts) if kind is dict else kind(parts.values())


def _rows(arrays: Sequence[Array]) -> tuple[int, ...]:
    """The first rows, and some of those further on that hold what is not finite."""
    size = len(arrays[0])
    if size <= LARGEST:
        return tuple(range(size))
    bad = np.zeros(size, bool)
    for one in arrays:
        if one.dtype.kind == "f":
            bad |= ~np.isfinite(one.reshape(size, -1)).all(axis=1)
    found = [int(row) for row in np.flatnonzero(bad) if row >= LARGEST - _JOINING][:_JOINING]
    return (*range(LARGEST - len(found)), *found)
