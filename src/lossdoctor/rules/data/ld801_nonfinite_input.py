"""LD801: NaN or infinity in the inputs of a model."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.model import Batch, ModelRun
from lossdoctor.rules.data.batches import at, first, many, named, not_finite
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD801", name="nonfinite-input", family="data", severity="error")


@RULE.check
def nonfinite_input(batch: Batch, run: ModelRun) -> Iterator[Suspicion]:
    for key, array in batch.inputs:
        wrong = not_finite(array)
        if wrong is None:
            continue
        index = first(wrong)
        samples = int(wrong.reshape(len(wrong), -1).any(axis=1).sum())
        name = named("x", key)
        yield RULE.at(
            None,
            f"`{name}` holds {array[index]} at {at(index)}, and what is not finite in {many(samples, 'sample')}"
            + ("; the model copes with it" if run.finite else ", which no weight can mend"),
            evidence="witnessed",
            severity="info" if run.finite else "error",
            accused=Accused("data", "x", index, rank=5),
        )
