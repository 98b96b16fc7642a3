"""How messages name an operand, and why it can be zero."""

from __future__ import annotations

from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.rules.tracing import source_of

_VIEWS = frozenset({"astype", "broadcast_to", "tile", "item"})
# Positive functions whose small results a float cannot hold: it holds 0 instead.
_VANISHING = {
    "exp": "`{call}` underflows to 0 for large negative arguments",
    "softmax": "`{call}` underflows to 0 where one score is far above another",
    "sigmoid": "`{call}` underflows to 0 for large negative arguments",
    "softplus": "`{call}` underflows to 0 for large negative arguments",
    "erfc": "`{call}` underflows to 0 for large arguments",
    "prod": "the product of many numbers below 1 underflows to 0; add their logarithms instead",
    "cumprod": "the product of many numbers below 1 underflows to 0; add their logarithms instead",
}
_SUMMING = frozenset({"sum", "mean", "max", "cumsum"})
_LARGEST_EPSILON = 1e-2


def named(graph: LossGraph, place: int, beside: Node | None = None) -> str:
    """The user's words for a tensor: its expression, an input's name, or the canonical op.

    `beside` is the node whose message it is for; an operand without an expression of its own is named by its op.
    """
    node = graph[source_of(graph, place, _VIEWS)]
    if node.op == "input":
        role, key = str(node.attrs.get("role", "")), node.attrs.get("key")
        return f"`{role}[{key!r}]`" if key not in (None, "") else f"`{role}`"
    shown = graph[place] if graph[place].span is not None else node
    if shown.span is None or (beside is not None and shown.call == beside.call):
        return f"the result of {node.op}"
    return f"`{shown.call}`"


def why_zero(graph: LossGraph, place: int) -> str:
    """Why a tensor that is positive in exact arithmetic can be zero; "" where there is nothing to say."""
    for _ in range(6):
        node = graph[source_of(graph, place, _VIEWS)]
        if node.op in _VANISHING:
            return "; " + _VANISHING[node.op].format(call=node.call)
        if not node.args or node.op not in _SUMMING:
            return ""
        place = node.args[0]
    return ""


def mean_of_rows(graph: LossGraph, node: Node) -> bool:
    """Whether a division is TensorFlow's own, of the sums of ragged rows by their lengths in one mean."""
    if node.op != "divide" or node.span is None:
        return False
    parts = [graph[source_of(graph, place, _VIEWS)] for place in node.args]
    return all(part.op == "unsorted_segment_sum" and part.span == node.span for part in parts)


def misplaced_epsilon(graph: LossGraph, node: Node) -> str:
    """That a small number is added to the result of a function instead of its argument; "" if none is."""
    users = graph.graph.users()
    for user in (graph[number] for number in users[node.id]):
        if user.op != "add" or user.role != "forward":
            continue
        for arg in user.args:
            value = graph[arg].constant
            if graph[arg].op == "constant" and value is not None and value.size == 1 and value.dtype.kind == "f":
                number = float(value.reshape(-1)[0])
                if 0.0 < number <= _LARGEST_EPSILON:
                    return f"; the {number:g} is added to the result and protects nothing: add it to the argument"
    return ""
