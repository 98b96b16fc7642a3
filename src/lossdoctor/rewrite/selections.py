"""Entries that are not there: the mean of a selection that can be empty, and targets coded as NaN."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossdoctor.rewrite.proposal import Proposal, Site
from lossdoctor.spec import Spec

_ELEMENTWISE = frozenset(("abs", "square", "log", "exp", "sqrt", "negative", "sigmoid", "relu", "log1p", "tanh"))


def empty_mean(site: Site) -> Iterator[Proposal]:
    """The mean of everything that was selected is 0 where nothing was: sum over count, without 0/0."""
    expr = site.expr
    if site.finding.name != "empty-reduction" or not isinstance(expr, ast.Call) or len(expr.args) != 1:
        return
    if expr.keywords or "mean" not in site.ops or isinstance(expr.args[0], ast.Starred):
        return
    name = (site.source.module.resolve(expr.func) or "").rpartition(".")[2]
    if name not in ("mean", "reduce_mean"):
        return
    x = site.source.of(expr.args[0])
    counted = site.source.of(_core(expr.args[0]))
    dtype = site.made[-1].dtype
    for api in site.apis:
        written = f"{api.prefix}.{dtype}" if api.module.startswith("tensorflow") else f'"{dtype}"'
        total, count = api.call("sum", x), api.call("cast", api.call("size", counted) or "", written)
        text = api.call("divide_no_nan", total or "", count or "")
        if total is not None and count is not None and text is not None:
            title = f"{' '.join(text.split())}: 0 where nothing is selected"
            yield Proposal(title, (site.source.replace(expr, text),))
            return


def _core(x: ast.expr) -> ast.expr:
    """The plainest part of an elementwise expression that has its size."""
    if isinstance(x, ast.BinOp):
        if isinstance(x.left, ast.Constant):
            return _core(x.right)
        if isinstance(x.right, ast.Constant):
            return _core(x.left)
    if isinstance(x, ast.UnaryOp):
        return _core(x.operand)
    plain = isinstance(x, ast.Call) and len(x.args) == 1 and not x.keywords
    if isinstance(x, ast.Call) and plain and isinstance(x.func, ast.Attribute) and x.func.attr in _ELEMENTWISE:
        return _core(x.args[0])
    return x


def missing_targets(site: Site) -> Iterator[Proposal]:
    """A target that is NaN gives no error, and no gradient."""
    spec = site.contract.y_true
    node = site.the("subtract", "squared_difference")
    if not isinstance(spec, Spec) or not spec.missing or node is None or site.expr is None:
        return
    target = site.loaded.parameters[0]
    sides = [site.argument(site.expr, position) for position in (0, 1)]
    side = next((side for side in sides if isinstance(side, ast.Name) and side.id == target), None)
    if side is None:
        return
    for api in site.apis:
        missing = api.call("isnan", target)
        text = api.call("where", missing or "", "0.0", site.source.of(site.expr))
        if missing is not None and text is not None:
            title = f"{' '.join(text.split())}: a missing target counts as no error"
            yield Proposal(title, (site.source.replace(site.expr, text),))
            return
