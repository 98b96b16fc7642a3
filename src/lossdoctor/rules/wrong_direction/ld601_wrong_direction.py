"""LD601: the loss is higher at the target than away from it."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.ir import LossGraph, Span
from lossdoctor.readings import Counterexample, Direction
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.source.names import is_loss_name
from lossdoctor.spec import Contract, Spec

_SCANS = ("cumulative_sum", "cumulative_prod", "cumulative_logsumexp")

RULE = Rule(code="LD601", name="wrong-direction", family="wrong-direction", severity="error")


@RULE.check
def wrong_direction(
    direction: Direction, graph: LossGraph, dependence: Reading[Dependence], contract: Contract
) -> Iterator[Suspicion]:
    found = direction.comparison
    if graph.stage != "traced" or not direction.applicable or found is None or _accumulated(graph, dependence):
        return
    of_label = direction.wrong_label
    if of_label is not None:
        found = of_label[1]
    elif direction.alike_wrong and direction.alike is not None:
        found = direction.alike
    if not found.counterexamples:
        return
    example = found.counterexamples[0]
    if of_label is not None:
        message = (
            f"where y_true is {of_label[0]:g}, the loss rises towards the target, as if its term had the wrong sign"
        )
    elif direction.arguments_swapped:
        message = "the loss is lowest at the target only with its two arguments the other way round"
    elif found.worst_at_target and direction.gain:
        message = "the loss is higher the more is earned: named after a gain, it minimises it"
    elif direction.says_the_opposite and not direction.critic:
        message = "the loss rises towards the target: a score that should be maximised is minimised"
    elif found.beaten_by_all and not direction.critic and _of_one_kind(contract):
        message = "the loss is higher at the target than for whatever else was tried, as if a term had the wrong sign"
    else:
        return
    best = "for the decisions that earn most" if direction.gain else "at the target"
    told = f"{message} ({example.at_target:.4g} {best}, {example.at_wrong:.4g} for {_WRONG[example.wrong]})"
    yield _suspicion(graph, told, example)


@RULE.check
def peak_at_target(direction: Direction, graph: LossGraph) -> Iterator[Suspicion]:
    """A term of wrong sign that is small far from the target, and larger than the others near it."""
    found = direction.peak
    if graph.stage != "traced" or found is None:
        return
    told = (
        f"the loss falls in both directions from the target, as if a term had the wrong sign ({found.at_target:.4g} at "
        f"the target, {found.at_wrong:.4g} for {_WRONG[found.wrong]})"
    )
    yield _suspicion(graph, told, found)


@RULE.check
def exchanged_distances(direction: Direction, graph: LossGraph) -> Iterator[Suspicion]:
    """A loss of distances that brings near what does not belong together."""
    found = direction.arranged
    if graph.stage != "traced" or found is None or not direction.exchanged:
        return
    example = found.counterexamples[0]
    told = (
        f"the loss is lower where {direction.together} lies {_APART[direction.together]}: what should be pulled is "
        f"pushed ({example.at_target:.4g} as it should be, {example.at_wrong:.4g} the other way round)"
    )
    yield _suspicion(graph, told, example)


def _suspicion(graph: LossGraph, message: str, example: Counterexample) -> Suspicion:
    """Shown by a prediction with a lower loss than the target."""
    return RULE.at(
        graph[graph.value],
        message,
        calls=_returned(graph[graph.value].calls),
        evidence="witnessed",
        symptom="decreases-away",
        pair=example.pair,
        arguments={"target": example.target},
    )


def _of_one_kind(contract: Contract) -> bool:
    """Whether y_pred is to be what y_true is; labels may name what is to be avoided."""
    true, pred = contract.y_true, contract.y_pred
    same = isinstance(true, Spec) and isinstance(pred, Spec) and (true.kind, true.dims) == (pred.kind, pred.dims)
    return same and isinstance(true, Spec) and true.kind in ("real", "positive", "unit")


def _accumulated(graph: LossGraph, dependence: Reading[Dependence]) -> bool:
    """Whether predictions are accumulated along an axis and targets are not, as hazards are to a survival curve: an
    entry of y_pred does not state the entry of y_true beside it."""
    scans = [dependence[node] for node in graph.where(*_SCANS, role="forward")]
    return any(found.y_pred for found in scans) and not any(found.y_true for found in scans)


def _returned(calls: tuple[Span, ...]) -> tuple[Span, ...]:
    """The user's frames, without those inside a helper that computes a score: the score is right, and it is wrong
    that the loss returns it as it is."""
    kept = list(calls)
    while len(kept) > 1 and not is_loss_name(kept[-1].function.rpartition(".")[2]):
        kept.pop()
    return tuple(kept)


_APART = {
    "the positive": "far from the anchor, and the negative near it",
    "what has the same label": "apart",
    "the second view of a sample": "near another sample",
}
_WRONG = {
    "opposite": "the opposite answer",
    "other": "another sample's target",
    "random": "a random prediction",
    "constant": "a constant prediction",
    "near": "a prediction close to it",
}
