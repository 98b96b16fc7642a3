"""`lossdoctor.check(model, x=…, y=…)`: the model on its batch in this process, and each loss of the user's own."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lossdoctor.engine.diagnose import report_of_model, span_of_line
from lossdoctor.engine.run import Outcome, examined, live_job, report_of, selector, with_mask
from lossdoctor.engine.scene import Scene, names_at
from lossdoctor.findings import ErrorItem, LossReport, Report, UsageError
from lossdoctor.readings.model import Array, Batch, Output
from lossdoctor.session import Pair, SessionError, Settings
from lossdoctor.spec import KIND_OF_ACTIVATION, Contract, Spec, contract_from_arrays
from lossdoctor.subject.kinds import is_loss

_CLASSES = ("binary", "onehot", "label")


def check_model(
    model: Any,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    settings: Settings | None = None,
    target: str = "",
    scene: Scene | None = None,
    place: tuple[str, int] = ("", 0),
) -> Report:
    """Examine a compiled model on a batch; see `lossdoctor.check`.

    Args:
        place: file and line of the caller, where names of layers and arrays are looked up.

    Raises:
        UsageError: the model is not compiled, or x, y and sample_weight do not belong together.
    """
    from lossdoctor.trials.arrays import given
    from lossdoctor.trials.model import examine
    from lossdoctor.trials.uses import losses_by_output
    from lossdoctor.worker.state import preserved

    settings = settings or Settings()
    path, line = place
    scene = scene or Scene(path, line, names_at(path, line), fallback=span_of_line(path, line))
    selected = selector(settings, None, None)
    with preserved(settings.seed):
        batch, run = examine(model, given(x, y, sample_weight), seed=settings.seed)
        losses = losses_by_output(model, [output.name for output in batch.outputs])
    outcomes: list[Outcome] = [
        _examined(losses[output.name], output, batch, settings)
        for output in batch.outputs
        if output.loss is not None and not output.loss.stock
    ]
    own = [item for item in outcomes if isinstance(item, LossReport)]
    name = target or f"model {getattr(model, 'name', 'model')}"
    report = report_of_model(name, batch, run, own, scene, selected=selected, folder=Path.cwd())
    return report_of([report, *outcomes], settings)


def _examined(loss: Any, output: Output, batch: Batch, settings: Settings) -> Outcome:
    """A loss of the user's, with what the model gives it."""
    from lossdoctor.worker.state import preserved

    contract, pair = contract_of_output(output, batch, settings.magnitude, squeezed=not is_loss(loss))
    with preserved(settings.seed):
        try:
            job, session = live_job(loss, None, None, settings)
        except (SessionError, UsageError) as problem:
            return ErrorItem(output.loss.name if output.loss is not None else repr(loss), str(problem))
        if contract is not None:
            job = replace(job, contracts=(contract,), pair=pair)
        with contextlib.closing(session):
            return examined(job, session)


def contract_of_output(
    output: Output, batch: Batch, magnitude: float, *, squeezed: bool
) -> tuple[Contract | None, Pair | None]:
    """What `compile` gives the loss of an output: y_true in float32, the kind of y_pred from the last activation.

    Samples that are at fault themselves do not count; without any other there is no contract.

    Args:
        squeezed: Keras makes (B,) and (B,1) equal, as it does for functions.
    """
    if output.y_true is None or output.y_pred is None or output.y_true.dtype == object:
        return None, None
    true, predicted = output.y_true[list(batch.rows)], np.asarray(output.y_pred)
    good = _finite(true) & _finite(predicted)
    shapes = (predicted.shape[:-1], (*predicted.shape[:-1], 1))
    labels = true.dtype.kind in "iu" and output.classes is not None and output.classes > 2 and true.shape in shapes
    if labels:
        good &= ((true >= 0) & (true < output.classes)).reshape(len(true), -1).all(axis=1)
    if not good.any():
        return None, None
    true, predicted = true[good].astype(np.float32), predicted[good]
    if squeezed and true.shape == predicted.shape[:-1] and predicted.shape[-1] == 1:
        true = true[..., None]
    elif squeezed and predicted.shape == true.shape[:-1] and true.shape[-1] == 1:
        true = true[..., 0]
    try:
        found = contract_from_arrays(true, predicted, magnitude)
    except UsageError:
        return None, None
    kind: Any = KIND_OF_ACTIVATION.get(output.activation)
    if kind is None and isinstance(found.y_true, Spec) and output.activation:
        kind = "logit" if found.y_true.kind in _CLASSES and output.activation == "linear" else "real"
    if kind == "probability" and output.classes == 1:
        kind = "unit"
    if labels and isinstance(found.y_true, Spec) and output.classes is not None:
        found = replace(found, y_true=replace(found.y_true, kind="label", classes=output.classes))
    if isinstance(found.y_pred, Spec) and kind is not None:
        said = f"y_pred is {kind}, as the {output.activation} of the last layer `{output.layer}` gives it"
        found = replace(found, y_pred=replace(found.y_pred, kind=kind), assumptions=(*found.assumptions[:1], said))
    return with_mask(found) if output.masked else found, Pair(true, predicted)


def _finite(array: Array) -> Array:
    if array.dtype.kind != "f":
        return np.ones(len(array), bool)
    return np.asarray(np.isfinite(array.reshape(len(array), -1)).all(axis=1))
