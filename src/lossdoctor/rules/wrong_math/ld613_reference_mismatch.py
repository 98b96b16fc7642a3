"""LD613: the value or the gradient of the loss is not that of its declared reference."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.formula.reading import ReferenceCheck
from lossdoctor.readings import GradientCheck
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.wrong_math.mismatch import mismatch
from lossdoctor.session import Traced

RULE = Rule(code="LD613", name="reference-mismatch", family="wrong-math", severity="error")


@RULE.check
def reference_mismatch(reference: ReferenceCheck, traced: Traced) -> Iterator[Suspicion]:
    check = reference.check
    if check.difference is not None:
        yield mismatch(RULE, check, check.difference, traced, f"the reference {reference.shown}")


@RULE.check
def reference_gradient(reference: ReferenceCheck, gradient: GradientCheck) -> Iterator[Suspicion]:
    """The values agree; LD121 speaks where the gradient is not that of the value."""
    found = reference.check.gradient
    if found is None or gradient.wrong:
        return
    # With a mismatch the gradient of the loss is cut or replaced; else that of the reference is.
    shown = bool(gradient.mismatches)
    yield RULE.at(
        None,
        f"the value is that of the reference {reference.shown}, the gradient is not: {found.used:.4g} where the "
        f"reference gives {found.expected:.4g}",
        calls=(gradient.stop_spans or gradient.custom_spans)[:1],
        evidence="witnessed",
        symptom="wrong-gradient" if shown else None,
        pair=found.pair if shown else None,
        arguments={"along": (found.along,)} if shown else {},
        severity="warning",
        family="wrong-gradient",
    )
