"""LD232: the loss is divided by the size of the batch, beside the mean that is taken anyway."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.graph.ir import LossGraph
from lossdoctor.probes.batches import Batches
from lossdoctor.probes.callings import Callings
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD232", name="divided-by-batch", family="reduction", severity="warning")

_CLOSE = 0.01  # relative, of the mean loss against 1 / batch size


@RULE.check
def divided_by_batch(graph: LossGraph, batches: Batches, callings: Callings) -> Iterator[Suspicion]:
    if graph.stage != "traced" or batches.relation != "coupled" or batches.evidence is None:
        return
    if not _shrinks(batches) or not _averaged(callings):
        return
    node = graph[graph.value]
    how = "a mean over the batch is divided" if batches.scalar else "the loss of each sample is divided"
    rest = "" if batches.scalar else ", and Keras then takes the mean"
    yield RULE.at(
        node,
        f"{how} by the size of the batch{rest}: loss and gradient shrink as the batch grows, and the smaller last "
        "batch of an epoch counts for more",
        evidence="witnessed",
        symptom="scales-with-batch",
        pair=batches.evidence,
        arguments={"shrinks": True},
    )


def _shrinks(batches: Batches) -> bool:
    """Whether the mean over what the loss returns goes with 1 / batch size."""
    means = {
        size: ratio if batches.scalar else ratio / size for size, ratio in (batches.ratios or {}).items() if size > 1
    }
    return len(means) > 1 and all(abs(mean * size - 1.0) <= _CLOSE for size, mean in means.items())


def _averaged(callings: Callings) -> bool:
    """Whether Keras averages over what the loss returns: a class with reduction="sum" is right to divide."""
    run = next(
        (
            outcome
            for calling in ("keras-loss", "keras-compile")
            if (outcome := callings.get(calling, "eager")) is not None and outcome.ok and outcome.reduced is not None
        ),
        None,
    )
    if run is None or run.value is None or run.reduced is None:
        return False
    return run.reduced.ndim == 0 and bool(np.isclose(run.reduced, run.value.mean(), rtol=1e-3))
