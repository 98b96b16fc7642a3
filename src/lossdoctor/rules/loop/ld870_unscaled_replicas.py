"""LD870: a mean over the batch of one replica, in a step that runs on several."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings.step import StepRun
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD870", name="unscaled-replicas", family="model", severity="warning")


@RULE.check
def unscaled_replicas(step: StepRun) -> Iterator[Suspicion]:
    if step.replicas:
        yield RULE.at(
            None,
            "the gradients of the replicas are added up, and this mean is over the samples of one replica: with n "
            "replicas the step is n times too large; use `tf.nn.compute_average_loss` with the global batch size",
            calls=step.replicas,
            evidence="suspected",
            when=("replicas",),
            accused=Accused("loop", rank=22),
        )
