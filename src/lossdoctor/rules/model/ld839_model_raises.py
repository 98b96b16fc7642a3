"""LD839: the model cannot be called on this batch."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.model import Batch, ModelRun
from lossdoctor.rules.data.ld816_index_out_of_range import index_out_of_range
from lossdoctor.rules.data.ld817_input_shape import input_shape
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD839", name="model-raises", family="model", severity="error")


@RULE.check
def model_raises(batch: Batch, run: ModelRun) -> Iterator[Suspicion]:
    if run.raised is None or run.stage != "model" or any(array.dtype == object for _, array in batch.inputs):
        return
    if any(index_out_of_range(batch, run)) or any(input_shape(batch, run)):
        return
    yield RULE.at(
        None,
        f"calling the model raises {run.raised.type}: {run.raised.message[:200]}",
        calls=run.raised.calls,
        evidence="witnessed",
        accused=Accused("model", "" if run.raised.calls else "model", (), rank=20),
    )
