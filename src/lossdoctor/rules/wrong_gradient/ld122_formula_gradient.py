"""LD122: the loss equals its declared formula, and its gradient is not the formula's derivative."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.formula.reading import FormulaCheck, SlopeCheck
from lossdoctor.graph.ir import LossGraph
from lossdoctor.readings import GradientCheck
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.wrong_math.mismatch import tolerance

RULE = Rule(code="LD122", name="formula-gradient", family="wrong-gradient", severity="error")


@RULE.check
def declared_gradient(slopes: SlopeCheck, gradient: GradientCheck, graph: LossGraph) -> Iterator[Suspicion]:
    """Against a formula of the gradient itself. It comes first: of two findings at one place one is told."""
    found = slopes.difference
    if found is None or graph.stage != "traced":
        return
    place = int(np.argmax(np.abs(found.value - found.expected)))
    used, expected = (float(side.reshape(-1)[place]) for side in (found.value, found.expected))
    clause = f"; it {slopes.relation}" if slopes.relation else ""
    if slopes.calls and slopes.written:
        clause += f"; with {slopes.change} at `{slopes.written}` it is the declared one"
    elif slopes.lacks:
        clause += f"; it lacks `{slopes.lacks}`"
    yield RULE.at(
        None,
        f"the gradient is {used:.6g} where its formula gives {expected:.6g}{clause}",
        calls=slopes.calls or (gradient.custom_spans or gradient.stop_spans)[:1] or graph[graph.value].calls,
        evidence="witnessed",
        symptom="expected",
        pair=found.pair,
        arguments={"expected": found.expected, "gradient": 0, "tolerance": tolerance(found)},
    )


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
