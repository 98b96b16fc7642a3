"""LD121: the gradient that training uses is not the derivative of the value."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings import GradientCheck
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD121", name="wrong-gradient", family="wrong-gradient", severity="error")


@RULE.check
def wrong_gradient(gradient: GradientCheck) -> Iterator[Suspicion]:
    """A custom gradient that is not the derivative and is not meant to differ (stop_gradient, pass-through layers)."""
    if not gradient.wrong:
        return
    worst = gradient.mismatches[0]
    factor = f", {gradient.factor:.4g} times the true one everywhere" if gradient.factor is not None else ""
    yield RULE.at(
        None,
        f"the custom gradient gives {worst.tape:.4g} where the derivative of the value is {worst.difference:.4g}"
        f"{factor}",
        calls=gradient.custom_spans[:1],
        evidence="witnessed",
        symptom="wrong-gradient",
        pair=worst.pair,
        arguments={"along": worst.along, "upstream": worst.upstream, "dtype": gradient.dtype},
    )
