"""One pass through a model, with what every layer gave at its first call."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lossdoctor.graph.ir import Span
from lossdoctor.graph.spans import frames
from lossdoctor.readings.model import Array, LayerRun
from lossdoctor.subject.frames import is_user_file

SATURATED = 1e-6  # nearer than this to its limit, a sigmoid or tanh passes hardly a millionth of the gradient
_PLAIN = (int, float, str, bool)


@dataclass
class Call:
    """One call of a layer, eagerly."""

    layer: Any
    inputs: list[Any]
    outputs: list[Any]


@dataclass
class Recorder:
    """The calls of layers in the order in which they ended, the inner ones first."""

    calls: list[Call] = field(default_factory=list[Call])
    last: dict[int, Any] = field(default_factory=dict[int, Any])  # id of an output -> the layer that made it
    kept: list[Any] = field(default_factory=list[Any])  # so that ids stay theirs
    added: dict[int, tuple[Span, ...]] = field(default_factory=dict[int, "tuple[Span, ...]"])  # by id of the tensor


@contextlib.contextmanager
def recorded() -> Iterator[Recorder]:
    """Every eager call of a Keras layer in this block."""
    import keras

    recorder = Recorder()
    original: Any = keras.layers.Layer.__call__

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        outputs = tensors(result)
        if outputs and not isinstance(self, keras.Model):
            recorder.calls.append(Call(self, tensors([*args, *kwargs.values()]), outputs))
        for tensor in outputs:
            recorder.last.setdefault(id(tensor), self)
            recorder.kept.append(tensor)
        return result

    add: Any = keras.layers.Layer.add_loss

    def add_loss(self: Any, loss: Any) -> None:
        calls = frames(sys._getframe(1), None, is_user_file, {})
        recorder.added |= dict.fromkeys((id(tensor) for tensor in tensors(loss)), calls)
        add(self, loss)

    keras.layers.Layer.__call__, keras.layers.Layer.add_loss = call, add_loss
    try:
        yield recorder
    finally:
        keras.layers.Layer.__call__, keras.layers.Layer.add_loss = original, add


def tensors(value: Any) -> list[Any]:
    """The eager tensors of a structure."""
    if isinstance(value, Mapping):
        return [tensor for part in value.values() for tensor in tensors(part)]
    if isinstance(value, list | tuple):
        return [tensor for part in value for tensor in tensors(part)]
    return [value] if hasattr(value, "numpy") and hasattr(value, "dtype") and not hasattr(value, "assign") else []


def activation_of(layer: Any) -> str:
    """The name of a layer's activation; "linear" where it has none, "" for a layer whose output is of another kind."""
    if layer is None:
        return ""
    function = getattr(layer, "activation", None)
    kind = type(layer).__name__
    if kind in ("Softmax", "ReLU", "LeakyReLU", "Softplus"):
        return kind.lower()
    if function is None:
        return "linear" if kind in ("Dense", "Conv1D", "Conv2D", "Conv3D", "EinsumDense") else ""
    return str(getattr(function, "__name__", ""))


def maker_of(model: Any, recorder: Recorder, tensor: Any) -> Any:
    """The layer that makes an output, past those that only change its shape; None if none does."""
    layer = recorder.last.get(id(tensor))
    for _ in range(16):
        if layer is None or type(layer).__name__ not in ("Reshape", "Flatten", "Permute", "Cropping2D", "Identity"):
            return layer
        source = next((call.inputs for call in recorder.calls if call.layer is layer), [])
        layer = recorder.last.get(id(source[0])) if source else None
    return layer


def layer_runs(recorder: Recorder, rows: Sequence[int], last: set[int]) -> tuple[LayerRun, ...]:
    """What each layer gave at its first call.

    Args:
        rows: what the caller calls the samples that ran.
        last: ids of the layers that make an output of the model.
    """
    found: list[LayerRun] = []
    seen: set[int] = set()
    for call in recorder.calls:
        if id(call.layer) in seen:
            continue
        seen.add(id(call.layer))
        found.append(_layer_run(call, len(found), rows, id(call.layer) in last))
    return tuple(found)


def _layer_run(call: Call, depth: int, rows: Sequence[int], last: bool) -> LayerRun:
    layer = call.layer
    outputs = [array for array in map(numbers, call.outputs) if array is not None]
    inputs = [array for array in map(numbers, call.inputs) if array is not None]
    output = outputs[0] if outputs else np.zeros((1, 1))
    good = output[np.isfinite(output)]
    activation = activation_of(layer)
    finite = all(bool(np.isfinite(array).all()) for array in outputs)
    bad = None
    if not finite and output.ndim and len(output) == len(rows):
        wrong = ~np.isfinite(output.reshape(len(output), -1)).all(axis=1)
        bad = rows[int(np.flatnonzero(wrong)[0])] if wrong.any() else None
    weights = [numbers(variable) for variable in layer.variables]
    units = output.reshape(-1, output.shape[-1]) if output.ndim >= 2 else output.reshape(-1, 1)
    saturated = 0.0
    if activation in ("sigmoid", "tanh") and good.size:
        low = 0.0 if activation == "sigmoid" else -1.0
        saturated = float(((good <= low + SATURATED) | (good >= 1 - SATURATED)).mean())
    return LayerRun(
        name=layer.name,
        kind=type(layer).__name__,
        settings=settings_of(layer),
        depth=depth,
        finite_inputs=all(bool(np.isfinite(array).all()) for array in inputs),
        finite=finite,
        weights_finite=all(array is None or bool(np.isfinite(array).all()) for array in weights),
        low=float(good.min()) if good.size else np.nan,
        high=float(good.max()) if good.size else np.nan,
        spread=float(good.std()) if good.size else np.nan,
        spread_in=max((float(np.nanstd(array)) for array in inputs if np.isfinite(array).any()), default=np.nan),
        zero_share=float((good == 0).mean()) if good.size else 0.0,
        flat_share=float((np.ptp(units, axis=0) == 0).mean()) if len(units) > 1 and finite else 0.0,
        saturated_share=saturated,
        bad_row=bad,
        activation=activation,
        parameters=sum(int(np.prod(variable.shape)) for variable in layer.trainable_variables),
        last=last,
    )


def numbers(tensor: Any) -> Array | None:
    """A float array of a tensor; None for integers, text and what has no elements."""
    try:
        array = np.asarray(tensor)
    except Exception:
        return None
    if array.dtype.name not in ("float16", "bfloat16", "float32", "float64") or array.size == 0:
        return None
    return array.astype(np.float64)


def settings_of(layer: Any) -> dict[str, object]:
    """The plain values of a layer's configuration, its name among them; activations by name."""
    try:
        config = layer.get_config()
    except Exception:  # a layer of the user's without one
        return {"name": layer.name}
    return {key: value for key, value in config.items() if isinstance(value, _PLAIN)}
