"""LD804: text where numbers are expected."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.model import Batch, ModelRun
from lossdoctor.rules.data.batches import at, named, target
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD804", name="text", family="data", severity="error")


@RULE.check
def text(batch: Batch, run: ModelRun) -> Iterator[Suspicion]:
    for output in batch.outputs:
        if output.y_true is not None and output.y_true.dtype == object:
            index = (0,) * output.y_true.ndim
            yield RULE.at(
                None,
                f"`{output.label}` holds text, {output.y_true[index]!r} at {at(index)}; a loss needs numbers: turn the "
                "names of classes into 0, 1, 2, … first",
                evidence="witnessed",
                accused=Accused("data", target(output), index, rank=3),
            )
    if run.stage == "model":
        for key, array in batch.inputs:
            if array.dtype == object:
                index = (0,) * array.ndim
                yield RULE.at(
                    None,
                    f"`{named('x', key)}` holds text, {array[index]!r} at {at(index)}, and the model cannot take it",
                    evidence="witnessed",
                    accused=Accused("data", "x", index, rank=2),
                )
