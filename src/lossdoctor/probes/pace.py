"""How long one step of the loss takes as `fit` runs it: value and gradient of a batch, as a graph."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from lossdoctor.probes.calls import Subject, caller
from lossdoctor.probes.draws import pair, sizes
from lossdoctor.spec import Contract

BATCH = 256
_OTHER = 16
_RUNS = 7
_SECONDS = 1.5  # for all runs


def probe(subject: Subject, contract: Contract) -> float | None:
    """The seconds of the fastest of a few steps with 256 samples (other named dimensions: 16); None where the loss
    does not run so."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    call = caller(subject, contract, rng)
    if call is None:
        return None
    drawn = pair(contract, rng, sizes(contract, BATCH, _OTHER))
    y_true, y_pred = call.tensors(drawn.y_true, drawn.y_pred)

    def step(y_true: Any, y_pred: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            value = tf.reduce_mean(call.function(y_true, y_pred))
        return value, tape.gradient(value, y_pred)

    try:
        run = tf.function(step, autograph=False).get_concrete_function(y_true, y_pred)
        return _fastest(lambda: run(y_true, y_pred))
    except Exception:  # the loss is the user's
        return None


def _fastest(run: Callable[[], Any]) -> float:
    run()  # the first run prepares kernels
    spent: list[float] = []
    while len(spent) < _RUNS and sum(spent) < _SECONDS:
        before = time.perf_counter()
        run()
        spent.append(time.perf_counter() - before)
    return min(spent)
