"""LD416: the loss is computed in float64, and float32 gives the same."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings import NeedlessDouble
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD416", name="needless-double", family="efficiency", severity="warning")


@RULE.check
def needless_double(double: NeedlessDouble) -> Iterator[Suspicion]:
    cast = " ".join(double.calls[-1].text.split()) if double.calls else "a cast"
    yield RULE.at(
        None,
        f"`{cast}` and what follows from it is computed in float64; in float32 value and gradient are the same to "
        f"three digits at all {double.inputs} inputs that were compared, in half the memory, and many times faster on "
        "most GPUs",
        calls=double.calls,
        evidence="witnessed",
        symptom="in-double",
        replay="welcome",
    )
