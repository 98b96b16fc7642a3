"""LD802: NaN or infinity in the targets."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.model import Batch, ModelRun
from lossdoctor.rules.data.batches import at, first, many, not_finite, target
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD802", name="nonfinite-target", family="data", severity="error")


@RULE.check
def nonfinite_target(batch: Batch, run: ModelRun) -> Iterator[Suspicion]:
    for output in batch.outputs:
        wrong = not_finite(output.y_true)
        if wrong is None or output.y_true is None:
            continue
        index = first(wrong)
        samples = int(wrong.reshape(len(wrong), -1).any(axis=1).sum())
        yield RULE.at(
            None,
            f"`{output.label}` holds {output.y_true[index]} at {at(index)}, and what is not finite in "
            + many(samples, "sample")
            + ("; the loss copes with it" if run.finite else ", so that the loss is not finite"),
            evidence="witnessed",
            severity="info" if run.finite else "error",
            accused=Accused("data", target(output), index, rank=6),
        )
