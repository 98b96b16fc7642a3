"""What is added to the backward pass: a finite check, the series of loss and gradient norm, copies and statistics.

All of it is made of ordinary operations on variables (no callback to Python), so it runs eagerly, in graphs, compiled
by XLA and on replicas alike. Nothing that training computes depends on it: y_pred and the gradient pass through
identities.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lossdoctor.runtime.slots import RING, Slot, keep, shape_row
from lossdoctor.runtime.untyped_tf import record as tapes
from lossdoctor.runtime.untyped_tf import tf


class Passage:
    """One call of a watched loss: what its forward pass leaves for its backward pass."""

    def __init__(self) -> None:
        self.loss: Any = None
        self.scale: Any = None  # what the loss was multiplied with on its way to the optimizer


def watched_predictions(leaves: Sequence[Any], passage: Passage, record: Callable[[Sequence[Any]], Any]) -> list[Any]:
    """The floating leaves of y_pred behind an identity whose gradient calls `record(upstream gradients)`."""

    @tf.custom_gradient
    def identity(*values: Any) -> Any:
        def backward(*upstream: Any) -> Any:
            dense = [tf.convert_to_tensor(each) for each in upstream]
            with tapes.stop_recording():
                done = record(dense)
            with tf.control_dependencies([done]):
                passed = [tf.identity(each) for each in dense]
            return passed if len(passed) > 1 else passed[0]

        out = [tf.identity(each) for each in values]
        return (out if len(out) > 1 else out[0]), backward

    del passage
    found = identity(*leaves)
    return list(found) if len(leaves) > 1 else [found]


def watched_loss(loss: Any, passage: Passage) -> Any:
    """The loss behind an identity that notes the gradient that arrives at it."""

    @tf.custom_gradient
    def identity(value: Any) -> Any:
        def backward(upstream: Any) -> Any:
            passage.scale = upstream
            return upstream

        return tf.identity(value), backward

    passage.loss = loss
    return identity(loss)


def advance(
    slot: Slot,
    loss: Any,
    scale: Any,
    gradients: Sequence[Any],
    kept: Sequence[Any],
    every: int,
    statistics: Callable[[], Sequence[Any]] | None,
) -> Any:
    """The operation that records one step.

    Args:
        slot: the variables.
        loss: the reduced loss; a tensor of any shape.
        scale: the gradient that arrived at it.
        gradients: of y_pred, one for each of its floating leaves.
        kept: the arrays of the batch, of which a copy is made at the first step that is not finite.
        every: the period of the statistics.
        statistics: makes the tables of statistics; None for none.
    """
    steps, captured, bad = tf.unstack(slot.counters.read_value())
    total = tf.reduce_sum(tf.cast(loss, tf.float32))
    # In float32: squares overflow beyond 1e19 only, and then the exact check below decides.
    norm = 2.0 * tf.add_n([tf.nn.l2_loss(tf.cast(each, tf.float32)) for each in gradients])
    factor = tf.ones([]) if scale is None else tf.reduce_mean(tf.cast(scale, tf.float32))
    row = tf.stack([total, norm, factor])
    written = tf.raw_ops.ResourceScatterNdUpdate(ref=slot.ring.handle, indices=[[steps % RING]], updates=[row])
    suspect = tf.logical_not(tf.math.is_finite(total + norm))
    suspect = tf.logical_or(suspect, total > slot.limit.read_value())

    def examine() -> Any:
        exact = [tf.math.is_finite(total), *(tf.reduce_all(tf.math.is_finite(each)) for each in gradients)]
        broken = tf.logical_not(tf.reduce_all(tf.stack(exact)))
        wanted = tf.logical_or(broken, total > slot.limit.read_value())
        return tf.cond(
            tf.logical_and(wanted, captured < 0),
            lambda: _copied(slot, row, kept, steps, bad, broken),
            lambda: tf.stack([steps + 1, captured, bad + tf.cast(broken, tf.int64)]),
        )

    counters = tf.cond(suspect, examine, lambda: tf.stack([steps + 1, captured, bad]))
    done = [written, slot.counters.assign(counters, read_value=False)]
    if statistics is not None:
        done.append(tf.cond(tf.equal(steps % every, 0), lambda: _tabled(slot, statistics, steps), lambda: steps))
    return _after(done, steps)


def _copied(slot: Slot, row: Any, kept: Sequence[Any], steps: Any, bad: Any, broken: Any) -> Any:
    done = [keep(buffer, value) for buffer, value in zip(slot.buffers, kept, strict=True)]
    done.append(slot.shapes.assign(tf.stack([shape_row(value) for value in kept]), read_value=False))
    done.append(slot.seen.assign(row, read_value=False))
    return _after(done, tf.stack([steps + 1, steps, bad + tf.cast(broken, tf.int64)]))


def _tabled(slot: Slot, statistics: Callable[[], Sequence[Any]], steps: Any) -> Any:
    values = zip(slot.tables, statistics(), strict=True)
    done = [table.assign(value, read_value=False) for table, value in values]
    done.append(slot.table_step.assign(steps, read_value=False))
    return _after(done, steps)


def _after(done: Sequence[Any], value: Any) -> Any:
    """The value once the operations have run; eagerly they have (and are None)."""
    with tf.control_dependencies([each for each in done if each is not None]):
        return tf.identity(value)
