"""The samples of a data set with the worst loss or gradient, batch after batch, in flat memory."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lossdoctor.findings import Sample, UsageError
from lossdoctor.readings.model import Array
from lossdoctor.subject.models import losses_of, only_loss
from lossdoctor.trials.losses import by_sample


def rank(
    model: Any, data: Any, y: Any, *, top: int, batch_size: int, progress: Callable[[int], None] | None
) -> list[Sample]:
    """The worst samples, what is not finite first; see `lossdoctor.rank_samples`."""
    if (losses_of(model) or {"": None}).keys() != {""} and len(losses_of(model) or ()) > 1:
        raise UsageError("Invalid value for `model`. Expected a model with one loss. Received: several losses")
    loss = only_loss(model, "model")[0]
    worst: list[tuple[tuple[int, float, float], int, Sample]] = []
    seen = 0
    for inputs, targets in batches(data, y, batch_size):
        values, slopes = _measured(model, loss, inputs, targets)
        for place, (value, slope) in enumerate(zip(values, slopes, strict=True)):
            finite = bool(np.isfinite(value) and np.isfinite(slope))
            sample = Sample(seen + place, float(value), float(slope))
            key = (int(not finite), float(value) if finite else 0.0, float(slope) if finite else 0.0)
            item = (key, -sample.index, sample)
            if len(worst) < top:
                heapq.heappush(worst, item)
            elif item[:2] > worst[0][:2]:
                heapq.heapreplace(worst, item)
        seen += len(values)
        if progress is not None:
            progress(seen)
    return [sample for _, _, sample in sorted(worst, key=lambda item: item[:2], reverse=True)]


def batches(data: Any, y: Any, batch_size: int) -> Iterator[tuple[Any, Any]]:
    """x and y, batch after batch: of arrays in slices, of a data set as it gives them."""
    if y is not None:
        size = len(y)
        for start in range(0, size, batch_size):
            yield data[start : start + batch_size], y[start : start + batch_size]
        return
    sized = hasattr(data, "__getitem__") and hasattr(data, "__len__")
    for batch in (data[place] for place in range(len(data))) if sized else data:
        if not isinstance(batch, tuple | list) or len(batch) < 2:
            raise UsageError("Invalid value for `data`. Expected batches of (x, y). Received: batches without y")
        yield batch[0], batch[1]


def _measured(model: Any, loss: Any, inputs: Any, targets: Any) -> tuple[Array, Array]:
    """Loss of each sample, and the norm of its gradient to its prediction."""
    import tensorflow as tf

    # A copy: Keras hangs the logits on the result of a softmax, and its cross-entropies go past it.
    prediction: Any = tf.identity(model(inputs, training=False))
    true: Any = tf.convert_to_tensor(targets)
    with tf.GradientTape() as tape:
        tape.watch(prediction)
        rows = by_sample(loss)(true, prediction)
    count = int(prediction.shape[0])
    values = np.asarray(rows, np.float64)
    if values.ndim == 0 or len(values) != count:
        return _alone(loss, true, prediction)
    gradient = tape.gradient(rows, prediction)
    slopes = np.zeros(count) if gradient is None else np.asarray(gradient, np.float64).reshape(count, -1)
    values = values.reshape(count, -1).mean(axis=1)
    return values, slopes if slopes.ndim == 1 else np.linalg.norm(slopes, axis=1)


def _alone(loss: Any, true: Any, prediction: Any) -> tuple[Array, Array]:
    """One sample at a time, of a loss that gives one number for all."""
    import tensorflow as tf

    values, slopes = [], []
    for row in range(int(prediction.shape[0])):
        one = prediction[row : row + 1]
        with tf.GradientTape() as tape:
            tape.watch(one)
            value = tf.reduce_mean(by_sample(loss)(true[row : row + 1], one))
        gradient = tape.gradient(value, one)
        values.append(float(value))
        slopes.append(0.0 if gradient is None else float(np.linalg.norm(np.asarray(gradient, np.float64))))
    return np.array(values), np.array(slopes)
