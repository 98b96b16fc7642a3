"""LD403: a random number of Python or NumPy, or the next item of an iterator, drawn once for the whole training."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings import Frozen
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD403", name="frozen-random", family="graph-mode", severity="error")


@RULE.check
def frozen_random(frozen: Frozen) -> Iterator[Suspicion]:
    draw = frozen.draw
    if draw is None or draw.span is None:
        return  # without a call in the source, the cause is not shown
    call = f"`{' '.join(draw.span.text.split())}`"
    yield RULE.at(
        None,
        f"{call} is drawn once, when `fit` traces the loss, and stays the same for the whole training",
        calls=(draw.span,),
        evidence="witnessed",
        symptom="frozen",
        arguments={"holder": "draw"},
        when=("graph", "keras-compile"),
    )
