"""A loss that rises towards the target: its sign."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossdoctor.rewrite.definitions import entry
from lossdoctor.rewrite.proposal import Proposal, Site
from lossdoctor.source.module import own_nodes


def flipped(site: Site) -> Iterator[Proposal]:
    """The negative of what is returned; one minus it, for a score that is a quotient."""
    function = entry(site)
    if site.finding.name != "wrong-direction" or function is None or site.graph is None:
        return
    returns = [node for node in own_nodes(function) if isinstance(node, ast.Return)]
    if len(returns) != 1 or returns[0].value is None:
        return
    value = returns[0].value
    if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub):
        text = site.source.of(value.operand)
    elif site.graph[site.graph.value].op == "divide":
        product = isinstance(value, ast.BinOp) and isinstance(value.op, ast.Div | ast.Mult)
        text = f"1.0 - {site.source.addend(value) if product else site.source.operand(value)}"
    else:
        text = f"-{site.source.operand(value)}"
    title = f"return {' '.join(text.split())}: the other sign"
    yield Proposal(title, (site.source.replace(value, text),), changes_values=True, agreement="none")
