"""LD851: the learning rate is so high that training diverges on a single batch."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.model import Batch, ModelRun
from lossdoctor.rules.data.ld813_unscaled_input import unscaled_input
from lossdoctor.rules.data.ld814_unscaled_target import unscaled_target
from lossdoctor.rules.model.curves import stuck, told
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD851", name="rate-too-high", family="model", severity="error")


@RULE.check
def rate_too_high(batch: Batch, run: ModelRun) -> Iterator[Suspicion]:
    if any(unscaled_input(batch, run)) or any(unscaled_target(batch, run)):
        return  # no rate suits such numbers
    curve, slower = run.curve, run.slower
    if curve is None or slower is None or not stuck(curve) or not slower.finite:
        return
    diverges = not curve.finite or curve.gain < -0.2
    # At a small rate the loss falls; at a tiny one it falls a little, which is all that can be asked of it.
    falls = slower.gain > 0 and (not diverges or slower.gain > 1e-6)
    if not falls or (not diverges and slower.gain < 0.05):
        return
    yield RULE.at(
        None,
        f"at the learning rate {curve.rate:g} {told(curve)}; at {slower.rate:.3g} {told(slower)}: the rate is too high",
        evidence="witnessed",
        accused=Accused("optimisation", "optimizer", (), rank=25),
    )
