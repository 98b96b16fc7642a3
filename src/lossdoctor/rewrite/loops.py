"""A loop over the batch whose body is one function that handles the whole batch as well."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossdoctor.rewrite.proposal import Proposal, Site

_REDUCTIONS = ("reduce_", "sum", "mean", "max", "min", "prod", "logsumexp", "all", "any")


def mapped(site: Site) -> Iterator[Proposal]:
    """map_fn of a reduction over a vector is the reduction over the last axis; else `vectorized_map`."""
    expr = site.expr
    if not isinstance(expr, ast.Call) or not (site.source.module.resolve(expr.func) or "").endswith("map_fn"):
        return
    function, elements = site.keyword(expr, "fn", 0), site.keyword(expr, "elems", 1)
    if function is None or elements is None:
        return
    name = (site.source.module.resolve(function) or "").rpartition(".")[2]
    x = site.source.of(elements)
    if isinstance(function, ast.Attribute) and name.startswith(_REDUCTIONS):
        text = f"{site.source.of(function)}({x}, axis=-1)"
        yield Proposal(text, (site.source.replace(expr, text),))
    for api in site.apis:
        text = api.call("vectorized_map", site.source.of(function), x)
        if text is not None:
            yield Proposal(text, (site.source.replace(expr, text),))
            return
