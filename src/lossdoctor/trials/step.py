"""A training step, run twice on one batch with everything looked at that it does with tapes, losses and optimizers."""

from __future__ import annotations

import inspect
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lossdoctor.graph.ir import Span
from lossdoctor.graph.spans import raised, statement_span
from lossdoctor.readings.model import Array
from lossdoctor.readings.step import ApplyCall, GradientCall, LossCall, StepRun
from lossdoctor.session import Raised
from lossdoctor.source.steps import assigned_before, replica_mean
from lossdoctor.subject.frames import is_user_file
from lossdoctor.trials.operations import operations
from lossdoctor.trials.stepping import Recording, key_of, name_of, recording

_UPHILL = 0.2  # cosine; weight decay and momentum of earlier steps stay far below against a fresh gradient


def run_step(step: Any, batch: Sequence[Any]) -> StepRun:
    """Run `step(*batch)` and put back what it changes.

    Args:
        step: a function, a `tf.function`, or a method such as `model.train_step`.
        batch: its arguments.
    """
    import tensorflow as tf

    started = time.perf_counter()
    function = getattr(step, "python_function", step)
    arguments = [_tensor(part) for part in batch]
    kept = _Kept(function)
    eagerly = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        record, problem = _once(function, arguments, created=False)
        run = _read(function, record, problem, kept, arguments)
        kept.restore()
        if problem is None:
            again, _ = _once(function, arguments, created=True)
            kept.restore()
            made = tuple((name, calls) for name, calls in again.created)
            run = replace(run, created=made)
        wrong = any(one.nonfinite or (one.value is not None and not np.isfinite(one.value)) for one in run.gradients)
        if wrong or any(one.none_whole and one.target == "tensor" for one in run.gradients):
            run = _explained(run, function, arguments, batch)
            kept.restore()
    finally:
        kept.restore()
        tf.config.run_functions_eagerly(eagerly)
    return replace(run, seconds={"run": time.perf_counter() - started})


def _tensor(part: Any) -> Any:
    """Arrays as the tensors that a data set gives; structures likewise."""
    import tensorflow as tf

    if isinstance(part, Mapping):
        return {key: _tensor(one) for key, one in part.items()}
    if isinstance(part, tuple | list):
        return type(part)(_tensor(one) for one in part)
    if isinstance(part, np.ndarray):
        return tf.constant(part.astype(np.float32) if part.dtype == np.float64 else part)
    return part


class _Kept:
    """The variables of the models and optimizers that a step can reach, as they were."""

    def __init__(self, function: Any) -> None:
        self.objects = list(_reachable(function))
        self._before = {id(one): (one, one.numpy().copy()) for owner in self.objects for one in _variables(owner)}

    def before(self, variable: Any) -> Array | None:
        found = self._before.get(id(variable)) or self._before.get(id(getattr(variable, "_value", None)))
        return None if found is None else found[1]

    def restore(self) -> None:
        for variable, value in self._before.values():
            variable.assign(value)


def _reachable(function: Any) -> Iterator[Any]:
    """Keras models, layers, optimizers and metrics, and variables, in the closure, the globals and the owner."""
    inner = inspect.unwrap(function)
    owner = getattr(inner, "__self__", None)
    code = getattr(getattr(inner, "__func__", inner), "__code__", None)
    names = _names_of(code) if code is not None else set[str]()
    scope = {name: value for name, value in getattr(inner, "__globals__", {}).items() if name in names}
    # Helpers of the same file reach the same objects.
    for value in list(scope.values()):
        other = getattr(value, "__code__", None)
        if other is not None:
            scope |= {name: one for name, one in value.__globals__.items() if name in _names_of(other)}
    values = [owner, *scope.values(), *(cell.cell_contents for cell in getattr(inner, "__closure__", None) or ())]
    seen: set[int] = set()
    for value in values:
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
        for part in parts:
            for one in (part, *_attributes(part)):
                if id(one) not in seen and _variables(one):
                    seen.add(id(one))
                    yield one


def _names_of(code: Any) -> set[str]:
    found = set(code.co_names)
    for constant in code.co_consts:
        if hasattr(constant, "co_names"):
            found |= _names_of(constant)
    return found


def _attributes(value: Any) -> list[Any]:
    """The attributes of an instance of the user's (a trainer, a GAN)."""
    return list(vars(value).values()) if hasattr(value, "__dict__") and not inspect.isclass(value) else []


def _variables(value: Any) -> list[Any]:
    import keras
    import tensorflow as tf

    if isinstance(value, keras.layers.Layer | keras.optimizers.Optimizer | keras.metrics.Metric):
        return list(value.variables)
    return [value] if isinstance(value, tf.Variable | keras.Variable) else []


def _once(function: Any, arguments: list[Any], *, created: bool) -> tuple[Recording, Raised | None]:
    with recording(created=created) as record, warnings.catch_warnings():
        # That functions of a data set are not run eagerly is our doing, and does not matter here.
        warnings.filterwarnings("ignore", message="Even though the `tf.config.experimental_run_functions_eagerly`")
        try:
            function(*arguments)
            problem = None
        except Exception as error:
            problem = raised(error, is_user_file)
    return record, problem


def _read(function: Any, record: Recording, problem: Raised | None, kept: _Kept, arguments: list[Any]) -> StepRun:
    watched = record.watched()
    read = {key_of(one): one for one in watched}
    sourced: set[int] = set()
    gradients: list[GradientCall] = []
    for event in record.gradients:
        sourced |= {key_of(one) for one in event.sources}
        gradients.append(_gradient_call(event, record, read, kept))
    applied = {key_of(variable) for event in record.applies for _, variable in event.pairs}
    changed = {
        key_of(one): name_of(one)
        for owner in kept.objects
        for one in _variables(owner)
        if _moved(one, kept) and getattr(one, "trainable", False)
    }
    left_out: dict[str, float] = {}
    if record.gradients and problem is None:
        for variable in watched:
            # What an assignment of the step's own moves is not left out.
            if key_of(variable) in sourced or key_of(variable) in changed or not variable.dtype.is_floating:
                continue
            if not getattr(record.owner(variable), "trainable", True):
                continue  # frozen by Keras, which TensorFlow's variable does not know
            norm = max((record.norm_of(event.target, variable) for event in record.gradients), default=0.0)
            if norm > 0:
                left_out[name_of(record.owner(variable))] = norm
    got = {
        key_of(source): name_of(source)
        for event in record.gradients
        for source, gradient in zip(event.sources, event.results, strict=False)
        if gradient is not None
    }
    # Of a variable that the step makes itself, nobody knows what it was before.
    known = {key_of(one) for owner in kept.objects for one in _variables(owner)}
    not_applied = tuple(
        name
        for key, name in got.items()
        if key in read and key in known and key not in applied and key not in changed and problem is None
    )
    code = getattr(inspect.unwrap(getattr(function, "__func__", function)), "__code__", None)
    return StepRun(
        name=getattr(function, "__name__", "step"),
        tapes=record.tapes,
        gradients=tuple(gradients),
        applies=tuple(_apply_call(event, record) for event in record.applies),
        read=tuple(name_of(record.owner(one)) for one in watched),
        changed=tuple(changed.values()),
        left_out=left_out,
        not_applied=not_applied,
        left=tuple((what, calls) for what, calls, tensor in record.left if record.depends(tensor)),
        swapped=tuple(
            LossCall(name, calls)
            for name, calls, true, predicted in record.losses
            if record.depends(true) and not record.depends(predicted)
        ),
        unscaled=record.unscaled(),
        unscaled_calls=record.applies[0].calls if record.applies else (),
        replicas=() if code is None else _replicas(code),
        raised=problem,
        test=getattr(function, "__name__", "") == "test_step",
        definition=() if code is None else _definition(code),
    )


def _definition(code: Any) -> tuple[Span, ...]:
    return (statement_span(code.co_filename, _def_line(code), code.co_name),)


def _replicas(code: Any) -> tuple[Span, ...]:
    line = replica_mean(code.co_filename, code.co_name)
    return () if line is None else (statement_span(code.co_filename, line, code.co_name),)


def _def_line(code: Any) -> int:
    import linecache

    line = code.co_firstlineno
    while linecache.getline(code.co_filename, line).lstrip().startswith("@"):
        line += 1
    return line


def _moved(variable: Any, kept: _Kept) -> bool:
    before = kept.before(variable)
    return before is not None and not np.array_equal(before, variable.numpy(), equal_nan=True)


def _gradient_call(event: Any, record: Recording, read: Mapping[int, Any], kept: _Kept) -> GradientCall:
    names = [name_of(one) for one in event.sources]
    pairs = list(zip(event.sources, event.results, strict=False))
    none = [one for one, gradient in pairs if gradient is None] if event.results else list(event.sources)
    whole = [one for one in none if not record.norm_exists(event.target, one)]
    slopes, moves = [], []
    for source, gradient in pairs:
        before = kept.before(source)
        if gradient is not None and before is not None:
            slopes.append(record.array(gradient).ravel())
            moves.append((np.asarray(source.numpy(), np.float64) - before).ravel())
    return GradientCall(
        calls=event.calls,
        target=event.kind,
        target_text=event.text,
        target_calls=_computed(event),
        sources=tuple(names),
        none=tuple(name_of(one) for one in none),
        none_whole=tuple(name_of(one) for one in whole),
        unread=tuple(name_of(one) for one in none if hasattr(one, "assign") and key_of(one) not in read),
        tensors=tuple(name_of(one) for one in none if not hasattr(one, "assign")),
        nonfinite=tuple(
            name_of(one) for one, gradient in pairs if gradient is not None and not record.finite(gradient)
        ),
        again=event.again,
        value=event.value,
        uphill=_cosine(slopes, moves),
    )


def _computed(event: Any) -> tuple[Span, ...]:
    """Where the target got its value, by the text of the step."""
    if not event.calls or not event.text.isidentifier():
        return ()
    own = event.calls[-1]
    line = assigned_before(own.path, own.line, event.text)
    return () if line is None else (statement_span(own.path, line, own.function),)


def _cosine(slopes: list[Array], moves: list[Array]) -> float:
    if not slopes:
        return 0.0
    one, other = np.concatenate(slopes), np.concatenate(moves)
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / size if size and np.isfinite(size) else 0.0


def _apply_call(event: Any, record: Recording) -> ApplyCall:
    misplaced: list[tuple[str, str]] = []
    for gradient, variable in event.pairs:
        origin = record.origin(gradient, variable)
        if origin is not None and key_of(origin) != key_of(variable):
            misplaced.append((name_of(variable), name_of(origin)))
    return ApplyCall(
        calls=event.calls,
        optimizer=event.optimizer,
        variables=tuple(name_of(variable) for _, variable in event.pairs),
        misplaced=tuple(misplaced),
        rate=event.rate,
        without=tuple(name_of(variable) for gradient, variable in event.pairs if gradient is None),
    )


def _explained(run: StepRun, function: Any, arguments: list[Any], batch: Sequence[Any]) -> StepRun:
    """The same with the operations that tear a gradient off, or are the first to give NaN or infinity."""
    with operations() as ran:
        record, _ = _once(function, arguments, created=False)
    gradients = list(run.gradients)
    for place, event in enumerate(record.gradients[: len(gradients)]):
        without = [one for one, got in zip(event.sources, event.results, strict=False) if got is None]
        if event.kind == "tensor" and without:
            found = ran.tear(event.target, lambda tensor, among=without: record.depends(tensor, among))
            if found is not None:
                gradients[place] = replace(gradients[place], torn_calls=found.calls, torn_what=found.kind)
    run = replace(run, gradients=tuple(gradients))
    given = _nonfinite_batch(function, batch)
    if given:
        return replace(run, **given)
    for event in record.gradients:
        results = [getattr(one, "values", one) for one in event.results if one is not None]  # IndexedSlices
        found = ran.wrong([event.target]) or ran.wrong(results)
        if found is not None:
            return replace(run, nonfinite=found.calls, nonfinite_what=found.kind)
    return run


def _nonfinite_batch(function: Any, batch: Sequence[Any]) -> dict[str, Any]:
    """Where the batch itself is not finite; {} where it is."""
    names = list(inspect.signature(function).parameters)
    for place, part in enumerate(batch):
        for array in _arrays(part):
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                index = tuple(int(one) for one in np.argwhere(~np.isfinite(array))[0])
                name = names[place] if place < len(names) else str(place)
                return {"nonfinite_batch": index, "nonfinite_argument": name}
    return {}


def _arrays(part: Any) -> Iterator[Array]:
    if isinstance(part, Mapping):
        part = list(part.values())
    if isinstance(part, tuple | list):
        for one in part:
            yield from _arrays(one)
    elif hasattr(part, "shape"):
        yield np.asarray(part)
