"""LD602: the loss falls without end."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.ir import LossGraph
from lossdoctor.readings import Direction
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD602", name="unbounded-below", family="wrong-direction", severity="error")


@RULE.check
def unbounded_below(direction: Direction, graph: LossGraph, dependence: Reading[Dependence]) -> Iterator[Suspicion]:
    if graph.stage != "traced" or not direction.unbounded:
        return
    falls = [fall for fall in direction.unbounded if fall.ray != "towards"]  # past the target: a critic, by design
    if not falls:
        return
    fall = max(falls, key=lambda ray: ray.growth)
    meant = ""
    if direction.critic:
        meant = "; as a critic's loss this is meant, if its real samples have the low label"
    elif fall.linear and not dependence[graph.value].y_true:
        meant = "; y_true is not used, so that it may be a reward or a critic's value that is maximised"
    yield RULE.at(
        graph[graph.value],
        f"the loss is unbounded below: it falls from {fall.at_base:.4g} to {fall.losses[-1]:.4g} and on as y_pred "
        f"{_RAYS[fall.ray]}{meant}",
        evidence="witnessed",
        severity="info" if meant else None,
        symptom="unbounded",
        pair=fall.pair,
        arguments={"base": fall.base, "factors": fall.factors},
    )


_RAYS = {
    "up": "grows",
    "down": "falls",
    "away": "moves away from the target",
    "random": "moves along a random direction",
}
