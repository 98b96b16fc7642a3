"""Calling the loss on ordinary arrays: with sizes, and in a way, that it accepts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol
from weakref import WeakKeyDictionary

import numpy as np

from lossdoctor.graph.ir import LossGraph
from lossdoctor.probes.draws import Sizes, pair, sizes
from lossdoctor.session import Array, Evaluation, Loaded, Pair, Value
from lossdoctor.spec import FLOATS, Contract, leaves

# Batch and other dimensions, tried in turn: image losses with windows need more than a few pixels, and some
# losses are written for one batch size.
TRIED = ((4, 3), (4, 12), (4, 32), (1, 3), (2, 3), (8, 3), (16, 3), (32, 3), (64, 3))
# Seconds of one eager call from which a traced one pays (a trace costs some 50 ms, then 0.2 ms a call).
SLOW = 2e-3


class Subject(Protocol):
    """What the probes need of `lossdoctor.subject.Subject`."""

    @property
    def object(self) -> Any: ...

    @property
    def loaded(self) -> Loaded: ...

    def call(self, y_true: Any, y_pred: Any) -> Any: ...

    def make(self) -> Any: ...

    def is_user(self, filename: str) -> bool: ...


@dataclass(frozen=True)
class Caller:
    """A way of calling one loss that works.

    `cast`: y_true has to be cast to the dtype of y_pred first, as Keras does.
    """

    function: Callable[[Any, Any], Any]
    contract: Contract
    sizes: Sizes
    cast: bool

    def tensors(self, y_true: Value, y_pred: Value, dtype: str | None = None) -> tuple[Any, Any]:
        """Both arguments as tensors; `dtype` replaces the dtype of all floating ones."""
        import tensorflow as tf

        def structured(value: Value, dtypes: Iterator[str]) -> Any:
            flat = [tf.constant(array, dtype=next(dtypes)) for array in tf.nest.flatten(value)]
            return tf.nest.pack_sequence_as(value, flat)

        def wanted(given: str) -> str:
            return dtype if dtype and given in FLOATS else given

        predicted = [wanted(spec.dtype) for _, spec in leaves(self.contract.y_pred)]
        true = [predicted[0] if self.cast else wanted(spec.dtype) for _, spec in leaves(self.contract.y_true)]
        return structured(y_true, iter(true)), structured(y_pred, iter(predicted))

    def value(self, pair: Pair) -> Array:
        """What the loss returns, as float64; raises what the loss raises."""
        import tensorflow as tf

        result = tf.convert_to_tensor(self.function(*self.tensors(pair.y_true, pair.y_pred)))
        return np.asarray(result, dtype=np.float64)

    def mean(self, pair: Pair) -> float:
        """Mean of the loss; NaN where the loss raises."""
        try:
            with np.errstate(all="ignore"):
                return float(np.mean(self.value(pair)))
        except Exception:  # the loss is the user's: anything may be raised
            return float("nan")

    def compiled(self) -> Caller:
        """The same traced, as `fit` traces (without AutoGraph)."""
        import tensorflow as tf

        return replace(self, function=tf.function(self.function, autograph=False))


def caller(subject: Subject, contract: Contract, rng: np.random.Generator, batch: int | None = None) -> Caller | None:
    """A way of calling the loss with ordinary inputs that gives numbers, or None.

    The probes of one loss begin with the same seed: what one has found is not tried again by the next.
    """
    known = _found.setdefault(subject, [])
    start = rng.bit_generator.state
    for one in known:
        if (one.contract, one.batch, one.start) == (contract, batch, start):
            rng.bit_generator.state = one.end
            break
    else:
        one = _Found(contract, batch, start, *_tried(subject, contract, rng, batch))
        known.append(one)
    return None if one.sizes is None else Caller(subject.call, contract, one.sizes, one.cast)


@dataclass(frozen=True)
class _Found:
    """What `caller` found with a generator in the state `start`, which it left in the state `end`."""

    contract: Contract
    batch: int | None
    start: Mapping[str, Any]
    end: Mapping[str, Any]
    sizes: Sizes | None  # None: nothing works
    cast: bool


_found: WeakKeyDictionary[Subject, list[_Found]] = WeakKeyDictionary()


def _tried(
    subject: Subject, contract: Contract, rng: np.random.Generator, batch: int | None
) -> tuple[Mapping[str, Any], Sizes | None, bool]:
    """The state of the generator afterwards, and the sizes and the cast that work."""
    for first, other in TRIED:
        for cast in (False, True):
            candidate = Caller(subject.call, contract, sizes(contract, batch or first, other), cast)
            try:
                value = candidate.value(pair(contract, rng, candidate.sizes))
            except Exception:  # as above
                continue
            if value.size:
                return rng.bit_generator.state, candidate.sizes, cast
    return rng.bit_generator.state, None, False


class Live(Protocol):
    """What the probes need of a traced loss (`graph.frontend_tf.Live`)."""

    prints: int

    @property
    def program(self) -> Any: ...

    @property
    def traced(self) -> LossGraph: ...

    def value(self, y_true: Any, y_pred: Any) -> Any: ...

    def run(self, pairs: Sequence[Pair], execution: Literal["graph", "unoptimised", "xla"]) -> list[Evaluation]: ...


def quick(call: Caller, rng: np.random.Generator, live: Live | None = None, *, as_traced: bool = False) -> Caller:
    """The same caller for many calls: the graph that is there already, or a trace if it is slow; where that computes
    the same, or is known to (`as_traced`)."""
    example = pair(call.contract, rng, call.sizes)
    if as_traced and live is not None and not call.cast:
        return replace(call, function=live.value)
    started = time.perf_counter()
    eager = call.value(example)
    there = live is not None and not call.cast
    if time.perf_counter() - started < SLOW and not there:
        return call
    try:
        traced = replace(call, function=live.value) if live is not None and there else call.compiled()
        same = np.allclose(traced.value(example), eager, rtol=1e-4, atol=1e-6, equal_nan=True)
    except Exception:  # as above
        return call
    return traced if same else call
