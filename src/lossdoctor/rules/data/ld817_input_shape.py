"""LD817: x has another shape than the model was built for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lossdoctor.readings.model import Batch, ModelRun
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD817", name="input-shape", family="data", severity="error")
# Keras's messages of an input that does not fit the first layer.
_REFUSED = re.compile(
    r"incompatible with the layer|expected shape=|expected axis|Matrix size-incompatible|missing data for"
)


@RULE.check
def input_shape(batch: Batch, run: ModelRun) -> Iterator[Suspicion]:
    if run.raised is None or run.stage != "model" or run.layers or not _REFUSED.search(run.raised.message):
        return
    shapes = ", ".join(f"{name + ': ' if name else ''}{array.shape}" for name, array in batch.inputs)
    yield RULE.at(
        None,
        f"the model cannot take `x` of shape {shapes}: {run.raised.message[:200]}",
        evidence="witnessed",
        accused=Accused("data", "x", (), rank=2),
    )
