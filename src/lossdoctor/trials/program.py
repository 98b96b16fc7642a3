"""A model or training step that a file holds, on the batch of another: what a worker does for `lossdoctor check`."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossdoctor.findings import Sample, UsageError
from lossdoctor.graph.spans import clean_message
from lossdoctor.readings.model import Batch, ModelRun
from lossdoctor.readings.step import StepRun
from lossdoctor.spec.batches import load_batch
from lossdoctor.subject.importing import import_target
from lossdoctor.subject.kinds import is_model
from lossdoctor.targets import parse_target
from lossdoctor.trials import opening
from lossdoctor.trials.arrays import given
from lossdoctor.trials.model import examine
from lossdoctor.trials.ranking import rank
from lossdoctor.trials.step import run_step

# What a module calls a batch, or a data set of batches, that its step can run on.
_RANKED = 64  # samples of a batch that is ranked
_BATCHES = ("batch", "dataset", "train_dataset", "train_ds", "ds", "train_data")


@dataclass(frozen=True, slots=True)
class Program:
    """What came of it: `batch` and `run` of a model, or `step`."""

    name: str
    batch: Batch | None = None
    run: ModelRun | None = None
    step: StepRun | None = None
    worst: tuple[Sample, ...] = ()
    unranked: str = ""  # why the samples could not be ranked
    opening: str = ""  # source that brings it back in a fresh process (`trials.opening`)


def run_program(target: str | None, saved: str | None, data: str | None, seed: int, worst: int = 0) -> Program:
    """Run the program on the batch.

    Args:
        target: `file.py:name` of a model or step; None for a saved model.
        saved: a `.keras` file, loaded in safe mode: no code of it runs.
        data: an .npz file; None for a batch that the module of the target holds.
        worst: how many samples of a model's data to rank.

    Raises:
        UsageError: it is no such thing.
        SessionError: importing the file raised.
    """
    arrays = {} if data is None else load_batch(data)
    kept = {name: opening.held(name, value) for name, value in arrays.items()}
    loader = "" if data is None else opening.loaded(data)
    if saved is not None:
        model = f"keras.saving.load_model({saved!r}, safe_mode=True)"
        return _of_model(load(saved), arrays, seed, worst, (loader, model, kept))
    assert target is not None
    reference = parse_target(target)
    imported = import_target(reference)
    module: Any = imported.module
    loader = imported.loader + loader
    subject = f"_module.{reference.name}"
    value = module
    for part in (reference.name or "").split("."):
        if not hasattr(value, part):
            raise UsageError(f"Invalid value for `target`. Expected a model or a training step. Received: {target!r}")
        value = getattr(value, part)
    if is_model(value):
        arrays = arrays or {
            name: getattr(module, name) for name in ("x", "y", "sample_weight") if hasattr(module, name)
        }
        kept = kept or {name: f"_module.{name}" for name in arrays}
        return _of_model(value, arrays, seed, worst, (loader, subject, kept))
    if not callable(value):
        raise UsageError(
            f"Invalid value for `target`. Expected a model or a training step beside a batch. Received: {target!r}, "
            f"a {type(value).__name__}"
        )
    batch, text = arguments(value, arrays, module)
    text = opening.of_step(loader, subject, text)
    return Program(getattr(value, "__name__", "step"), step=run_step(value, batch), opening=text)


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


def _of_model(
    model: Any, arrays: Mapping[str, Any], seed: int, worst: int, source: tuple[str, str, Mapping[str, str]]
) -> Program:
    if "x" not in arrays:
        raise UsageError(
            "Invalid value for `data`. Expected the arrays x, y and perhaps sample_weight. Received: "
            + (", ".join(arrays) or "none")
        )
    batch, run = examine(model, given(arrays["x"], arrays.get("y"), arrays.get("sample_weight")), seed=seed)
    loader, name, kept = source
    text = opening.of_model(loader, name, kept, batch.rows, seed)
    ranked, unranked = _ranked(model, arrays, worst) if worst else ([], "")
    return Program(str(model.name), batch, run, opening=text, worst=tuple(ranked), unranked=unranked)


def _ranked(model: Any, arrays: Mapping[str, Any], worst: int) -> tuple[list[Sample], str]:
    """The worst samples, or why they cannot be ranked."""
    x, y = arrays["x"], arrays.get("y")
    if not hasattr(x, "shape") or not hasattr(y, "shape"):
        return [], "x and y have to be one array each"
    try:
        return rank(model, x, y, top=worst, batch_size=_RANKED, progress=None), ""
    except Exception as problem:  # what is wrong with the model or its data is told by the rules
        return [], f"{type(problem).__name__}: {clean_message(problem)}"


def arguments(step: Any, arrays: Mapping[str, Any], module: Any) -> tuple[list[Any], str]:
    """The arguments of a step, and an expression for them: the arrays of the names of its parameters, those of the file
    in their order, or a batch that the module holds.

    Raises:
        UsageError: there are none.
    """
    function = getattr(step, "python_function", step)
    required = [
        name
        for name, one in inspect.signature(function).parameters.items()
        if one.default is one.empty and name != "self"
    ]
    texts = {name: opening.held(name, value) for name, value in arrays.items()}
    if arrays and all(name in arrays for name in required):
        return [arrays[name] for name in required], _listed(texts[name] for name in required)
    if len(arrays) == len(required):
        return list(arrays.values()), _listed(texts.values())
    if arrays and len(required) == 1:  # one argument, unpacked inside
        return [tuple(arrays.values())], f"[tuple({_listed(texts.values())})]"
    if not arrays and all(hasattr(module, name) for name in required):
        return [getattr(module, name) for name in required], _listed(f"_module.{name}" for name in required)
    for name in _BATCHES if not arrays else ():
        if hasattr(module, name):
            held = getattr(module, name)
            whole = isinstance(held, tuple | list)
            first = held if whole else next(iter(held))
            text = f"_module.{name}" if whole else f"next(iter(_module.{name}))"
            alone = len(required) == 1 and len(first) != 1
            return ([first], f"[{text}]") if alone else (list(first), f"list({text})")
    shown = ", ".join(arrays) or "no batch"
    raise UsageError(
        f"Invalid value for `data`. Expected the arrays {', '.join(required)} of the step, in an .npz file (--data) or "
        f"as `batch` in its file. Received: {shown}"
    )


def _listed(parts: Iterable[str]) -> str:
    return f"[{', '.join(parts)}]"
