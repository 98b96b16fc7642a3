"""Where a loss lets the samples of a batch meet because it is made of their relations: pairs, covariances, ranks.

Such a loss has no value for a sample alone. A ratio of sums over the batch couples the samples as well, but could be
made for each of them, and is not meant here.
"""

from __future__ import annotations

from lossdoctor.domains.axes import Broadcast
from lossdoctor.domains.dependence import Dependence, dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.dims import of_batch
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.ops import TABLE

_CONTRACTIONS = frozenset({"matmul", "einsum", "fused_matmul"})
_ORDERS = frozenset({"top_k", "nth_element", "sort", "argsort"})  # along the last axis
_MOVES = frozenset({"expand_dims", "reshape", "squeeze", "permute_dims", "identity", "astype", "stop_gradient"})


def relation_of_samples(loss: LossGraph, broadcasts: tuple[Broadcast, ...]) -> Node | None:
    """The first operation on predictions that relates the samples of the batch on purpose; None without one.

    An accidental broadcast relates them too, so that nothing can be told of a loss that has one.
    """
    if any(found.accidental for found in broadcasts):
        return None
    values = dependence(loss)
    before = loss.graph.ancestors(loss.value) | {loss.value}
    for node in loss.nodes:
        if node.id not in before or node.role != "forward" or not values[node.id].connected:
            continue
        if _pairs(node) or _contracts(loss, node) or _orders(loss, node) or _covariance(loss, node, values):
            return node
    return None


def _pairs(node: Node) -> bool:
    """A table with a row and a column for each sample."""
    return sum(map(of_batch, node.shape or ())) > 1


def _contracts(loss: LossGraph, node: Node) -> bool:
    """Products of features, summed over the samples: X.T @ X."""
    return node.op in _CONTRACTIONS and not _has_batch(node) and all(_has_batch(loss[arg]) for arg in node.args[:2])


def _orders(loss: LossGraph, node: Node) -> bool:
    """Sums along the batch as it is sorted, or the sorting itself."""
    source = loss[node.args[0]].shape if node.args else None
    if not source:
        return False
    if node.op.startswith("cumulative_"):
        axis = node.attrs.get("axis", 0)
        return isinstance(axis, int) and -len(source) <= axis < len(source) and of_batch(source[axis])
    return node.op in _ORDERS and of_batch(source[-1])


def _covariance(loss: LossGraph, node: Node, values: Reading[Dependence]) -> bool:
    """Targets and predictions, each less its mean over the batch, multiplied."""
    if node.op != "multiply" or len(node.args) != 2:
        return False
    left, right = node.args
    if not (_centred(loss, left) and _centred(loss, right)):
        return False
    sources = (values[left], values[right])
    return any(found.y_true and not found.y_pred for found in sources) and any(
        found.y_pred and not found.y_true for found in sources
    )


def _centred(loss: LossGraph, place: int) -> bool:
    node = loss[place]
    if node.op != "subtract" or not _has_batch(node):
        return False
    source, mean = node.args
    while loss[mean].op in _MOVES:
        mean = loss[mean].args[0]
    row = TABLE.by_name.get(loss[mean].op)
    return row is not None and row.kind == "reduce" and not _has_batch(loss[mean]) and loss[mean].args[0] == source


def _has_batch(node: Node) -> bool:
    return any(map(of_batch, node.shape or ()))
