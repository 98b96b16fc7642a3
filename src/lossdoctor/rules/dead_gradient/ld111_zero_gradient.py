"""LD111: the gradient is exactly zero for predictions that are wrong."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.findings import Severity
from lossdoctor.graph.ir import LossGraph
from lossdoctor.readings import DeadGradient
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD111", name="zero-gradient", family="dead-gradient", severity="warning")

# From this share of realistic draws on, training stands still for a good part of the data at any time.
MANY = 0.1
# From this share on, the gradient of a sample without a known best prediction is dead too often to be a margin.
OFTEN = 0.3


@RULE.check
def zero_gradient(dead: DeadGradient) -> Iterator[Suspicion]:
    if dead.constant:
        if not dead.spurious:
            yield _constant(dead, "its gradient exactly zero")
        return
    blind = dead.unaimed and dead.share >= OFTEN and not dead.region
    if dead.pair is None or not (dead.everywhere or dead.region or blind):
        return  # without a region the share is that of draws far from any model's, as of noise for images
    what = f"`{_one_line(dead.calls[-1].text)}` makes the gradient" if dead.calls else "the gradient is"
    realistic = f"{_percent(dead.share)} of realistic predictions"
    where = "for every prediction" if dead.everywhere else f"for {dead.region or realistic}"
    there = "" if _whole(dead) else " of the entry that is wrong"
    share = f", {realistic}" if dead.region and not dead.everywhere else ""
    yield RULE.at(
        None,
        f"{what} exactly zero{there} {where}{share}: the loss is {dead.value:.4g} there, could be "
        f"{_number(dead.better_value)}, and nothing is learned from it",
        calls=dead.calls,
        evidence="witnessed",
        symptom="dead-gradient",
        severity=_severity(dead),
        pair=dead.pair,
        arguments={"better": dead.better, "entries": dead.entries},
    )


@RULE.check
def spurious_gradient(dead: DeadGradient, graph: LossGraph) -> Iterator[Suspicion]:
    """A constant that comes with a gradient, as a fused operation computes it. One whose gradient the code defines or
    cuts is a surrogate of something else."""
    by_hand = any(node.op == "stop_gradient" or node.attrs.get("custom") for node in graph.nodes)
    if dead.constant and dead.spurious and graph.stage == "traced" and not by_hand:
        yield _constant(dead, "the gradient that TensorFlow gives is not its derivative")


def _constant(dead: DeadGradient, gradient: str) -> Suspicion:
    where = f"`{_one_line(dead.calls[-1].text)}` loses what the prediction says: " if dead.calls else ""
    return RULE.at(
        None,
        f"{where}the loss is {_number(dead.value)} for this y_true whatever y_pred is, {gradient}, and "
        "nothing is learned from it",
        calls=dead.calls,
        evidence="witnessed",
        symptom="constant",
        severity="error",
        pair=dead.pair,
        arguments={"others": dead.others, "slopes": dead.spurious},
    )


def _severity(dead: DeadGradient) -> Severity:
    """Where other entries still have a gradient, they may move the dead one out of its region."""
    return "error" if dead.everywhere or (dead.share >= MANY and _whole(dead)) else "warning"


def _whole(dead: DeadGradient) -> bool:
    """Whether the whole gradient of the sample is zero, not only that of one entry of several."""
    if dead.entries is None or dead.pair is None:
        return True
    prediction = np.asarray(dead.pair.y_pred)
    return len(dead.entries) * len(prediction) >= prediction.size


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.995 else "nearly all"


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) > 1e-6 else "0"


def _one_line(text: str) -> str:
    return " ".join(text.split())
