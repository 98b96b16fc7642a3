"""A model and data of the user's, for an experiment: what they say of the specs, and the task that they are."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lossdoctor.experiments.networks import OfKeras
from lossdoctor.experiments.outcomes import Own
from lossdoctor.experiments.tasks import Array, Task, task_of_data
from lossdoctor.findings import UsageError
from lossdoctor.graph.frontend_tf import Live
from lossdoctor.graph.untyped_tf import tf
from lossdoctor.search.leaves import arrays
from lossdoctor.spec import KIND_OF_ACTIVATION, Contract, Spec, contract_from_arrays
from lossdoctor.spec.batches import load_batch
from lossdoctor.subject.importing import import_target
from lossdoctor.subject.kinds import is_model
from lossdoctor.targets import parse_target
from lossdoctor.trials.arrays import Given, given, structured
from lossdoctor.trials.forward import activation_of, maker_of, recorded
from lossdoctor.trials.program import load

MOST = 2048  # samples that are used
_LEAST = 8
_SHOWN = 64  # samples that say what the model predicts
_CLASSES = ("binary", "onehot", "label")
_FORMS = "a .keras file, or `file.py:name` of a Keras model or of a function without arguments that builds one"
_known: weakref.WeakKeyDictionary[Any, dict[str, _Opened]] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class _Opened:
    network: OfKeras
    inputs: tuple[Array, ...]
    y: Any
    contract: Contract


def probe(subject: Any, contract: Contract, *, live: Live | None, own: Own, magnitude: float) -> Contract:
    """What the loss is given by the model and the data, whatever contract it has now.

    Raises:
        UsageError: they are no model and no data, or do not fit each other.
    """
    return _opened(subject, own, magnitude).contract


def task_of_own(subject: Any, contract: Contract, own: Own, scale: float) -> Task:
    """The task of the data, under the contract that the loss was traced with.

    Args:
        scale: of the targets of a regression.
    """
    opened = _opened(subject, own, contract.magnitude)
    truths = tuple(arrays(contract.y_true, opened.y))
    task = task_of_data(contract, opened.inputs, truths, opened.network)
    if scale != 1.0 and task.name == "regression":
        scaled = tuple((scale * truth).astype(truth.dtype) for truth in truths)
        task = task_of_data(contract, opened.inputs, scaled, opened.network)
    return task


def _opened(subject: Any, own: Own, magnitude: float) -> _Opened:
    known = _known.setdefault(subject, {})
    key = own.key
    if key not in known:
        known[key] = _open(own, magnitude)
    return known[key]


def _open(own: Own, magnitude: float) -> _Opened:
    batch = load_batch(own.data) if isinstance(own.data, str) else dict(own.data)
    missing = [name for name in ("x", "y") if batch.get(name) is None]
    if missing:
        found = ", ".join(batch) or "none"
        raise UsageError(f"Invalid value for `data`. Expected the arrays x and y. Received: {found}")
    data = given(batch["x"], batch["y"])
    for name, part in (("x", data.x), ("y", data.y)):
        _usable(name, part)
    assumptions = [f"model and data are yours: {min(data.size, MOST):,} samples"]
    if data.size > MOST:
        assumptions[0] += f", drawn from {data.size:,}"
    rows = np.sort(np.random.default_rng(0).permutation(data.size)[:MOST])
    model, again = _model(own.model)
    inputs = tuple(part[rows] for part in data.x.values())
    network = OfKeras(model, again, lambda parts: structured(dict(zip(data.x, parts, strict=True)), data.nested[0]))
    predicted, activation = _predicted(model, data, inputs)
    if not model.trainable_variables:
        raise UsageError("Invalid value for `model`. Expected a model with weights to train. Received: one without")
    if again is None:
        assumptions.append("every training starts from the weights of the model, of which no fresh ones can be made")
    y = _targets(data, rows, predicted)
    first = _part(y, slice(0, _SHOWN))
    contract = contract_from_arrays(first, predicted, magnitude)
    contract = replace(contract, assumptions=(*assumptions, *contract.assumptions))
    return _Opened(network, inputs, y, _refined(contract, activation))


def _usable(name: str, parts: Any) -> None:
    for key, part in parts.items():
        whose = f"{name}.{key}" if key else name
        if part.dtype.kind not in "fiub":
            raise UsageError(f"Invalid value for `data`. Expected numbers in {whose}. Received: {part.dtype}")
        if part.dtype.kind == "f" and not np.all(np.isfinite(part)):
            bad = int(np.sum(~np.isfinite(part)))
            raise UsageError(f"Invalid value for `data`. Expected finite numbers in {whose}. Received: {bad} others")
        if len(part) < _LEAST:
            raise UsageError(f"Invalid value for `data`. Expected at least {_LEAST} samples. Received: {len(part)}")


# ---- the model


def _model(value: Any) -> tuple[Any, Callable[[], Any] | None]:
    """The model, and how to make it anew, if that is known.

    Raises:
        UsageError: there is none.
    """
    shown = repr(value) if isinstance(value, str) else type(value).__name__
    if isinstance(value, str):
        if value.endswith(".keras"):
            value = load(value)
        else:
            reference = parse_target(value)
            found: Any = import_target(reference).module
            if reference.name is None:
                raise UsageError(f"Invalid value for `model`. Expected {_FORMS}. Received: {shown}")
            for part in reference.name.split("."):
                found = getattr(found, part, None)
            value = found
    if is_model(value):
        return value, _cloned(value)
    if not callable(value):
        raise UsageError(f"Invalid value for `model`. Expected {_FORMS}. Received: {shown}")
    return _built(value, shown), lambda: _built(value, shown)


def _built(builder: Callable[[], Any], shown: str) -> Any:
    try:
        made = builder()
    except Exception as problem:  # the builder is the user's
        reason = " ".join(str(problem).split())[:160]
        raise UsageError(
            f"Invalid value for `model`. Expected {_FORMS}. Received: {shown}, which raises "
            f"{type(problem).__name__}: {reason}"
        ) from None
    if not is_model(made):
        raise UsageError(
            f"Invalid value for `model`. Expected {_FORMS}. Received: {shown}, which returns a {type(made).__name__}"
        )
    return made


def _cloned(model: Any) -> Callable[[], Any] | None:
    """A function that makes the model with fresh weights; None where Keras cannot."""
    import keras

    try:
        made = keras.models.clone_model(model)
    except Exception:  # a model class without a configuration
        return None
    same = [v.shape for v in made.trainable_variables] == [v.shape for v in model.trainable_variables]
    return (lambda: keras.models.clone_model(model)) if same and made.trainable_variables else None


def _predicted(model: Any, data: Given, inputs: tuple[Array, ...]) -> tuple[Any, str]:
    """What the model predicts for some samples, and the activation of its last layer if it has one output."""
    first = [tf.constant(_narrow(part[:_SHOWN])) for part in inputs]
    packed = structured(dict(zip(data.x, first, strict=True)), data.nested[0])
    try:
        with recorded() as recorder:
            found = model(packed, training=False)
    except Exception as problem:  # the model is the user's
        reason = " ".join(str(problem).split())[:200]
        shapes = ", ".join(str(part.shape) for part in inputs)
        raise UsageError(
            f"Invalid value for `model`. Expected a model that accepts x of shape {shapes}. "
            f"Received: one that raises {type(problem).__name__}: {reason}"
        ) from None
    if not tf.is_tensor(found):
        return tf.nest.map_structure(np.asarray, found), ""
    return np.asarray(found), activation_of(maker_of(model, recorder, found))


def _narrow(array: Array) -> Array:
    return array.astype(np.float32) if array.dtype.kind == "f" else array


# ---- the targets


def _targets(data: Given, rows: Any, predicted: Any) -> Any:
    """y in the dtypes and, for one output, the rank in which `fit` hands it to a loss."""
    parts = {key: _typed(part[rows]) for key, part in data.y.items()}
    if len(parts) == 1 and isinstance(predicted, np.ndarray):
        (key, one), shape = next(iter(parts.items())), predicted.shape[1:]
        if one.shape[1:] == shape[:-1] and shape[-1:] == (1,):
            parts[key] = one[..., None]
        elif one.shape[1:] == (*shape, 1):
            parts[key] = one[..., 0]
    return structured(parts, data.nested[1])


def _typed(part: Array) -> Array:
    if part.dtype.kind == "f" or part.dtype.kind == "b":
        return part.astype(np.float32)
    return part.astype(np.int32)


def _part(value: Any, rows: slice) -> Any:
    return tf.nest.map_structure(lambda array: array[rows], value)


def _refined(contract: Contract, activation: str) -> Contract:
    """The kind of the only output from the activation of its layer."""
    true, pred = contract.y_true, contract.y_pred
    if not isinstance(true, Spec) or not isinstance(pred, Spec):
        return contract
    kind: Any = KIND_OF_ACTIVATION.get(activation)
    if kind is None and activation:
        kind = "logit" if true.kind in _CLASSES and activation == "linear" else "real"
    if kind == "probability" and pred.dims[-1] == 1:
        kind = "unit"
    if kind is None:
        return contract
    said = f"y_pred is {kind}, as the {activation} of the last layer gives it"
    kept = tuple(one for one in contract.assumptions if not one.startswith("y_pred"))
    return replace(contract, y_pred=replace(pred, kind=kind), assumptions=(*kept, said))
