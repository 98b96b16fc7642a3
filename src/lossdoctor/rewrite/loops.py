"""More work than needed: a loop over the batch, a detour through Python, products of which most is thrown away."""

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


def direct(site: Site) -> Iterator[Proposal]:
    """A function of TensorFlow calls needs no `py_function` around it."""
    expr = site.expr
    name = (site.source.module.resolve(expr.func) or "") if isinstance(expr, ast.Call) else ""
    function, given = site.keyword(expr, "func", 0), site.keyword(expr, "inp", 1)
    if name not in ("tensorflow.py_function", "tensorflow.numpy_function") or expr is None:
        return
    if isinstance(function, ast.Name | ast.Attribute) and isinstance(given, ast.List | ast.Tuple):
        text = f"{site.source.of(function)}({', '.join(map(site.source.of, given.elts))})"
        yield Proposal(" ".join(text.split()), (site.source.replace(expr, text),))


def diagonal(site: Site) -> Iterator[Proposal]:
    """The diagonal of a product of matrices is a sum of products; a product with a diagonal matrix is a scaling."""
    for node in site.made:
        if node.op != "matmul" or not isinstance(site.expr, ast.Call) or len(site.expr.args) != 2:
            continue
        left, right = site.expr.args
        yield from _scaled(site, left, right)
        transposed = bool(node.attrs.get("transpose_b")) and not node.attrs.get("transpose_a")
        for user in site.users(node):
            whole = site.expression(user)
            name = (site.source.module.resolve(whole.func) or "") if isinstance(whole, ast.Call) else ""
            if whole is None or not name.endswith(("diag_part", "diagonal")) or not transposed:
                continue
            if not (site.carried(left, whole) and site.carried(right, whole)):
                continue
            text = site.call("sum", f"{site.source.operand(left)} * {site.source.operand(right)}", "axis=-1")
            if text:
                changes = (site.source.replace(whole, text),)
                yield Proposal(" ".join(text.split()), (*changes, *site.unused(changes, site.expr)))


def _scaled(site: Site, left: ast.expr, right: ast.expr) -> Iterator[Proposal]:
    name = (site.source.module.resolve(left.func) or "") if isinstance(left, ast.Call) else ""
    weights = site.argument(left)
    if site.expr is not None and name.endswith(("linalg.diag", "ops.diag")) and weights is not None:
        text = site.source.fitting(site.expr, f"{site.source.operand(weights)}[:, None] * {site.source.operand(right)}")
        yield Proposal(" ".join(text.split()), (site.source.replace(site.expr, text),))
