"""LD821: a loss from probabilities is given scores."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.readings.model import Batch, ModelRun, Output
from lossdoctor.rules.model.heads import GIVE, probabilities, row_sums, scores_given
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD821", name="probabilities-expected", family="model", severity="error")
_NEAR = 1e-2  # of the sum over the classes; half precision stays inside


@RULE.check
def probabilities_expected(batch: Batch, run: ModelRun) -> Iterator[Suspicion]:
    terms = {term.name: term for term in run.terms}
    for output in batch.outputs:
        loss, predicted = output.loss, output.y_pred
        if loss is None or predicted is None or output.activation in GIVE or not np.isfinite(predicted).all():
            continue
        term = terms.get(output.name)
        if loss.wants not in ("probability", "unit") and not (term and scores_given(batch, output, term)):
            continue
        function = "softmax" if loss.wants == "probability" and (output.classes or 1) >= 2 else "sigmoid"
        if not probabilities(predicted):
            row = int(np.argwhere((predicted < 0) | (predicted > 1))[0][0])
            seen = f"{output.prediction} ranges from {predicted.min():.3g} to {predicted.max():.3g}"
        elif loss.wants == "probability" and (output.classes or 1) >= 2 and _off(output).any():
            row = int(np.argwhere(_off(output))[0][0])
            seen = f"the classes of {output.prediction} sum to {row_sums(predicted)[_off(output)].flat[0]:.3g}"
        else:
            continue
        how = f"give the last layer a {function}" + (", or the loss from_logits=True" if loss.stock else "")
        yield RULE.at(
            None,
            f"{loss.name} expects probabilities, and {seen}: {how}",
            evidence="witnessed",
            accused=Accused("model", f"layer:{output.layer}", (batch.rows[row],), rank=10),
        )


def _off(output: Output) -> np.ndarray:
    assert output.y_pred is not None
    return np.abs(row_sums(output.y_pred) - 1.0) > _NEAR
