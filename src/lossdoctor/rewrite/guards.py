"""Guards without effect: use the result that was thrown away, and an epsilon that 1 can hold."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossdoctor.rewrite.numbers import inside
from lossdoctor.rewrite.proposal import Proposal, Site


def discarded(site: Site) -> Iterator[Proposal]:
    """Assign the result of a guard that stands on a line of its own."""
    if site.finding.name != "discarded-guard" or not isinstance(site.expr, ast.Call):
        return
    statement = site.source.statement(site.expr)
    guarded = next((arg for arg in site.expr.args if isinstance(arg, ast.Name)), None)
    if isinstance(statement, ast.Expr) and statement.value is site.expr and guarded is not None:
        text = f"{guarded.id} = {site.source.of(site.expr)}"
        title = f"{' '.join(text.split())}: changes values at the bounds"
        yield Proposal(title, (site.source.replace(site.expr, text),), changes_values=True)


def absorbed(site: Site) -> Iterator[Proposal]:
    """An epsilon beside 1 that the dtype does not round away."""
    if site.finding.name != "absorbed-epsilon" or not isinstance(site.expr, ast.BinOp):
        return
    epsilon = inside(_dtype(site))
    change, text = site.within(site.expr.right, epsilon)
    yield Proposal(f"{text}: changes values near 1", (change,), changes_values=True)


def _dtype(site: Site) -> str:
    """The dtype that the loss computes in: that of its value."""
    return "float32" if site.graph is None else site.graph[site.graph.value].dtype
