"""`watch`: a loss that records what training does with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lossdoctor.runtime.watched import WatchedLoss


def watch(loss: Any, *, every: int = 50, rows: int = 4096, max_bytes: int = 64 * 2**20) -> Any:
    """Give a loss a recorder: loss and gradient norm of each step, and the batch at which they stop being finite.

    Use it where the loss goes into `compile`, or call the result in a training loop of your own. Training computes
    the same numbers with and without it, in eager, graph and `jit_compile=True` execution and on replicas.

    Args:
        loss: a function of (y_true, y_pred), a Keras loss, its name, or a list or table of such for several outputs
            (None stays None).
        every: the period, in steps, of the statistics of every intermediate, value and gradient; 0 for none.
        rows: samples of a captured batch at most.
        max_bytes: of a captured batch at most, on each replica.

    Returns:
        A `keras.losses.Loss` (a list or table of them) with the name, reduction, dtype, masks, sample weights and
        serialization of the loss. A watched loss is returned as it is.

    Raises:
        UsageError: it is no loss, or a number is out of range.

    Example:
        >>> model.compile(loss=ld.watch(dice), optimizer="adam")  # doctest: +SKIP
    """
    if isinstance(loss, Mapping):
        return {key: watch(part, every=every, rows=rows, max_bytes=max_bytes) for key, part in loss.items()}
    if isinstance(loss, list | tuple):
        return [watch(part, every=every, rows=rows, max_bytes=max_bytes) for part in loss]
    if loss is None or isinstance(loss, WatchedLoss):
        return loss
    return WatchedLoss(loss, every, rows, max_bytes)
