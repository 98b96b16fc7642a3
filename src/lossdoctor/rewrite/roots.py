"""Infinite slopes at finite values: sqrt, norms, standard deviations, fractional powers, inverse trigonometry."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossdoctor.graph.ir import Node
from lossdoctor.rewrite.numbers import inside, smallest, smallest_square
from lossdoctor.rewrite.proposal import Proposal, Site

_WIDER = "1e-4"
_NORM = frozenset({"multiply", "square", "abs", "sum", "sqrt"})
_NOT_NEGATIVE = frozenset({"relu", "abs", "square", "exp", "sigmoid", "softmax", "softplus"})
_SINGULAR = frozenset({"pow", "log", "sqrt", "rsqrt", "reciprocal"})
_DEVIATION = frozenset({"mean", "subtract", "square", "multiply", "sqrt", "squared_difference"})


def root(site: Site) -> Iterator[Proposal]:
    """Mends of one square root, written as a function."""
    node = site.the("sqrt")
    expr = site.expr
    written = site.argument(expr)
    if node is None or written is None or not isinstance(expr, ast.Call):
        return
    function = site.source.of(expr.func)
    least = smallest_square(node.dtype)
    moved = f"{function}({site.source.addend(written)} + {least})"
    guarded = site.at_least(written, least)
    kept = f"{function}({guarded})" if guarded else ""
    # A slightly negative argument (a variance by subtraction) needs the bound, an exact zero only the shift.
    order = (kept, moved) if site.finding.family == "nonfinite-value" else (moved, kept)
    for text in order:
        if text:
            title = f"{text}: changes values near zero"
            yield Proposal(title, (site.source.replace(expr, text),), changes_values=True)


def norm(site: Site) -> Iterator[Proposal]:
    """Euclidean norms and standard deviations: the root of a sum of squares that can be zero."""
    expr = site.expr
    if not isinstance(expr, ast.Call) or not expr.args or any(isinstance(arg, ast.Starred) for arg in expr.args):
        return
    ops, made = site.ops, site.made
    euclidean = "vector_norm" in ops or ("sqrt" in ops and "sum" in ops and ops <= _NORM)
    deviation = "sqrt" in ops and "mean" in ops and ops <= _DEVIATION
    names = {item.arg for item in expr.keywords}
    if not (euclidean or deviation) or not names <= {"axis", "keepdims", "name"} or len(expr.args) > 1:
        return
    least = smallest_square(made[-1].dtype)
    given = [
        f"{name}={site.source.of(value)}"
        for name in ("axis", "keepdims")
        if (value := site.keyword(expr, name)) is not None
    ]
    x = site.source.of(expr.args[0])
    for api in site.apis:
        if deviation:
            squares = api.call("var", x, *given)
        else:
            squared = api.call("square", x)
            squares = None if squared is None else api.call("sum", squared, *given)
        text = None if squares is None else api.call("sqrt", f"{squares} + {least}")
        if text is not None:
            title = f"{text}: changes values near zero"
            yield Proposal(title, (site.source.replace(expr, text),), changes_values=True)
            return


def power(site: Site) -> Iterator[Proposal]:
    """x ** a with a fractional or negative exponent."""
    node = site.the("pow")
    expr = site.expr
    base, exponent = site.argument(expr, 0), site.argument(expr, 1)
    if node is None or base is None or exponent is None:
        return
    least = smallest(node.dtype)
    powers = [user for user in site.users(site.node(node.args[0])) if user.op in _SINGULAR]
    if len(powers) > 1:
        yield from site.where_made(base, least)
    raised = site.value(site.node(node.args[1]))
    signed = site.node(node.args[0]).op not in _NOT_NEGATIVE
    absolute = site.call("abs", site.source.of(base)) if signed else ""
    if site.finding.family == "nonfinite-value" and absolute:
        if raised is None or raised > 0.0:
            change, text = site.within(base, absolute)
            yield Proposal(text, (change,))
        both = site.call("maximum", absolute, least)
        change, text = site.within(base, both)
        yield Proposal(f"{text}: changes values near zero", (change,), changes_values=True)
    bounded = site.at_least(base, least)
    if bounded:
        change, text = site.within(base, bounded)
        title = f"{text}: changes values where the base is below {least}"
        yield Proposal(title, (change,), changes_values=True)


def inverse(site: Site) -> Iterator[Proposal]:
    """acos, asin, atanh at -1 and 1, acosh at 1."""
    node = site.the("acos", "asin", "atanh", "acosh")
    expr = site.expr
    written = site.argument(expr)
    if node is None or written is None or not isinstance(expr, ast.Call):
        return
    if node.op == "acosh":
        yield from _half_angle(site, node, written)
    inner = _clipped(site, written)
    x = site.source.of(inner)
    # Next to the edge the slope is so steep that the rounding of the argument shows in it; further off it does not.
    for gap in dict.fromkeys((inside(node.dtype), _WIDER)):
        if node.op == "acosh":
            guarded = site.call("maximum", x, f"1.0 + {gap}")
        else:
            guarded = site.call("clip", x, f"-1.0 + {gap}", f"1.0 - {gap}")
        if guarded:
            change, text = site.within(written, guarded)
            yield Proposal(f"{text}: changes values within {gap} of the edge", (change,), changes_values=True)


def _clipped(site: Site, written: ast.expr) -> ast.expr:
    """What a clip to the edges, or next to them, is given."""
    if not isinstance(written, ast.Call) or written.keywords or len(written.args) != 3:
        return written
    name = (site.source.module.resolve(written.func) or "").rpartition(".")[2]
    low, high = (site.source.module.literal(bound) for bound in written.args[1:])
    known = isinstance(low, int | float) and isinstance(high, int | float) and -low == high and 0.99 <= high <= 1.0
    return written.args[0] if name in ("clip", "clip_by_value") and known else written


def _half_angle(site: Site, node: Node, written: ast.expr) -> Iterator[Proposal]:
    """acosh(1 + 2 z) = 2 asinh(sqrt(z)), which does not lose a small z beside 1."""
    total = site.node(node.args[0])
    if total.op != "add" or not isinstance(written, ast.BinOp) or site.expression(total) is not written:
        return
    for side, number in ((written.right, total.args[0]), (written.left, total.args[1])):
        if site.value(site.node(number)) != 1.0:
            continue
        text = site.source.of(side)
        z = text.removeprefix("2.0 * ") if text.startswith("2.0 * ") else f"0.5 * {site.source.operand(side)}"
        root = site.call("sqrt", f"{z} + {smallest_square(node.dtype)}")
        whole = site.call("asinh", root) if root else ""
        if whole and site.expr is not None:
            text = site.source.fitting(site.expr, f"2.0 * {whole}")
            title = f"2.0 * {whole}: changes values near zero"
            yield Proposal(title, (site.source.replace(site.expr, text),), changes_values=True)
        return
