"""LD844: the loss cannot be computed from this target and this prediction."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.model import Batch, ModelRun, Party
from lossdoctor.rules.model.ld846_no_loss import without_loss
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD844", name="loss-raises", family="model", severity="error")


@RULE.check
def loss_raises(batch: Batch, run: ModelRun) -> Iterator[Suspicion]:
    if run.raised is None or run.stage != "loss" or without_loss(batch, run):
        return
    output = next((one for one in batch.outputs if one.loss is not None), None)
    own = output is not None and output.loss is not None and not output.loss.stock and bool(run.raised.calls)
    party: Party = "loss" if own else "data"
    shapes = "; ".join(
        f"{one.label} {one.y_true.shape} of {one.y_true.dtype}, {one.prediction} {one.y_pred.shape}"
        for one in batch.outputs
        if one.y_true is not None and one.y_pred is not None
    )
    yield RULE.at(
        None,
        f"the loss raises {run.raised.type} on this batch ({shapes}): {run.raised.message[:200]}",
        calls=run.raised.calls if own else (),
        evidence="witnessed",
        accused=Accused(party, "" if own else "y", (), rank=35),
    )
