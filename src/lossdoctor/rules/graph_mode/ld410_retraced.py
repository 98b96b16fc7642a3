"""LD410: a `tf.function` that every call of the loss makes, or asks for something new, and so traces again."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings import SideEffects
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD410", name="retraced", family="graph-mode", severity="warning")


@RULE.check
def retraced(effects: SideEffects) -> Iterator[Suspicion]:
    if effects.retraced is not None:
        yield RULE.at(
            None,
            f"`{' '.join(effects.retraced.text.split())}` traces its tf.function again at every eager call, with the "
            "same shapes: that takes many times as long as running it",
            calls=(effects.retraced,),
            evidence="witnessed",
            symptom="traced-again",
            replay="welcome",
            when=("eager",),
        )
