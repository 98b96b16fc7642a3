"""One number for the whole batch: the reduction keeps the first axis."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossdoctor.graph.ir import Node
from lossdoctor.rewrite.proposal import Proposal, Site
from lossdoctor.rewrite.text import Change

_LINEAR = frozenset({"add", "subtract", "negative", "multiply", "divide"})
_AXES = {"axis", "keepdims", "name"}


def per_sample(site: Site) -> Iterator[Proposal]:
    """The loss is a scalar made of means (or sums) over everything: each becomes one over all axes but the first."""
    if site.graph is None:
        return
    found = _totals(site, site.graph[site.graph.value])
    if not found:
        return
    ops = {node.op for node in found}
    if len(ops) != 1:
        return
    changes: list[Change] = []
    texts: list[str] = []
    for node in found:
        expr = site.expression(node)
        text = None if expr is None else _reduced(site, node, expr)
        if expr is None or text is None:
            return
        change = site.source.replace(expr, text)
        if change not in changes:
            changes.append(change)
            texts.append(text)
    summed = ops == {"sum"}
    note = ": one value a sample; Keras then averages over the batch, so the scale changes" if summed else ""
    yield Proposal(
        "; ".join(texts) + note, tuple(changes), changes_values=summed, agreement="sum" if summed else "mean"
    )


def _totals(site: Site, node: Node) -> list[Node]:
    """The reductions over the batch that a scalar is a linear combination of; empty if there is anything else."""
    if node.op in ("mean", "sum"):
        return [node] if _over_batch(site, node) else []
    if node.op not in _LINEAR:
        return []
    found: list[Node] = []
    for position, number in enumerate(node.args):
        part = site.node(number)
        if part.op in ("constant", "variable", "dims"):
            continue
        inner = _totals(site, part)
        # A product or a quotient is linear in one operand only.
        if not inner or (node.op in ("multiply", "divide") and found) or (node.op == "divide" and position == 1):
            return []
        found += inner
    return found


def _over_batch(site: Site, node: Node) -> bool:
    assert site.graph is not None
    operand = site.graph[node.args[0]]
    return node.shape == () and bool(operand.shape) and operand.shape is not None and operand.shape[0] == "B"


def _reduced(site: Site, node: Node, expr: ast.expr) -> str | None:
    """The reduction over all axes but the first; just its operand if there are no others."""
    assert site.graph is not None
    shape = site.graph[node.args[0]].shape
    if not isinstance(expr, ast.Call) or shape is None or len(expr.args) != 1:
        return None
    if any(item.arg is None or item.arg in _AXES - {"name"} for item in expr.keywords):
        return None
    x = site.source.of(expr.args[0])
    if len(shape) == 1:
        return f"({x})" if "\n" in x else x
    axis = "-1" if len(shape) == 2 else str(list(range(1, len(shape))))
    return f"{site.source.of(expr.func)}({x}, axis={axis})"


def unreduced(site: Site) -> Iterator[Proposal]:
    """The loss has the shape of y_pred: the mean over all axes but the first is returned."""
    if site.graph is None or site.expr is None:
        return
    value = site.graph[site.graph.value]
    if site.expression(value) is not site.expr or value.shape is None or len(value.shape) < 2:
        return
    if not isinstance(site.source.parent(site.expr), ast.Return):
        return
    axis = "-1" if len(value.shape) == 2 else str(list(range(1, len(value.shape))))
    for api in site.apis:
        text = api.call("mean", site.source.of(site.expr), f"axis={axis}")
        if text is not None:
            yield Proposal(text, (site.source.replace(site.expr, text),), agreement="mean")
            return
