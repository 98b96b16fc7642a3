"""LD853: a step of the optimizer spoils the weights at any rate, though loss and gradients are finite."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.readings.model import Curve, ModelRun
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD853", name="optimizer-not-finite", family="model", severity="error")
_HARMLESS = 1e-6  # a rate at which one step moves no weight far enough to lose a finite loss


@RULE.check
def optimizer_not_finite(run: ModelRun) -> Iterator[Suspicion]:
    slower = run.slower
    if not run.finite or slower is None or slower.rate > _HARMLESS or not _spoilt(run.curve) or not _spoilt(slower):
        return
    half = sorted({variable.dtype for variable in run.variables if variable.dtype == "float16"})
    why = (
        ": the weights are float16, in which an epsilon below 6e-8, or the square of a small gradient, is 0; keep the "
        "weights in float32, as the policy mixed_float16 does, or give a larger epsilon"
        if half
        else ": what it divides by is 0, or what it multiplies overflows"
    )
    yield RULE.at(
        None,
        f"one step of {run.optimizer} makes the loss {slower.values[-1]}, even at the rate {slower.rate:.1g}, though "
        f"loss ({slower.start:.4g}) and gradients are finite{why}",
        evidence="witnessed",
        accused=Accused("optimisation", "optimizer", (), rank=24),
    )


def _spoilt(curve: Curve | None) -> bool:
    return curve is not None and len(curve.values) == 2 and bool(np.isfinite(curve.start)) and not curve.finite
