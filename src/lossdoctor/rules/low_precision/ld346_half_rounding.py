"""LD346: half precision gives a finite loss that is wrong: numbers that it cannot hold, addends that it swallows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.readings import HalfRounding
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
