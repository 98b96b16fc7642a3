"""LD226: the vectors of the samples are scaled by a norm that is taken over the batch."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.axes import Broadcast
from lossdoctor.domains.coupling import relation_of_samples
from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.dims import of_batch
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.ops import TABLE
from lossdoctor.probes.batches import Batches
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD226", name="normalised-over-batch", family="reduction", severity="warning")

# Between the sum and the division: a root, and guards against zero.
_GUARDS = frozenset(
    {"sqrt", "rsqrt", "maximum", "minimum", "add", "reshape", "expand_dims", "squeeze", "identity", "astype"}
)


@RULE.check
def normalised_over_batch(
    graph: LossGraph, broadcasts: tuple[Broadcast, ...], batches: Batches, dependence: Reading[Dependence]
) -> Iterator[Suspicion]:
    """Predictions x / ‖x‖ with a norm over the samples, in a loss that goes on sample by sample, or pair by pair."""
    if graph.stage != "traced" or batches.scalar or batches.relation != "coupled":
        return
    relation = relation_of_samples(graph, broadcasts)
    if relation is not None and sum(map(of_batch, relation.shape or ())) < 2:
        return  # products of features, summed over the samples: there the norm of a feature is what is meant
    for node in graph.where("multiply", "divide", role="forward"):
        total = _norm_over_batch(graph, node)
        if total is None or not dependence[total].connected or dependence[total].y_true:
            continue
        vector = graph[_source(graph, total)].shape or ()
        yield RULE.at(
            node,
            f"`{' '.join(node.call.split())}` divides by a norm over the batch ({_axes(total, len(vector))} of "
            f"({', '.join(str(dim) for dim in vector)})): each sample is scaled by all others; `axis=-1` scales it by "
            "its own",
            evidence="proved",
            symptom="batch-mismatch" if relation is None and batches.evidence is not None else "operation-on-shapes",
            arguments={"types": TABLE.by_name[total.op].tf, "shapes": (vector,), "result": total.shape or ()},
            pair=batches.evidence if relation is None else None,
            replay="welcome",
        )
        return


def _norm_over_batch(graph: LossGraph, node: Node) -> Node | None:
    """The sum of the squares of x over the batch, of which `node` divides x by the root."""
    pairs = [(node.args[0], node.args[1])] + ([(node.args[1], node.args[0])] if node.op == "multiply" else [])
    for vector, scale in pairs:
        shape = graph[vector].shape
        if shape is None or len(shape) < 2 or shape[-1] == 1 or not any(map(of_batch, shape)):
            continue
        total = _sum_behind(graph, scale)
        if total is not None and _source(graph, total) == vector and not _centred(graph, graph[vector]):
            return total
    return None


def _sum_behind(graph: LossGraph, place: int) -> Node | None:
    """The sum of squares over the batch whose root a node holds, with a guard perhaps."""
    root = False
    node = graph[place]
    while node.op in _GUARDS:
        rest = [arg for arg in node.args if graph[arg].op != "constant"]
        if len(rest) != 1:
            return None
        root = root or node.op in ("sqrt", "rsqrt")
        node = graph[rest[0]]
    if node.op != "sum" or not root or any(map(of_batch, node.shape or ("B",))):
        return None
    squares = graph[node.args[0]]
    squared = squares.op == "square" or (squares.op == "multiply" and squares.args[0] == squares.args[1])
    return node if squared and any(map(of_batch, squares.shape or ())) else None


def _source(graph: LossGraph, total: Node) -> int:
    return graph[total.args[0]].args[0]


def _centred(graph: LossGraph, node: Node) -> bool:
    """Whether a mean over the batch was taken off before, so that the sum is a variance."""
    return node.op == "subtract" and any(not any(map(of_batch, graph[arg].shape or ("B",))) for arg in node.args)


def _axes(total: Node, rank: int) -> str:
    axis = total.attrs.get("axis")
    axes = axis if isinstance(axis, tuple) else (axis,)
    if None in axes or len(axes) == rank:
        return "all axes"
    return f"ax{'is' if len(axes) == 1 else 'es'} {', '.join(map(str, axes))}"
