"""LD408: a `print` in the loss, which prints when the loss is traced and never again."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.probes.callings import Callings
from lossdoctor.readings import SideEffects
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD408", name="prints-once", family="graph-mode", severity="info")


@RULE.check
def prints_once(effects: SideEffects, callings: Callings) -> Iterator[Suspicion]:
    traced = callings.get("raw", "graph")
    if effects.prints is not None and traced is not None and traced.prints:
        yield RULE.at(
            None,
            f"`{' '.join(effects.prints.text.split())}` prints under `fit` once, while the loss is traced, "
            "and never values; tf.print prints at every step",
            calls=(effects.prints,),
            evidence="witnessed",
            when=("graph", "keras-compile"),
        )
