"""LD404: the loss appends to a Python list, which happens once when `fit` traces it."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings import Frozen
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD404", name="growing-list", family="graph-mode", severity="warning")


@RULE.check
def growing_list(frozen: Frozen) -> Iterator[Suspicion]:
    if frozen.grows is not None:
        yield RULE.at(
            None,
            f"`{frozen.grows.name}` grows with every eager call, and under `fit` once, when the loss is traced: by a "
            "symbolic tensor that no later step updates",
            calls=(frozen.grows.span,),
            evidence="witnessed",
            symptom="list-grows",
            arguments={"name": frozen.grows.name, "holder": "attribute"},
            replay="welcome",
            when=("graph", "keras-compile"),
        )
