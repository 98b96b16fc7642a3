"""LD838: the loss starts far above that of the best constant prediction."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.readings.model import Batch, ModelRun
from lossdoctor.rules.model.curves import stuck
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD838", name="initial-loss", family="model", severity="warning")
_FACTOR = 10.0


@RULE.check
def initial_loss(batch: Batch, run: ModelRun) -> Iterator[Suspicion]:
    of_classes = {output.name for output in batch.outputs if output.loss and output.loss.targets in _CLASSES}
    layers = {output.name: output.layer for output in batch.outputs}
    for term in run.terms:
        if term.name not in of_classes or term.value is None or term.constant is None or not np.isfinite(term.value):
            continue
        if term.value > _FACTOR * max(term.constant, 0.5) and not (run.curve is not None and not stuck(run.curve)):
            yield RULE.at(
                None,
                f"the loss starts at {term.value:.4g}, and {term.constant_what} predicted for every sample gives "
                f"{term.constant:.4g}: the scores of a fresh model should be near zero, and these are far too sure",
                evidence="witnessed",
                accused=Accused("model", f"layer:{layers[term.name]}", (), rank=43),
            )


_CLASSES = ("label", "onehot", "binary")
