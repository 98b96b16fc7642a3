"""LD852: the learning rate is zero, or so low that nothing moves."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.model import Batch, ModelRun
from lossdoctor.rules.data.ld813_unscaled_input import unscaled_input
from lossdoctor.rules.data.ld814_unscaled_target import unscaled_target
from lossdoctor.rules.model.curves import stuck, told
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD852", name="rate-too-low", family="model", severity="error")
_NOTHING = 1e-3  # share of the loss; a tenth of what a cautious rate for fine-tuning gains in thirty steps


@RULE.check
def rate_too_low(batch: Batch, run: ModelRun) -> Iterator[Suspicion]:
    if any(unscaled_input(batch, run)) or any(unscaled_target(batch, run)):
        return  # no rate suits such numbers
    curve, faster = run.curve, run.faster
    if curve is None or faster is None or not curve.finite or abs(curve.gain) >= _NOTHING or stuck(faster):
        return
    yield RULE.at(
        None,
        f"at the learning rate {curve.rate:g} {told(curve)}; at {faster.rate:g} {told(faster)}: the rate is too low",
        evidence="witnessed",
        severity="error" if curve.rate == 0 or abs(curve.gain) < 1e-4 else "warning",
        accused=Accused("optimisation", "optimizer", (), rank=26),
    )
