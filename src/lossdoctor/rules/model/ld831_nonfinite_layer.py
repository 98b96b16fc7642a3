"""LD831: the first layer that makes NaN or infinity of finite numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.readings.model import Batch, ModelRun
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD831", name="nonfinite-layer", family="model", severity="error")


@RULE.check
def nonfinite_layer(batch: Batch, run: ModelRun) -> Iterator[Suspicion]:
    first = next((layer for layer in run.layers if not layer.finite), None)
    if first is not None and first.finite_inputs:
        row = "" if first.bad_row is None else f" for sample {first.bad_row}"
        sample = () if first.bad_row is None else (first.bad_row,)
        own = run.origin if first.weights_finite else ()
        if not first.weights_finite:
            said = "its weights are not finite: a step before, or the file they came from, has spoilt them"
        else:
            said = f"its inputs and weights are finite (finite outputs reach {_largest(first.low, first.high):.3g})"
            said += f": `{' '.join(own[-1].text.split())}` is the first operation to give that" if own else ""
        yield RULE.at(
            None,
            f"`{first.name}` ({first.kind}) is the first layer whose output is not finite{row}; {said}",
            calls=own,
            evidence="witnessed",
            accused=Accused("model", "" if own else f"layer:{first.name}", sample, rank=16),
        )
        return
    if first is not None:
        return  # what came in was not finite: LD801 says so
    for output in batch.outputs:
        if output.y_pred is not None and not np.isfinite(output.y_pred).all():
            row_ = int(np.argwhere(~np.isfinite(output.y_pred))[0][0])
            yield RULE.at(
                None,
                f"{output.prediction} is not finite for sample {batch.rows[row_]}, though every layer's output is: an "
                "operation between the layers makes it so",
                evidence="witnessed",
                accused=Accused("model", "model", (batch.rows[row_],), rank=17),
            )


def _largest(low: float, high: float) -> float:
    return max((abs(one) for one in (low, high) if np.isfinite(one)), default=0.0)
