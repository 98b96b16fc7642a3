"""LD201: an operand of lower rank is broadcast, so that samples meet the wrong samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lossdoctor.domains.axes import Broadcast
from lossdoctor.findings import Calling
from lossdoctor.graph.ir import Dim, LossGraph
from lossdoctor.probes.batches import Batches
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.session import Loaded
from lossdoctor.spec import Contract, Spec

RULE = Rule(code="LD201", name="implicit-broadcast", family="broadcast", severity="error")


@RULE.check
def implicit_broadcast(
    graph: LossGraph, broadcasts: tuple[Broadcast, ...], batches: Batches, loaded: Loaded, contract: Contract
) -> Iterator[Suspicion]:
    if graph.stage != "traced":
        return
    squeezed = loaded.kind in ("function", "factory") and _squeezed(contract)
    when: tuple[Calling, ...] = ("raw",) if squeezed else ()
    for found in broadcasts:
        if not found.accidental:
            continue
        node = graph[found.node]
        message = (
            f"`{node.call}` broadcasts {_shape(found.left_shape)} with {_shape(found.right_shape)} to "
            f"{_shape(found.shape)}: {found.why}"
        )
        if squeezed:
            message += "; `compile` squeezes the difference away for a function, a custom training loop does not"
        if batches.evidence is not None:
            yield RULE.at(node, message, symptom="batch-mismatch", pair=batches.evidence, evidence="proved", when=when)
        elif batches.fails:
            yield RULE.at(
                node,
                f"{message}; {_sizes(batches.works)}",
                symptom="raises",
                evidence="proved",
                arguments={"batch": batches.fails[0].size},
                when=when,
            )


def _squeezed(contract: Contract) -> bool:
    """Whether Keras squeezes a last axis of one before it calls a function (`squeeze_or_expand_to_same_rank`)."""
    labels, prediction = contract.y_true, contract.y_pred
    if not isinstance(labels, Spec) or not isinstance(prediction, Spec):
        return False
    longer = max(labels.dims, prediction.dims, key=len)
    return abs(len(labels.dims) - len(prediction.dims)) == 1 and longer[-1] == 1


def _sizes(works: Sequence[int]) -> str:
    """For which batch sizes it runs all the same, and what it then does."""
    silent = [size for size in works if size > 1]
    if not silent:
        return "it fails for every batch but one of 1" if works else "it fails for every batch"
    listed = " or ".join(str(size) for size in works)
    return f"it fails unless the batch is {listed}, and with {silent[0]} silently compares the wrong pairs"


def _shape(shape: Sequence[Dim]) -> str:
    return f"({', '.join(str(dim) for dim in shape)}{',' if len(shape) == 1 else ''})"
