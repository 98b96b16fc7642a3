"""What is added to the backward pass: a finite check, the series of loss and gradient norm, copies and statistics.

All of it is made of ordinary operations on variables (no callback to Python), so it runs eagerly, in graphs, compiled
by XLA and on replicas alike. Nothing that training computes depends on it: y_pred and the gradient pass through
identities.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lossdoctor.runtime.slots import RANK, WIDTH, Slot, shape_row
from lossdoctor.runtime.untyped_tf import AttrValue, control_flow_util, ops, tf
from lossdoctor.runtime.untyped_tf import record as tapes


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
    statistics: Callable[[], Any] | None,
) -> Any:
    """The operation that records one step.

    Args:
        slot: the variables.
        loss: the reduced loss; a tensor of any shape.
        scale: the gradient that arrived at it.
        gradients: of y_pred, one for each of its floating leaves.
        kept: the arrays of the batch, of which a copy is made at the first step that is not finite.
        every: the period of the statistics.
        statistics: makes the table of statistics; None for none.
    """
    compiled = execution() == "xla"
    state = slot.state.read_value()
    steps, captured, bad, limit, tabled = tf.unstack(state[0], WIDTH)
    total = tf.reduce_sum(tf.cast(loss, tf.float32))
    # In float32: squares overflow beyond 1e19 only, and then the exact check below decides.
    squares = [tf.nn.l2_loss(tf.cast(each, tf.float32)) for each in gradients]
    norm = squares[0] if len(squares) == 1 else tf.add_n(squares)
    factor = 1.0 if scale is None else tf.reduce_mean(tf.cast(scale, tf.float32))
    row = tf.cast(tf.stack([total, norm, factor, 0.0, 0.0]), tf.float64)
    below = total <= tf.cast(limit, tf.float32)
    ordinary = tf.logical_and(tf.math.is_finite(total + norm), below)
    due = tf.equal(steps % every, 0)
    if statistics is not None:
        ordinary = tf.logical_and(ordinary, tf.logical_not(due))

    def examined() -> Any:
        exact = [tf.math.is_finite(total), *(tf.reduce_all(tf.math.is_finite(each)) for each in gradients)]
        whole = tf.reduce_all(tf.stack(exact))
        wanted = tf.logical_and(tf.logical_not(tf.logical_and(whole, below)), captured < 0)
        done = [_branch(wanted, lambda: _after(_copied(slot, row, kept, compiled), steps), lambda: steps)]
        last = tabled
        if statistics is not None:
            done.append(_tabled(slot, statistics, steps, None if every == 1 and not compiled else due))
            last = tf.where(due, steps, tabled)
        head = [steps + 1, tf.where(wanted, steps, captured), bad + tf.cast(~whole, tf.float64), limit, last]
        return _after(done, tf.stack(head))

    # XLA fuses what is not a copy; elsewhere each operation counts.
    if compiled or (statistics is not None and every == 1):
        head = examined()
    else:
        head = _branch(ordinary, lambda: state[0] + [1.0, 0.0, 0.0, 0.0, 0.0], examined)
    done = slot.state.assign(tf.concat([tf.stack([head, row]), state[1:-1]], 0), read_value=False)
    return _after([done], steps)


def execution() -> str:
    """In which the code that runs now is or will be executed: eager, graph or xla."""
    if tf.executing_eagerly():
        return "eager"
    return "xla" if control_flow_util.GraphOrParentsInXlaContext(ops.get_default_graph()) else "graph"


def _branch(condition: Any, yes: Callable[[], Any], no: Callable[[], Any]) -> Any:
    """A conditional of one tensor, of which the branch that is not taken costs nothing.

    TensorFlow makes switches of a conditional, by which each operation of the branch that is not taken is visited all
    the same. Kept as it is, it runs on one device, where all that is in it must have kernels: so on CPUs only.
    """
    found = tf.cond(condition, yes, no)
    if execution() == "graph" and not tf.config.list_physical_devices("GPU"):
        op = found.op
        while op.type == "Identity":
            op = op.inputs[0].op
        if op.type in ("If", "StatelessIf"):
            op._set_attr("_lower_using_switch_merge", AttrValue(b=False))
    return found


def _copied(slot: Slot, row: Any, kept: Sequence[Any], compiled: bool) -> list[Any]:
    done = [
        each for buffer, value in zip(slot.buffers, kept, strict=True) for each in buffer.keep(value, compiled=compiled)
    ]
    first = tf.pad(row, [[0, RANK - WIDTH]])
    done.append(slot.about.assign(tf.stack([first, *map(shape_row, kept)]), read_value=False))
    return done


def _tabled(slot: Slot, statistics: Callable[[], Any], steps: Any, due: Any) -> Any:
    """The statistics at the steps that are due; None: at each."""

    table = slot.table
    assert table is not None

    def assigned() -> Any:
        return _after([table.assign(statistics(), read_value=False)], steps)

    return assigned() if due is None else _branch(due, assigned, lambda: steps)


def _after(done: Sequence[Any], value: Any) -> Any:
    """The value once the operations have run; eagerly they have (and are None)."""
    with tf.control_dependencies([each for each in done if each is not None]):
        return tf.identity(value)
