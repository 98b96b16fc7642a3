"""A model or training step that a file holds, on the batch of another: what a worker does for `lossdoctor check`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossdoctor.findings import UsageError
from lossdoctor.readings.model import Batch, ModelRun
from lossdoctor.readings.step import StepRun
from lossdoctor.spec.batches import load_batch
from lossdoctor.subject.importing import import_target
from lossdoctor.subject.kinds import is_model
from lossdoctor.targets import parse_target
from lossdoctor.trials.arrays import given
from lossdoctor.trials.model import examine
from lossdoctor.trials.step import run_step

# What a module calls a batch, or a data set of batches, that its step can run on.
_BATCHES = ("batch", "dataset", "train_dataset", "train_ds", "ds", "train_data")


@dataclass(frozen=True, slots=True)
class Program:
    """What came of it: `batch` and `run` of a model, or `step`."""

    name: str
    batch: Batch | None = None
    run: ModelRun | None = None
    step: StepRun | None = None


def run_program(target: str | None, saved: str | None, data: str | None, seed: int) -> Program:
    """Run the program on the batch.

    Args:
        target: `file.py:name` of a model or step; None for a saved model.
        saved: a `.keras` file, loaded in safe mode: no code of it runs.
        data: an .npz file; None for a batch that the module of the target holds.

    Raises:
        UsageError: it is no such thing.
        SessionError: importing the file raised.
    """
    arrays = {} if data is None else load_batch(data)
    if saved is not None:
        return _of_model(load(saved), arrays, seed)
    assert target is not None
    reference = parse_target(target)
    module: Any = import_target(reference).module
    value = module
    for part in (reference.name or "").split("."):
        if not hasattr(value, part):
            raise UsageError(f"Invalid value for `target`. Expected a model or a training step. Received: {target!r}")
        value = getattr(value, part)
    if is_model(value):
        arrays = arrays or {
            name: getattr(module, name) for name in ("x", "y", "sample_weight") if hasattr(module, name)
        }
        return _of_model(value, arrays, seed)
    if not callable(value):
        raise UsageError(
            f"Invalid value for `target`. Expected a model or a training step beside a batch. Received: {target!r}, "
            f"a {type(value).__name__}"
        )
    return Program(getattr(value, "__name__", "step"), step=run_step(value, arguments(value, arrays, module)))


def load(path: str) -> Any:
    """A saved model, in safe mode.

    Raises:
        UsageError: it cannot be loaded so.
    """
    import keras

    if not Path(path).is_file():
        raise UsageError(f"Invalid value for `model`. Expected a .keras file. Received: '{path}' (no such file)")
    try:
        return keras.saving.load_model(path, safe_mode=True)
    except Exception as problem:
        reason = " ".join(str(problem).split())[:200]
        raise UsageError(
            f"Invalid value for `model`. Expected a model that loads in safe mode. Received: '{path}' "
            f"({type(problem).__name__}: {reason})"
        ) from None


def _of_model(model: Any, arrays: Mapping[str, Any], seed: int) -> Program:
    if "x" not in arrays:
        raise UsageError(
            "Invalid value for `data`. Expected the arrays x, y and perhaps sample_weight. Received: "
            + (", ".join(arrays) or "none")
        )
    batch, run = examine(model, given(arrays["x"], arrays.get("y"), arrays.get("sample_weight")), seed=seed)
    return Program(str(model.name), batch, run)


def arguments(step: Any, arrays: Mapping[str, Any], module: Any) -> list[Any]:
    """The arguments of a step: the arrays of the names of its parameters, those of the file in their order, or a batch
    that the module holds.

    Raises:
        UsageError: there are none.
    """
    function = getattr(step, "python_function", step)
    required = [
        name
        for name, one in inspect.signature(function).parameters.items()
        if one.default is one.empty and name != "self"
    ]
    if arrays and all(name in arrays for name in required):
        return [arrays[name] for name in required]
    if len(arrays) == len(required):
        return list(arrays.values())
    if arrays and len(required) == 1:  # one argument, unpacked inside
        return [tuple(arrays.values())]
    if not arrays and all(hasattr(module, name) for name in required):
        return [getattr(module, name) for name in required]
    for name in _BATCHES if not arrays else ():
        if hasattr(module, name):
            held = getattr(module, name)
            first = held if isinstance(held, tuple | list) else next(iter(held))
            return [first] if len(required) == 1 and len(first) != 1 else list(first)
    shown = ", ".join(arrays) or "no batch"
    raise UsageError(
        f"Invalid value for `data`. Expected the arrays {', '.join(required)} of the step, in an .npz file (--data) or "
        f"as `batch` in its file. Received: {shown}"
    )
