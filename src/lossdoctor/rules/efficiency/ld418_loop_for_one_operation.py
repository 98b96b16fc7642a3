"""LD418: a loop in the graph does step by step what one operation does at once."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.ir import Graph, LossGraph, Node
from lossdoctor.ops import TABLE
from lossdoctor.rules.efficiency.counted import counted
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD418", name="loop-for-one-operation", family="efficiency", severity="warning")

MANY = 16  # turns; shorter loops cost less than they would save
_ACCUMULATES = {
    "add": "tf.cumsum or tf.reduce_sum",
    "multiply": "tf.math.cumprod or tf.reduce_prod",
    "maximum": "tf.reduce_max",
    "minimum": "tf.reduce_min",
}
_COMPUTES = frozenset({"elementwise", "reduce", "scan", "matmul"})


@RULE.check
def loop_for_one_operation(graph: LossGraph, dependence: Reading[Dependence]) -> Iterator[Suspicion]:
    if graph.stage != "traced":
        return
    for node in graph.where("while", role="forward"):
        turns = _turns(graph, node)
        if turns < MANY or len(node.bodies) != 2 or not dependence[node].on_data:
            continue
        body = node.bodies[1]
        states = _states(body)
        if len(states) > 1:
            continue
        better = "the same operations on the whole tensor do" if not states else _accumulation(body, states[0])
        if better:
            yield RULE.at(
                node,
                f"`{node.call}` takes {turns} steps one after another, each with several kernels, for what {better}",
                evidence="proved",
                **counted(graph, "while"),
            )


def _turns(graph: LossGraph, node: Node) -> int:
    """The number of steps, where it is a constant: the largest of the bounds that the loop is given, or that its
    condition compares with."""
    given = [graph[arg] for arg in node.args]
    compared = list(node.bodies[0].where("constant")) if node.bodies else []
    known = [each.constant for each in (*given, *compared) if each.op == "constant" and "int" in each.dtype]
    return max((int(value) for value in known if value is not None and value.size == 1), default=0)


def _states(body: Graph) -> list[int]:
    """The numbers that one step hands to the next: inputs that the step changes, counters and lists apart."""
    return [
        place
        for place, out in zip(body.inputs, body.outputs, strict=False)
        if _through(body, out) != place and body[place].dtype.startswith(("float", "bfloat"))
    ]


def _accumulation(body: Graph, state: int) -> str:
    """What does the same as a step that only adds (multiplies, …) an element to the state; "" for a real recurrence."""
    kinds = {row.name: row.kind for row in TABLE.by_name.values()}
    computed = [
        node
        for node in body.nodes
        if kinds.get(node.op) in _COMPUTES and node.dtype.startswith(("float", "bfloat")) and node.role == "forward"
    ]
    after = [node for node in computed if state in body.ancestors(node.id)]
    if len(after) != 1 or after[0].op not in _ACCUMULATES:
        return ""
    step = after[0]
    new = body.outputs[body.inputs.index(state)]
    if _through(body, new) != step.id or state not in {_through(body, arg) for arg in step.args}:
        return ""
    return f"{_ACCUMULATES[step.op]} does in one"


def _through(body: Graph, place: int) -> int:
    while body[place].op in ("identity", "ensure_shape") and body[place].args:
        place = body[place].args[0]
    return place
