"""In which callings and executions does the loss work, and what does it return there?

A loss meets several callers. A training loop of the user's own hands it the raw tensors; `model.compile(loss=f)`
casts y_true and y_pred and squeezes (B,) against (B, 1) first; a `Loss` instance casts, weights and reduces. Each of
them runs eagerly, or inside a `tf.function` without AutoGraph, as `fit` does it.
"""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lossdoctor.graph.spans import raised
from lossdoctor.probes.calls import TRIED, Live, Subject
from lossdoctor.probes.capture import Sink
from lossdoctor.probes.draws import pair as ordinary
from lossdoctor.probes.draws import sizes as size_table
from lossdoctor.search.evaluate import as_tensor, leaves, out_of_memory, rebuilt, to_numpy
from lossdoctor.session import Array, Pair, Raised
from lossdoctor.spec import Contract, Spec
from lossdoctor.subject.naming import scope_name

Calling = Literal["raw", "keras-compile", "keras-loss"]
# "autograph" is a `tf.function` as a user writes it in a loop of their own; "graph" is what `fit` runs.
Execution = Literal["eager", "graph", "autograph"]
Returned = Literal["tensor", "number", "tuple", "dict", "none", "string", "other"]


_SLOW = 0.05  # seconds of a call


def _as_written() -> contextlib.AbstractContextManager[object]:
    """Without TensorFlow's graph optimiser."""
    from lossdoctor.graph.run_tf import calling_with, plain_options  # it loads TensorFlow

    return calling_with(plain_options())


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened in one calling.

    `returned`, `shape`, `dtype`, `scalar` and `value` are of what the loss itself returned, before Keras weights
    and reduces it; None where nothing was returned or it is no single tensor. `reduced` is what Keras made of it.
    """

    calling: Calling
    execution: Execution
    weighted: bool  # with a sample_weight of shape (B,)
    ok: bool
    raised: Raised | None = None
    returned: Returned | None = None
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    scalar: bool = False
    value: Array | None = None
    reduced: Array | None = None
    prints: int = 0  # lines that Python printed


@dataclass(frozen=True, slots=True)
class Callings:
    """The outcome of every calling at one ordinary input."""

    outcomes: tuple[Outcome, ...]
    pair: Pair

    def get(self, calling: Calling, execution: Execution, weighted: bool = False) -> Outcome | None:
        for outcome in self.outcomes:
            if (outcome.calling, outcome.execution, outcome.weighted) == (calling, execution, weighted):
                return outcome
        return None

    @property
    def works(self) -> bool:
        return any(outcome.ok for outcome in self.outcomes)


@dataclass
class _Seen:
    """What the loss returned inside the call under way."""

    value: Any = None
    called: bool = False


def keras_arguments(subject: Subject) -> Callable[[Any, Any], Any]:
    """The loss as `compile` calls it, without Keras's reduction: arguments cast, and squeezed for a function."""
    import tensorflow as tf

    seen = _Seen()
    # What Keras reduces is a stand-in: the value under examination is what the loss itself returned.
    compiled = _compiled(subject, seen, stand_in=lambda: tf.zeros([1]))

    def call(y_true: Any, y_pred: Any) -> Any:
        compiled(y_true, y_pred, None)
        value, seen.value = seen.value, None
        return value

    return call


def keras_reduced(subject: Subject) -> Callable[[Any, Any, Any], Any]:
    """What `fit` minimises: `call(y_true, y_pred, sample_weight)`, weighted and reduced by Keras."""
    return _compiled(subject, _Seen())


def probe(
    subject: Subject, contract: Contract, *, seed: int = 0, batch: int | None = None, live: Live | None = None
) -> Callings:
    """Call the loss in every calling at one ordinary batch.

    Args:
        live: the traced loss, if it is there; where `fit` makes the same graph of the raw call, that is run.
        batch: number of samples; by default at least four, and different from every other dimension, so that
            nothing fits by coincidence.
    """
    if batch is None:
        taken = {dim for spec in _specs(contract) for dim in spec.dims} | {other for _, other in TRIED}
        batch = next(size for size in range(4, 4 + len(taken) + 1) if size not in taken)
    runner = _Runner(subject, contract)
    chosen: tuple[Outcome, Pair] | None = None
    for _, other in TRIED:
        pair = ordinary(contract, np.random.default_rng(seed), size_table(contract, batch, other))
        first = runner.run(pair, "raw", "eager")
        if chosen is None or first.ok:
            chosen = (first, pair)
        if first.ok or not _has_other_names(contract):
            break
    assert chosen is not None
    first, pair = chosen
    if first.raised is not None and out_of_memory(first.raised):
        return Callings((first,), pair)
    known = _in_graph(live, pair)
    outcomes = [first, known or runner.run(pair, "raw", "graph")]
    if first.ok and not outcomes[1].ok:
        # What AutoGraph makes of it matters only where the loss runs and the graph fails without.
        outcomes.append(runner.run(pair, "raw", "autograph"))
    single = isinstance(contract.y_true, Spec) and isinstance(contract.y_pred, Spec)
    if single or hasattr(subject, "given"):
        # `compile` calls a loss for each leaf of a structured output apart: a loss of the structure cannot be.
        outcomes.append(runner.run(pair, "keras-compile", "eager"))
        # Where the graph optimiser has seen the raw call, it has nothing to say of the casts around it.
        outcomes.append(runner.run(pair, "keras-compile", "graph", optimised=known is None))
        outcomes.append(runner.run(pair, "keras-compile", "eager", weighted=True))
    outcomes.append(runner.run(pair, "keras-loss", "eager"))
    outcomes.append(runner.run(pair, "keras-loss", "eager", weighted=True))
    return Callings(tuple(outcomes), pair)


def _in_graph(live: Live | None, pair: Pair) -> Outcome | None:
    """The raw call in the graph that is there already; None where it is another one, or raises."""
    if live is None or not live.program.direct:
        return None
    value = live.run([pair], "graph")[0].value
    if value is None:
        return None
    dtype = live.program.value.dtype.name
    return Outcome(
        "raw",
        "graph",
        weighted=False,
        ok=True,
        returned="tensor",
        shape=value.shape,
        dtype=dtype,
        scalar=value.ndim == 0,
        value=value,
        prints=live.prints,
    )


def _has_other_names(contract: Contract) -> bool:
    return any(isinstance(dim, str) and dim != "B" for spec in _specs(contract) for dim in spec.dims)


def _specs(contract: Contract) -> list[Spec]:
    return [*leaves(contract.y_true), *leaves(contract.y_pred)]


def _caller(subject: Subject, calling: Calling, execution: Execution, seen: _Seen) -> Callable[[Any, Any, Any], Any]:
    """`call(y_true, y_pred, sample_weight)` for a calling; notes in `seen` what the loss returned."""
    import tensorflow as tf

    if calling == "raw":
        # AutoGraph converts what it meets, so it gets the user's function alone.
        loss: Any = tf.function(subject.call, autograph=True) if execution == "autograph" else subject.call

        def raw(y_true: Any, y_pred: Any, weights: Any) -> Any:
            seen.value, seen.called = loss(y_true, y_pred), True
            return None

        return raw
    if calling == "keras-compile":
        return _compiled(subject, seen)
    return _wrapped(subject, seen)


def _wrapped(subject: Subject, seen: _Seen, stand_in: Callable[[], Any] | None = None) -> Any:
    """The loss as a `keras.losses.Loss` that notes what the user's code returned.

    A `Loss` instance keeps its own dtype and reduction, and a subclass's `__call__` if it has one of its own.
    """
    import keras

    def noted(y_true: Any, y_pred: Any) -> Any:
        seen.value, seen.called = subject.call(y_true, y_pred), True
        return seen.value if stand_in is None else stand_in()

    loss = subject.object
    if isinstance(loss, keras.losses.Loss):
        # Not copy.copy: Keras copies by saving and loading, which a class of the user's may not survive.
        mine = object.__new__(type(loss))
        mine.__dict__.update(loss.__dict__)
        mine.call = noted
        return mine
    noted.__name__ = scope_name(subject.loaded.name)
    # Keras's own wrapper of a function; its public name is only that of its subclasses.
    wrapper: Any = keras.losses.MeanSquaredError.__mro__[1]
    return wrapper(noted, name=noted.__name__)


def _compiled(subject: Subject, seen: _Seen, stand_in: Callable[[], Any] | None = None) -> Callable[..., Any]:
    """What a train step does with `model.compile(loss=…)`."""
    import keras

    model: Any = keras.Model()
    # `compile` makes the same wrapper of a function. The optimizer is not used.
    model.compile(optimizer=keras.optimizers.SGD(), loss=_wrapped(subject, seen, stand_in), jit_compile=False)

    def call(y_true: Any, y_pred: Any, weights: Any) -> Any:
        return model.compute_loss(y=y_true, y_pred=y_pred, sample_weight=weights)

    return call


class _Runner:
    """Runs one loss; what it is wrapped in for a calling is made once."""

    def __init__(self, subject: Subject, contract: Contract) -> None:
        # Of padded rows the loss is called, and wrapped for Keras, with the ragged tensors made of them.
        self._given: Callable[[Any, Any], tuple[Any, Any]] | None = getattr(subject, "given", None)
        self._subject: Any = getattr(subject, "inner", subject)
        self._remembering: Any = copy.copy(self._subject)
        self._remembering.call = _remembering(self._subject.call)
        self._specs = _specs(contract)
        self._seen = _Seen()
        self._callers: dict[Any, Callable[[Any, Any, Any], Any]] = {}

    def run(
        self, pair: Pair, calling: Calling, execution: Execution, *, weighted: bool = False, optimised: bool = True
    ) -> Outcome:
        sink = Sink()
        seen = self._seen
        seen.value, seen.called = None, False
        raise_, value, reduced = None, None, None
        try:
            options = contextlib.nullcontext() if optimised else _as_written()
            with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink), options:
                value, reduced = self._call(pair, calling, execution, weighted)
        except (Exception, SystemExit) as problem:
            raise_ = raised(problem, self._subject.is_user)
        return Outcome(
            calling=calling,
            execution=execution,
            weighted=weighted,
            ok=raise_ is None and (calling != "raw" or value is not None),
            raised=raise_,
            returned=_kind(seen.value) if seen.called else None,
            shape=None if value is None else tuple(value.shape),
            dtype=None if value is None else value.dtype.name,
            scalar=value is not None and value.shape.rank == 0,
            value=None if value is None else to_numpy(value),
            reduced=None if reduced is None else to_numpy(reduced),
            prints=sink.lines,
        )

    def _call(self, pair: Pair, calling: Calling, execution: Execution, weighted: bool) -> tuple[Any, Any]:
        """The loss as it returned it (None if it is no tensor), and what Keras made of it."""
        import tensorflow as tf

        count = len(leaves(pair.y_true))
        arrays = [*leaves(pair.y_true), *leaves(pair.y_pred)]
        key = (calling, execution == "autograph")
        if key not in self._callers:
            subject = self._subject if execution == "autograph" else self._remembering
            self._callers[key] = _caller(subject, calling, execution, self._seen)
        caller = self._callers[key]

        def call(*tensors: Any) -> tuple[Any, Any]:
            parts, weights = (tensors[:-1], tensors[-1]) if weighted else (tensors, None)
            y_true, y_pred = rebuilt(pair.y_true, parts[:count]), rebuilt(pair.y_pred, parts[count:])
            if self._given is not None:
                y_true, y_pred = self._given(y_true, y_pred)
            reduced = caller(y_true, y_pred, weights)
            returned = self._seen.value
            return (as_tensor(returned) if _kind(returned) in ("tensor", "number") else None), reduced

        tensors = [tf.cast(part, spec.dtype) for part, spec in zip(arrays, self._specs, strict=True)]
        shapes = [[dim if isinstance(dim, int) else None for dim in spec.dims] for spec in self._specs]
        if weighted:
            tensors.append(tf.ones([_batch(self._specs, arrays)]))
            shapes.append([None])
        if execution == "eager":
            return call(*tensors)
        function: Any = tf.function(
            call,
            input_signature=[tf.TensorSpec(s, t.dtype) for s, t in zip(shapes, tensors, strict=True)],
            autograph=False,
        )
        return function(*tensors)


def _remembering(call: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The loss; a slow one is not run again, eagerly, on what it was given before. The callings differ in what they
    give it and in what they make of its value."""
    import tensorflow as tf

    kept: list[tuple[list[Any], Any]] = []

    def once(y_true: Any, y_pred: Any) -> Any:
        given = [*leaves(y_true), *leaves(y_pred)]
        if not all(isinstance(tensor, tf.Tensor) and hasattr(tensor, "numpy") for tensor in given):
            return call(y_true, y_pred)
        arrays = [tensor.numpy() for tensor in given]
        for known, value in kept:
            if all(
                one.dtype == other.dtype and np.array_equal(one, other)
                for one, other in zip(known, arrays, strict=True)
            ):
                return value
        started = time.perf_counter()
        value = call(y_true, y_pred)
        if time.perf_counter() - started > _SLOW:
            kept.append((arrays, value))
        return value

    return once


def _batch(specs: list[Spec], arrays: list[Array]) -> int:
    """The size of the batch: of "B", else of the first axis."""
    for spec, part in zip(specs, arrays, strict=True):
        if "B" in spec.dims:
            return part.shape[spec.dims.index("B")]
    return arrays[-1].shape[0] if arrays[-1].ndim else 1


def _kind(value: Any) -> Returned:
    import tensorflow as tf

    if value is None:
        return "none"
    if isinstance(value, str | bytes):
        return "string"
    if isinstance(value, tuple | list):
        return "tuple"
    if isinstance(value, dict):
        return "dict"
    if isinstance(value, int | float | np.ndarray | np.generic):
        return "number"
    if tf.is_tensor(value) or isinstance(value, tf.Variable | tf.RaggedTensor):
        return "string" if value.dtype == tf.string else "tensor"
    return "other"
