"""Is a gradient only zero because a variable that is trained with the loss begins where it kills it?"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from lossdoctor.probes.calls import Caller
from lossdoctor.probes.dead_runs import Refused, Runs
from lossdoctor.readings import DeadGradient

_DRAWS = 2
_STEP = 0.5


def revived(call: Caller, runs: Runs, found: DeadGradient, rng: np.random.Generator) -> bool:
    """Whether `found` no longer holds where the trainable variables that the loss reads have other values.

    A coefficient that begins at zero has no slope for the prediction at first, and gets one with its first update.

    Args:
        call: the loss as it is, which reads its variables where a tape sees it.
        runs: how it was found.
    """
    import tensorflow as tf

    assert found.pair is not None
    y_true, y_pred = call.tensors(found.pair.y_true, found.pair.y_pred)
    with tf.GradientTape() as tape, contextlib.suppress(Exception):  # the loss is the user's: anything may be raised
        call.function(y_true, y_pred)
    variables = [one for one in tape.watched_variables() if one.dtype.is_floating]
    return bool(variables) and any(_moves(runs, found, variables, rng) for _ in range(_DRAWS))


def _moves(runs: Runs, found: DeadGradient, variables: Sequence[Any], rng: np.random.Generator) -> bool:
    assert found.pair is not None
    with _moved(variables, rng):
        try:
            _, gradients = runs.evaluate(found.pair)
        except Refused:
            return False
    flat = np.concatenate([np.ravel(one) for one in gradients if one is not None])
    wanted = flat if found.entries is None else flat[list(found.entries)]
    return bool(np.any(np.isfinite(wanted) & (wanted != 0.0)))


@contextlib.contextmanager
def _moved(variables: Sequence[Any], rng: np.random.Generator) -> Iterator[None]:
    """The variables somewhere else, as after some updates, for as long as this lasts."""
    before = [np.asarray(variable) for variable in variables]
    try:
        for variable, value in zip(variables, before, strict=True):
            step = _STEP * max(float(np.abs(value).max(initial=0.0)), 1.0)
            variable.assign(value + (step * rng.standard_normal(value.shape)).astype(value.dtype))
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)
