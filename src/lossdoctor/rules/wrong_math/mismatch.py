"""What the rules say of a loss whose value is not what it is meant to be."""

from __future__ import annotations

from typing import Any

import numpy as np

from lossdoctor.formula.reading import Difference, FormulaCheck
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.session import Array, Traced


def mismatch(rule: Rule, check: FormulaCheck, found: Difference, traced: Traced, name: str, **facts: Any) -> Suspicion:
    """A suspicion with the counterexample, what holds instead, and the place.

    Args:
        name: of what the loss was compared with, such as "its formula".
    """
    expected = found.expected
    if traced.calling == "keras-compile" and not found.shapes_differ:
        expected = np.asarray(expected.mean())  # as Keras reduces it
    return rule.at(
        None,
        _message(check, found, name),
        calls=check.calls,
        evidence="witnessed",
        symptom="expected",
        pair=found.pair,
        arguments={"expected": expected, "tolerance": tolerance(found), **_reduced(found, expected)},
        **facts,
    )


def _message(check: FormulaCheck, found: Difference, name: str) -> str:
    if found.shapes_differ:
        return f"the loss has the shape {found.value.shape} where {name} gives {found.expected.shape}"
    place = int(np.argmax(np.abs(found.value - found.expected)))
    value, expected = (float(side.reshape(-1)[place]) for side in (found.value, found.expected))
    short = "reference" if name.startswith("the reference") else name.removeprefix("its ").removeprefix("the ")
    reduced = f" ({found.reduction.replace('formula', short)})" if found.reduction else ""
    parts = [f"the loss is {value:.6g} where {name} gives {expected:.6g}{reduced}"]
    if check.relation:
        parts.append(f"it {check.relation.replace('formula', short)}")
    if check.expected and check.written:
        parts.append(f"here the {short} has {check.expected}")
    return "; ".join(parts)


def tolerance(found: Difference) -> float:
    """What the reproduction allows, relative and absolute: well below the difference."""
    if found.shapes_differ:
        return 1e-3
    gap = np.abs(found.value - found.expected) / (1.0 + np.abs(found.expected))
    return float(f"{min(1e-3, 0.4 * float(gap.max())):.1e}")


def _reduced(found: Difference, expected: Array) -> dict[str, int]:
    """How many axes of the loss are kept, where it has to be averaged before comparing."""
    averaged = found.reduction in ("loss to its mean", "loss to its mean for each sample")
    return {"axes": expected.ndim} if averaged else {}
