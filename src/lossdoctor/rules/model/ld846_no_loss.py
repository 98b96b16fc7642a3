"""LD846: a compiled model without a loss."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.model import Batch, ModelRun
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD846", name="no-loss", family="model", severity="error")


@RULE.check
def no_loss(batch: Batch, run: ModelRun) -> Iterator[Suspicion]:
    if without_loss(batch, run):
        yield RULE.at(
            None,
            "`compile` is given no loss, and no layer adds one with `add_loss`: nothing says what is to be learned",
            evidence="witnessed",
            accused=Accused("loss", "compile", (), rank=5),
        )


def without_loss(batch: Batch, run: ModelRun) -> bool:
    """Whether Keras itself found nothing to compute a loss from."""
    if run.raised is None or run.stage != "loss" or run.raised.calls:
        return False
    return bool(batch.outputs) and all(output.loss is None for output in batch.outputs)
