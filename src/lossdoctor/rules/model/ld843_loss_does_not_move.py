"""LD843: no learning rate moves the loss, and the standard loss moves on the same batch and weights."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.model import Batch, ModelRun
from lossdoctor.rules.model.curves import stuck, told
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD843", name="loss-does-not-move", family="model", severity="error")
_NOTHING = 1e-3  # share of the loss


@RULE.check
def loss_does_not_move(batch: Batch, run: ModelRun) -> Iterator[Suspicion]:
    curve = run.curve
    if curve is None or run.standard is None or stuck(run.standard) or abs(curve.gain) > _NOTHING:
        return
    if any(other is not None and other.finite and not stuck(other) for other in (run.slower, run.faster)):
        return
    own = next((output for output in batch.outputs if output.loss is not None and not output.loss.stock), None)
    if own is None or own.loss is None:
        return
    yield RULE.at(
        None,
        f"{told(curve)}, at smaller and larger learning rates no further; with {run.standard_name} in its place "
        f"{told(run.standard)}",
        evidence="witnessed",
        accused=Accused("loss", f"loss:{own.name}", (), rank=30),
    )
