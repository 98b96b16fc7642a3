"""What becomes of the loss under two replicas of `tf.distribute`, and of a sample whose weight is zero.

One batch goes through the loss whole, and in two halves on two logical CPUs under `MirroredStrategy`; gradients of the
replicas are added up, as an optimizer does. A loss with a value for each sample gives the same step both ways: Keras
divides by the number of replicas, a training loop with `tf.nn.compute_average_loss` by the global batch size.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from lossdoctor.graph.spans import raised
from lossdoctor.probes.batches import rows, specs_of
from lossdoctor.probes.callings import keras_reduced
from lossdoctor.probes.calls import TRIED, Subject
from lossdoctor.probes.capture import Sink
from lossdoctor.probes.draws import pair as ordinary
from lossdoctor.probes.draws import sizes as size_table
from lossdoctor.readings import Replicas, Split
from lossdoctor.search.evaluate import leaves, rebuilt, to_numpy, value_and_gradients
from lossdoctor.session import Array, Pair
from lossdoctor.spec import Contract, Spec

HALF = 2  # samples of a replica
Call = Callable[[Any, Any], Any]


def probe(subject: Subject, contract: Contract, *, seed: int = 0) -> Replicas:
    """One step with one replica and with two, and one with a weight of zero for the last sample.

    The loss has to accept batches of 2 and 4; `reason` says why nothing was measured.
    """
    if any(list(spec.dims).count("B") != 1 for spec in specs_of(contract)):
        return Replicas(reason="an argument has no batch axis, or two of them")
    pair = _pair(subject, contract, seed)
    if pair is None:
        return Replicas(reason=f"it does not run on {2 * HALF} ordinary samples")
    flat = isinstance(contract.y_true, Spec) and isinstance(contract.y_pred, Spec)
    reduced = keras_reduced(subject) if flat else None
    strategy = _strategy()
    sink = Sink()
    with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
        share = None if reduced is None else _unweighted(reduced, contract, pair)
        if strategy is None:
            return Replicas(pair=pair, zero_weight=share, reason="TensorFlow runs on one device here")
        try:
            loop = _split(strategy, subject.call, contract, pair)
            keras = None
            if reduced is not None:
                keras = _split(strategy, lambda t, p: reduced(t, p, None), contract, pair)
        except (Exception, SystemExit) as problem:  # the loss is the user's
            said = raised(problem, subject.is_user)
            return Replicas(pair=pair, zero_weight=share, reason=f"it raises {said.type}: {said.message}")
    return Replicas(pair=pair, keras=keras, loop=loop, zero_weight=share)


@cache
def _strategy() -> Any | None:
    """Two replicas on two logical CPUs; None where TensorFlow has been started with one."""
    import tensorflow as tf

    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    return tf.distribute.MirroredStrategy(devices[:2]) if len(devices) > 1 else None


def _pair(subject: Subject, contract: Contract, seed: int) -> Pair | None:
    """An ordinary batch that the loss accepts, whole and in halves."""
    for other in dict.fromkeys(other for _, other in TRIED):
        drawn = ordinary(contract, np.random.default_rng(seed), size_table(contract, 2 * HALF, other))
        try:
            for start, stop in ((0, 2 * HALF), (0, HALF)):
                subject.call(*_tensors(contract, rows(contract, drawn, start, stop)))
        except Exception:  # the loss is the user's: anything may be raised
            continue
        return drawn
    return None


def _split(strategy: Any, call: Call, contract: Contract, pair: Pair) -> Split:
    """Value and gradient of a batch at once, and of its halves on two replicas."""

    def step(y_true: Any, y_pred: Any) -> tuple[Any, list[Any]]:
        value, gradients = value_and_gradients(call, y_true, y_pred)
        return value, [_zeros(part) if g is None else g for g, part in zip(gradients, leaves(y_pred), strict=True)]

    whole_value, whole = step(*_tensors(contract, pair))
    halves = [rows(contract, pair, 0, HALF), rows(contract, pair, HALF, 2 * HALF)]
    given = strategy.experimental_distribute_values_from_function(
        lambda context: _tensors(contract, halves[context.replica_id_in_sync_group])
    )
    values, gradients = strategy.run(step, args=given)
    parts = [strategy.experimental_local_results(part) for part in gradients]
    axes = [spec.dims.index("B") for spec in leaves(contract.y_pred)]
    joined = [np.concatenate([_double(part) for part in two], axis) for two, axis in zip(parts, axes, strict=True)]
    ratio, scatter = _compared([_double(part) for part in whole], joined)
    one = float(_double(whole_value).sum())
    two = [float(_double(value).sum()) for value in strategy.experimental_local_results(values)]
    return Split(one=one, two=(two[0], two[1]), ratio=ratio, scatter=scatter)


def _compared(whole: Sequence[Array], joined: Sequence[Array]) -> tuple[float, float]:
    """The factor that takes the first gradient nearest to the second, and what is left, relative to the second."""
    first, second = (np.concatenate([np.ravel(part) for part in parts]) for parts in (whole, joined))
    below, above = float(first @ first), float(np.linalg.norm(second))
    if below == 0.0 or not np.isfinite(below) or not np.isfinite(above):
        return float("nan"), float("nan")
    ratio = float(first @ second) / below
    return ratio, float(np.linalg.norm(second - ratio * first)) / above if above else 0.0


def _unweighted(reduced: Callable[[Any, Any, Any], Any], contract: Contract, pair: Pair) -> float | None:
    """Gradient of the last sample with weight zero, relative to what it is with weight one; None where it raises."""
    import tensorflow as tf

    def last(weights: list[float]) -> float:
        _, gradients = value_and_gradients(lambda t, p: reduced(t, p, tf.constant(weights)), *_tensors(contract, pair))
        cut = rows(
            contract, Pair(pair.y_true, rebuilt(pair.y_pred, [_double(g) for g in gradients])), 2 * HALF - 1, 2 * HALF
        )
        return float(np.sqrt(sum(float(np.sum(np.square(part))) for part in leaves(cut.y_pred))))

    try:
        kept, full = last([1.0] * (2 * HALF - 1) + [0.0]), last([1.0] * (2 * HALF))
    except Exception:  # the loss is the user's
        return None
    return kept / full if full > 0.0 and np.isfinite(kept / full) else None


def _tensors(contract: Contract, pair: Pair) -> tuple[Any, Any]:
    import tensorflow as tf

    def cast(value: Any, structure: Any) -> Any:
        specs: list[Spec] = leaves(structure)
        return rebuilt(value, [tf.cast(p, spec.dtype) for p, spec in zip(leaves(value), specs, strict=True)])

    return cast(pair.y_true, contract.y_true), cast(pair.y_pred, contract.y_pred)


def _zeros(part: Any) -> Any:
    import tensorflow as tf

    return tf.zeros_like(part, part.dtype if part.dtype.is_floating else tf.float32)


def _double(value: Any) -> Array:
    return to_numpy(value).astype(np.float64)
