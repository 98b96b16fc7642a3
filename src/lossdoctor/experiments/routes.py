"""The way from the terms of a loss to its value, in TensorFlow's operations: each term can be let through alone.

A route names operations by their place among those that the loss makes, so that it can be followed again in every
later trace of the same loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from lossdoctor.experiments.additive import Additive
from lossdoctor.experiments.reading import Route, Site
from lossdoctor.findings import LossdoctorError
from lossdoctor.graph.frontend_tf import Live
from lossdoctor.graph.untyped_tf import ops, tf

PASS = ("Identity", "Snapshot", "ReadVariableOp", "PreventGradient")


class Elsewhere(LossdoctorError):
    """The loss makes other operations than when it was decomposed."""


def route(live: Live, found: Additive) -> Route:
    """The route of a decomposition in the graph that was traced."""
    graph, inputs = live.program.graph, list(live.program.inputs)
    made = [op for op in graph.get_operations() if not live.program.records.is_gradient(op)]
    own = {tensor.op.name for tensor in inputs}
    made = [op for op in made if op.name not in own]
    places: dict[str, int] = {op.name: place for place, op in enumerate(made)}
    places |= {tensor.op.name: -1 - number for number, tensor in enumerate(inputs)}
    nodes = {tensor.name: node for node, tensor in live.staged.tensors.items()}
    numbers = {part.node: number for number, part in enumerate(found.parts)}
    leaves: dict[Site, int] = {}
    expanded: dict[int, tuple[int, ...]] = {}
    sizes: set[tuple[int, int]] = set()

    def site(tensor: Any) -> Site:
        return places[tensor.op.name], tensor.value_index

    def node_of(tensor: Any) -> int | None:
        while tensor.name not in nodes and tensor.op.type in PASS:
            tensor = tensor.op.inputs[0]
        return nodes.get(tensor.name)

    def walk(tensor: Any) -> None:
        node = node_of(tensor)
        if node is not None and node in numbers:
            leaves[site(tensor)] = numbers[node]
            return
        op = tensor.op
        place = places[op.name]
        if place in expanded:
            return
        if tensor.name not in nodes and op.type in PASS:
            expanded[place] = (0,)
            walk(op.inputs[0])
            return
        wanted = found.expanded[nodes[tensor.name]]
        positions = tuple(k for k, given in enumerate(op.inputs) if node_of(given) in wanted)
        expanded[place] = positions
        for k, given in enumerate(op.inputs):
            if k in positions:
                walk(given)
            elif (other := node_of(given)) is None or live.traced[other].op == "dims":
                sizes.add((place, k))

    walk(live.staged.value)
    last = max((place for place in (*expanded, *(place for place, _ in leaves))), default=0)
    kinds = tuple(op.type for op in made[: last + 1])
    return Route(kinds, site(live.staged.value), leaves, expanded, frozenset(sizes))


def finder(operations: Sequence[Any], inputs: Sequence[Any]) -> Callable[[Site], Any]:
    """Finds the tensor of a site among the operations of a trace and its inputs."""

    def find(site: Site) -> Any:
        place, output = site
        return inputs[-1 - place] if place < 0 else operations[place].outputs[output]

    return find


def follow(
    found: Route, find: Callable[[Site], Any], wanted: Iterable[int], *, ones: bool = False, plain: bool = False
) -> Any:
    """The value with only some terms let through, the others zero; new operations in the current graph.

    Args:
        found: the route.
        find: the tensor of a site in this graph.
        wanted: the numbers of the terms.
        ones: with ones in the place of the terms.
        plain: without weights and signs: what reductions alone make of the terms.
    """
    numbers = set(wanted)
    copies: dict[int, Any] = {}

    def at(site: Site) -> Any:
        if site in found.leaves:
            tensor = find(site)
            if ones:
                tensor = tf.ones_like(tensor)
            return tf.identity(tensor) if found.leaves[site] in numbers else tf.zeros_like(tensor)
        place, output = site
        if place not in found.expanded:
            return find(site)
        if place not in copies:
            copies[place] = copied(find((place, 0)).op, place)
        made = copies[place].outputs[output]
        # A mean over stacked terms is a weight, a mean over samples is none.
        return made * tf.cast(_stacked(found, find, place), made.dtype) if plain else made

    sites: dict[str, Site] = {}

    def copied(op: Any, place: int) -> Any:
        given: list[Any] = []
        for k, tensor in enumerate(op.inputs):
            if k in found.expanded[place]:
                given.append(at(_site_of(tensor, sites, found, find)))
            elif (
                plain
                and (place, k) not in found.sizes
                and op.type in ("Mul", "Div", "RealDiv", "DivNoNan", "MatMul", "BatchMatMulV2")
            ):
                given.append(tf.ones_like(tensor))
            else:
                given.append(tensor)
        kind = {"Sub": "AddV2", "Neg": "Identity"}.get(op.type, op.type) if plain else op.type
        return ops.get_default_graph()._create_op_internal(
            kind,
            given,
            [output.dtype for output in op.outputs],
            name="term",
            attrs={key: op.node_def.attr[key] for key in op.node_def.attr if not key.startswith("_")},
        )

    return at(found.value)


def _stacked(found: Route, find: Callable[[Site], Any], place: int) -> int:
    """How many terms a mean is taken over; 1 for a mean over anything else."""
    op = find((place, 0)).op
    if op.type != "Mean":
        return 1
    axes = np.atleast_1d(tf.get_static_value(op.inputs[1])).tolist()
    below = op.inputs[0].op
    while below.type in ("Mul", *PASS):
        below = next((x.op for x in below.inputs if x.op.type in ("Pack", "Mul", *PASS)), None)
        if below is None:
            return 1
    if below.type != "Pack":
        return 1
    rank = below.outputs[0].shape.rank
    axis = below.get_attr("axis") % rank if rank else below.get_attr("axis")
    return len(below.inputs) if axis in [a % rank if rank else a for a in axes if a is not None] else 1


def _site_of(tensor: Any, sites: dict[str, Site], found: Route, find: Callable[[Site], Any]) -> Site:
    """The site of an input of an operation on the way."""
    if not sites:
        places = [*found.leaves, *((place, 0) for place in found.expanded)]
        sites.update({find(site).name: site for site in places})
    return sites[tensor.name]


def check_same(found: Route, operations: Sequence[Any]) -> None:
    """Raise `Elsewhere` unless a later trace made the same operations.

    Raises:
        Elsewhere: it did not.
    """
    kinds = tuple(op.type for op in operations[: len(found.kinds)])
    if kinds != found.kinds:
        raise Elsewhere("the loss computes its terms differently for this input, so a term cannot be taken alone")
