"""LD841: the loss makes NaN or infinity of finite targets and predictions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.readings.model import Array, Batch, ModelRun, Output, Party
from lossdoctor.rules.data.batches import not_finite, numeric, target
from lossdoctor.rules.model.heads import scores_given
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD841", name="loss-not-finite", family="model", severity="error")


@RULE.check
def loss_not_finite(batch: Batch, run: ModelRun) -> Iterator[Suspicion]:
    outputs = {output.name: output for output in batch.outputs}
    for term in run.terms:
        output = outputs.get(term.name)
        value_fine = term.value is not None and bool(np.isfinite(term.value))
        if (
            output is None
            or output.loss is None
            or term.raised is not None
            or (value_fine and term.flow != "nonfinite")
        ):
            continue
        clean = _clean(batch, output)
        if clean is None or (not clean.all() and not term.bad_rows):
            continue
        rows = [row for row in term.bad_rows if clean[batch.rows.index(row)]]
        if term.bad_rows and not rows:
            continue  # the target or the prediction of these samples is not finite itself
        if not output.loss.stock and scores_given(batch, output, term):
            continue  # scores in the place of probabilities: LD821
        party, what, why = _who(output)
        what_is = "loss" if term.bad_what == "value" or not value_fine else "gradient of the loss"
        sample = f" for sample {rows[0]} ({_shown(batch, output, rows[0])})" if rows else ""
        yield RULE.at(
            None,
            f"the {what_is} is not finite{sample}, though target and prediction are{why}",
            evidence="witnessed",
            accused=Accused(party, what, (rows[0],) if rows else (), rank=22),
        )


@RULE.check
def rest_not_finite(batch: Batch, run: ModelRun) -> Iterator[Suspicion]:
    """What `add_loss`, a regulariser or an own `compute_loss` makes, where the losses of the outputs are finite."""
    if run.raised is not None or run.value is None or np.isfinite(run.value) or not _fine(batch, run):
        return
    added = next((term for term in run.terms if term.added and not np.isfinite(term.value or 0.0)), None)
    calls = run.origin or (() if added is None else added.calls)
    what = "what a layer adds to it is not" if added is not None else "what is made of these in `compute_loss` is not"
    first = f": {what}" if not calls else f": `{' '.join(calls[-1].text.split())}` is the first operation to give that"
    yield RULE.at(
        None,
        f"the loss of this batch is {run.value}, though every layer's output and the loss of every output is "
        f"finite{first}",
        calls=calls,
        evidence="witnessed",
        accused=Accused("loss" if calls else "model", "" if calls else "model", rank=22),
    )


def _fine(batch: Batch, run: ModelRun) -> bool:
    """Everything that has a rule of its own is finite: inputs, layers, targets, predictions, losses of outputs."""
    given = [array for _, array in batch.inputs]
    held = [part for output in batch.outputs for part in (output.y_true, output.y_pred, output.weight)]
    if any(not_finite(array) is not None for array in (*given, *held)) or any(not layer.finite for layer in run.layers):
        return False
    return all(term.value is None or bool(np.isfinite(term.value)) for term in run.terms if not term.added)


def _clean(batch: Batch, output: Output) -> Array | None:
    """Which of the samples that ran have finite targets, weights and predictions."""
    true, predicted = numeric(output.y_true), output.y_pred
    if true is None or predicted is None:
        return None
    rows = list(batch.rows)
    clean = np.isfinite(true[rows].reshape(len(rows), -1)).all(axis=1)
    clean &= np.isfinite(np.asarray(predicted).reshape(len(rows), -1)).all(axis=1)
    weight = numeric(output.weight)
    if weight is not None:
        clean &= np.isfinite(weight[rows].reshape(len(rows), -1)).all(axis=1)
    return np.asarray(clean)


def _who(output: Output) -> tuple[Party, str, str]:
    """Of Keras's own losses what they are given is to blame, of the user's the loss."""
    assert output.loss is not None
    place = output.name
    if not output.loss.stock:
        return "loss", f"loss:{place}", ""
    numbers = numeric(output.y_true)
    if numbers is not None and float(np.nanmin(numbers)) < 0 and output.loss.targets != "sign":
        return "data", target(output), f": {output.loss.name} is not defined for targets below 0"
    return "model", f"layer:{output.layer}", f": {output.loss.name} is not defined for such predictions"


def _shown(batch: Batch, output: Output, row: int) -> str:
    assert output.y_true is not None
    assert output.y_pred is not None
    true, predicted = output.y_true[row].ravel(), output.y_pred[batch.rows.index(row)].ravel()
    return f"y_true={_few(true)}, y_pred={_few(predicted)}"


def _few(values: Array) -> str:
    shown = ", ".join(f"{value:.4g}" for value in values[:4])
    return f"[{shown}, …]" if len(values) > 4 else f"[{shown}]"
