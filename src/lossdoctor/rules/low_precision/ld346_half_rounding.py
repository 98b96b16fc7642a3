"""LD346: half precision gives a finite loss that is wrong: numbers that it cannot hold, addends that it swallows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.domains.exact_error import Precision
from lossdoctor.graph.ir import LossGraph
from lossdoctor.readings import HalfRounding
from lossdoctor.rules.low_precision.mechanisms import rounds_to_half
from lossdoctor.rules.precision_loss.told import facts, message
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD346", name="half-rounding", family="low-precision", severity="warning")

_GRAVE = 0.5  # relative: nothing of the loss is left

_DIGITS = {"float16": "11 bits, integers up to 2048", "bfloat16": "8 bits, integers up to 256"}


@RULE.check
def half_rounding(rounding: HalfRounding) -> Iterator[Suspicion]:
    error = np.abs(rounding.got - rounding.expected)
    worst = int(np.argmax(error))
    got, expected = float(rounding.got.flat[worst]), float(rounding.expected.flat[worst])
    where = f"`{' '.join(rounding.calls[-1].text.split())}` rounds" if rounding.calls else "rounding"
    yield RULE.at(
        None,
        f"{where} in {rounding.dtype} ({_DIGITS[rounding.dtype]}): the loss is {got:.6g} instead of {expected:.6g}, "
        "which the same code gives in float32",
        calls=rounding.calls,
        severity="error" if rounding.typical > _GRAVE else "warning",
        evidence="witnessed",
        symptom="expected",
        pair=rounding.pair,
        # np.allclose adds both tolerances.
        arguments={
            "expected": rounding.expected,
            "tolerance": float(f"{(error / (1.0 + np.abs(rounding.expected))).max() / 2:.2g}"),
        },
    )


@RULE.check
def half_rounding_inside(graph: LossGraph, precision: Precision) -> Iterator[Suspicion]:
    """A loss of float32 that goes through half precision somewhere, against exact arithmetic."""
    found = [each for each in precision.inaccuracies if not each.minor and rounds_to_half(graph, graph[each.node])]
    for each in [each for each in found if each.output == "value"] or found:
        yield RULE.at(graph[each.node], f"in half precision {message(graph, each)}", **facts(graph, each))
