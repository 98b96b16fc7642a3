"""LD837: a model without a trainable variable."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.model import ModelRun
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD837", name="nothing-trainable", family="model", severity="error")


@RULE.check
def nothing_trainable(run: ModelRun) -> Iterator[Suspicion]:
    if run.raised is None and run.layers and not run.variables:
        yield RULE.at(
            None,
            "the model has no trainable variable: every layer is frozen (`trainable = False`) or has no weights",
            evidence="proved",
            accused=Accused("model", "model", (), rank=9),
        )
