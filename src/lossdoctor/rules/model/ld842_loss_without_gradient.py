"""LD842: the loss gives the prediction no gradient on this batch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.readings.model import Batch, ModelRun, Party
from lossdoctor.rules.data.batches import numeric
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD842", name="loss-without-gradient", family="model", severity="error")


@RULE.check
def loss_without_gradient(batch: Batch, run: ModelRun) -> Iterator[Suspicion]:
    outputs = {output.name: output for output in batch.outputs}
    for term in run.terms:
        output = outputs.get(term.name)
        if output is None or output.loss is None or term.value is None or term.flow not in ("none", "zero"):
            continue
        if output.activation == "softmax" and output.classes == 1:
            continue  # LD823
        weight = numeric(output.weight)
        if term.flow == "zero" and (term.value == 0 or (weight is not None and not weight.any())):
            continue  # nothing is left to learn, or nothing counts
        saturated = output.y_pred is not None and bool(np.isin(output.y_pred, (0.0, 1.0)).all())
        party: Party = "model" if output.loss.stock or (term.flow == "zero" and saturated) else "loss"
        said = "None" if term.flow == "none" else "exactly zero for every sample"
        why = (
            ": something in it has no derivative (argmax, round, comparison, cast, NumPy)"
            if term.flow == "none"
            else ": the predictions are all 0 or 1"
            if saturated
            else ""
        )
        name, value = output.loss.name, term.value
        what = f"loss:{output.name}" if party == "loss" else f"layer:{output.layer}"
        yield RULE.at(
            None,
            f"the gradient of {name} to {output.prediction} is {said}, while the loss is {value:.4g}{why}",
            evidence="witnessed",
            accused=Accused(party, what, (), rank=21),
        )
