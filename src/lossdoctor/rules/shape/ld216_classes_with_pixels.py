"""LD216: an overlap is summed over the classes and a part of the image, as for channels-first maps."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.spec import Contract, Spec

RULE = Rule(code="LD216", name="classes-with-pixels", family="shape", severity="warning")


@RULE.check
def classes_with_pixels(graph: LossGraph, contract: Contract, dependence: Reading[Dependence]) -> Iterator[Suspicion]:
    """A ratio of sums over maps whose channels are last, along their channels and not along all of the image."""
    labels, maps = contract.y_true, contract.y_pred
    if graph.stage != "traced" or not isinstance(labels, Spec) or not isinstance(maps, Spec):
        return
    if labels.dims != maps.dims or len(maps.dims) < 4:
        return
    if labels.kind not in ("onehot", "probability") and maps.dims[-1] != 1:
        return  # nothing says which axis has the channels
    shape = graph[graph.y_pred[0]].shape
    for ratio in graph.where("divide", role="forward"):
        parts = [_sums(graph, arg, shape) for arg in ratio.args]
        if not all(parts) or not dependence[ratio].connected:
            continue
        node = next((each for each in parts[0] if dependence[each].connected), None)
        if node is None:
            continue
        axes, left = _axes(node, len(maps.dims)), range(1, len(maps.dims) - 1)
        over = [axis for axis in left if axis in axes]
        beside = [axis for axis in left if axis not in axes]
        yield RULE.at(
            node,
            f"`{node.call}` sums over axis {_named(over)} and the channels, which are on axis {len(maps.dims) - 1}, "
            f"and not over axis {_named(beside)}: the ratio is one of rows of the image, not of classes",
            evidence="proved",
            symptom="pixels-exchanged",
            replay="welcome",
        )
        return


def _sums(graph: LossGraph, place: int, shape: object) -> list[Node]:
    """The sums over channels and some of the image, of which a numerator or denominator is made."""
    found: list[Node] = []
    stack, seen = [place], set[int]()
    while stack:
        node = graph[stack.pop()]
        if node.id in seen:
            continue
        seen.add(node.id)
        if node.op in ("sum", "mean"):
            rank = len(graph[node.args[0]].shape or ())
            axes = _axes(node, rank)
            image = set(range(1, rank - 1))
            if (
                graph[node.args[0]].shape == shape
                and rank - 1 in axes
                and axes & image
                and image - axes
                and 0 not in axes
            ):
                found.append(node)
        elif node.op in ("add", "multiply", "subtract", "maximum", "astype", "negative"):
            stack += node.args
    return found


def _axes(node: Node, rank: int) -> set[int]:
    axes = node.attrs.get("axis")
    if axes is None:
        return set(range(rank))
    listed = axes if isinstance(axes, tuple) else (axes,)
    return {axis % rank for axis in listed if isinstance(axis, int)}


def _named(axes: list[int]) -> str:
    return " and ".join(map(str, axes))
