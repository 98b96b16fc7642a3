"""LD611: the value of the loss is not that of its declared formula."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.formula.reading import Difference, FormulaCheck
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.session import Array, Traced

RULE = Rule(code="LD611", name="formula-mismatch", family="wrong-math", severity="error")


@RULE.check
def formula_mismatch(formula: FormulaCheck, traced: Traced) -> Iterator[Suspicion]:
    found = formula.difference
    if found is None:
        return
    expected = found.expected
    if traced.calling == "keras-compile" and not found.shapes_differ:
        expected = np.asarray(expected.mean())  # as Keras reduces it
    yield RULE.at(
        None,
        _message(formula, found),
        calls=formula.calls,
        evidence="witnessed",
        symptom="expected",
        pair=found.pair,
        arguments={"expected": expected, "tolerance": _tolerance(found), **_reduced(found, expected)},
    )


def _message(formula: FormulaCheck, found: Difference) -> str:
    if found.shapes_differ:
        return f"the loss has the shape {found.value.shape} where its formula gives {found.expected.shape}"
    place = int(np.argmax(np.abs(found.value - found.expected)))
    value, expected = (float(side.reshape(-1)[place]) for side in (found.value, found.expected))
    reduced = f" ({found.reduction})" if found.reduction else ""
    parts = [f"the loss is {value:.6g} where its formula gives {expected:.6g}{reduced}"]
    if formula.relation:
        parts.append(f"it {formula.relation}")
    if formula.expected and formula.written:
        parts.append(f"here the formula has `{formula.expected}`")
    return "; ".join(parts)


def _tolerance(found: Difference) -> float:
    """What the reproduction allows, relative and absolute: well below the difference."""
    if found.shapes_differ:
        return 1e-3
    gap = np.abs(found.value - found.expected) / (1.0 + np.abs(found.expected))
    return float(f"{min(1e-3, 0.4 * float(gap.max())):.1e}")


def _reduced(found: Difference, expected: Array) -> dict[str, int]:
    """How many axes of the loss are kept, where it has to be averaged before comparing."""
    averaged = found.reduction in ("loss to its mean", "loss to its mean for each sample")
    return {"axes": expected.ndim} if averaged else {}
