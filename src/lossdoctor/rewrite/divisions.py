"""Division by zero: a quotient that is zero there, or a denominator kept away from zero."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossdoctor.rewrite.numbers import smallest, smallest_square
from lossdoctor.rewrite.proposal import Proposal, Site


def division(site: Site) -> Iterator[Proposal]:
    """Mends of a quotient, a reciprocal or a reciprocal square root."""
    node = site.the("divide", "reciprocal", "rsqrt")
    expr = site.expr
    if node is None or expr is None:
        return
    if node.op == "divide":
        above, below = site.argument(expr, 0), site.argument(expr, 1)
        if above is None or below is None or not isinstance(expr, ast.BinOp | ast.Call):
            return
        a, b = site.source.of(above), site.source.of(below)
        least = smallest(node.dtype)
        # A quotient that means "very large" where it is infinite (the ratio in a logarithm, one over a distance) must
        # not become 0 there; one of two sums that vanish together (the mean of nothing) may.
        large = site.value(site.node(node.args[0])) is not None or any(user.op == "log" for user in site.users(node))
        if large:
            yield from _at_least(site, below, least)
        yield from _one(site, "divide_no_nan", a, b)
        yield from _at_least(site, below, "1.0")
        if not large:
            yield from _at_least(site, below, least)
        return
    written = site.argument(expr)
    if written is None or not isinstance(expr, ast.Call):
        return
    if node.op == "reciprocal":
        yield from _one(site, "reciprocal_no_nan", site.source.of(written))
    least = smallest_square(node.dtype) if node.op == "rsqrt" else smallest(node.dtype)
    for api in site.apis:
        guarded = api.call("maximum", site.source.of(written), least)
        if guarded is not None:
            text = f"{site.source.of(expr.func)}({guarded})"
            title = f"{text}: changes values where the argument is below {least}"
            yield Proposal(title, (site.source.replace(expr, text),), changes_values=True)
            return


def _at_least(site: Site, below: ast.expr, least: str) -> Iterator[Proposal]:
    """The same quotient with a bounded denominator."""
    guarded = site.call("maximum", site.source.of(below), least)
    if guarded:
        change, text = site.within(below, guarded)
        title = f"{text}: changes values where the denominator is below {least}"
        yield Proposal(title, (change,), changes_values=True)


def _one(site: Site, function: str, *arguments: str) -> Iterator[Proposal]:
    assert site.expr is not None
    for api in site.apis:
        text = api.call(function, *arguments)
        if text is not None:
            yield Proposal(text, (site.source.replace(site.expr, text),))
            return
