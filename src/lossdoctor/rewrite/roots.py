"""Infinite slopes at finite values: sqrt, norms, standard deviations, fractional powers, inverse trigonometry."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossdoctor.rewrite.numbers import inside, smallest, smallest_square
from lossdoctor.rewrite.proposal import Proposal, Site

_NORM = frozenset({"multiply", "square", "abs", "sum", "sqrt"})
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
    x = site.source.of(written)
    moved = f"{function}({_sum(site, written)} + {least})"
    kept = next((f"{function}({text})" for api in site.apis if (text := api.call("maximum", x, least))), "")
    # A slightly negative argument (a variance by subtraction) needs the bound, an exact zero only the shift.
    order = (kept, moved) if site.finding.family == "nonfinite-value" else (moved, kept)
    for text in order:
        if text:
            title = f"{text}: changes values near zero"
            yield Proposal(title, (site.source.replace(expr, text),), changes_values=True)


def _sum(site: Site, written: ast.expr) -> str:
    """An operand of `+`."""
    text = site.source.of(written)
    plain = isinstance(written, ast.BinOp) and not isinstance(
        written.op, ast.BitAnd | ast.BitOr | ast.BitXor | ast.LShift | ast.RShift
    )
    return text if plain and "\n" not in text else site.source.operand(written)


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
    b = site.source.of(base)
    for api in site.apis:
        absolute = api.call("abs", b)
        bounded, both = api.call("maximum", b, least), api.call("maximum", absolute or "", least)
        if bounded is None:
            continue
        if site.finding.family == "nonfinite-value" and absolute is not None:
            change, text = site.within(base, absolute)
            yield Proposal(text, (change,))
            if both is not None:
                change, text = site.within(base, both)
                yield Proposal(f"{text}: changes values near zero", (change,), changes_values=True)
        change, text = site.within(base, bounded)
        title = f"{text}: changes values where the base is below {least}"
        yield Proposal(title, (change,), changes_values=True)
        return


def inverse(site: Site) -> Iterator[Proposal]:
    """acos, asin, atanh at -1 and 1, acosh at 1."""
    node = site.the("acos", "asin", "atanh", "acosh")
    expr = site.expr
    written = site.argument(expr)
    if node is None or written is None or not isinstance(expr, ast.Call):
        return
    gap = inside(node.dtype)
    x = site.source.of(written)
    for api in site.apis:
        if node.op == "acosh":
            guarded = api.call("maximum", x, f"1.0 + {gap}")
        else:
            guarded = api.call("clip", x, f"-1.0 + {gap}", f"1.0 - {gap}")
        if guarded is not None:
            text = f"{site.source.of(expr.func)}({guarded})"
            title = f"{text}: changes values within {gap} of the edge"
            yield Proposal(title, (site.source.replace(expr, text),), changes_values=True)
            return
