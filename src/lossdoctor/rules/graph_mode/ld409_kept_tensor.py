"""LD409: a tensor kept for the next call, which under `fit` is symbolic and of a trace that has ended."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.readings import SideEffects
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD409", name="kept-tensor", family="graph-mode", severity="error")


@RULE.check
def kept_tensor(effects: SideEffects) -> Iterator[Suspicion]:
    kept = effects.kept
    if kept is None:
        return
    if kept.read and kept.raised is not None:
        yield RULE.at(
            None,
            f"`{kept.name}` keeps a tensor for the next call; under `fit` it is a symbolic tensor of the first trace, "
            f"never updated, and the first batch of another size raises {kept.raised.type}",
            calls=(kept.span,),
            evidence="witnessed",
            symptom="retrace-raises",
            when=("graph", "keras-compile", "partial-batch"),
        )
    elif not kept.read:
        yield RULE.at(
            None,
            f"`{kept.name}` keeps a tensor; under `fit` it is a symbolic one of the trace, without a value to look at",
            calls=(kept.span,),
            evidence="witnessed",
            severity="info",
            when=("graph", "keras-compile"),
        )
