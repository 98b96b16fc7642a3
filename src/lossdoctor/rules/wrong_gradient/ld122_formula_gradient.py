"""LD122: the loss equals its declared formula, and its gradient is not the formula's derivative."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.formula.reading import FormulaCheck
from lossdoctor.readings import GradientCheck
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD122", name="formula-gradient", family="wrong-gradient", severity="error")


@RULE.check
def formula_gradient(formula: FormulaCheck, gradient: GradientCheck) -> Iterator[Suspicion]:
    """Where LD121 does not speak. A gradient that is cut or replaced on purpose is told as information."""
    found = formula.gradient
    if found is None or gradient.wrong:
        return
    meant = " (a gradient is stopped or replaced on the way)" if gradient.by_design else ""
    yield RULE.at(
        None,
        f"the gradient gives {found.used:.4g} where the derivative of the formula is {found.expected:.4g}{meant}",
        calls=(gradient.stop_spans or gradient.custom_spans)[:1],
        evidence="witnessed",
        symptom="wrong-gradient",
        pair=found.pair,
        arguments={"along": (found.along,)},
        severity="info" if gradient.by_design else None,
    )
