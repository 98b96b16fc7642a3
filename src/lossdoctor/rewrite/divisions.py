"""Division by zero: a quotient that is zero there, or a denominator kept away from zero."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossdoctor.rewrite.numbers import smallest, smallest_square
from lossdoctor.rewrite.proposal import Proposal, Site

_EVEN = frozenset({"abs", "square"})  # of the quotient: its sign does not matter


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
        if any(user.op in _EVEN for user in site.users(node)):
            # Only the size of the quotient matters, and a denominator of either sign is kept away from zero.
            yield from _size_at_least(site, below, least)
        yield from _one(site, "divide_no_nan", a, b)
        yield from _at_least(site, below, "1.0")
        if not large:
            yield from _at_least(site, below, least)
        yield from _away(site, below, least)
        return
    written = site.argument(expr)
    if written is None or not isinstance(expr, ast.Call):
        return
    if node.op == "reciprocal":
        yield from _one(site, "reciprocal_no_nan", site.source.of(written))
    least = smallest_square(node.dtype) if node.op == "rsqrt" else smallest(node.dtype)
    guarded = site.at_least(written, least)
    if guarded:
        change, text = site.within(written, guarded)
        title = f"{text}: changes values where the argument is below {least}"
        yield Proposal(title, (change,), changes_values=True)


def _size_at_least(site: Site, below: ast.expr, least: str) -> Iterator[Proposal]:
    """The quotient by the size of the denominator, which is bounded."""
    size = site.call("abs", site.source.of(below))
    guarded = site.call("maximum", size, least) if size else ""
    if guarded:
        change, text = site.within(below, guarded)
        title = f"{text}: changes values where the denominator is within {least} of 0"
        yield Proposal(title, (change,), changes_values=True)


def _away(site: Site, below: ast.expr, least: str) -> Iterator[Proposal]:
    """A denominator of either sign, replaced where it is next to zero."""
    b = site.source.of(below)
    size = site.call("abs", b)
    guarded = site.call("where", f"{size} < {least}", least, b) if size and len(b) <= 40 and "\n" not in b else ""
    if guarded:
        change, text = site.within(below, guarded)
        title = f"{text}: changes values where the denominator is within {least} of 0"
        yield Proposal(title, (change,), changes_values=True)


def _at_least(site: Site, below: ast.expr, least: str) -> Iterator[Proposal]:
    """The same quotient with a bounded denominator."""
    guarded = site.at_least(below, least)
    if guarded:
        change, text = site.within(below, guarded)
        title = f"{text}: changes values where the denominator is below {least}"
        yield Proposal(title, (change,), changes_values=True)


def _one(site: Site, function: str, *arguments: str) -> Iterator[Proposal]:
    assert site.expr is not None
    for api in site.apis:
        text = api.call(function, *arguments)
        if text is not None:
            yield Proposal(" ".join(text.split()), (site.source.replace(site.expr, text),))
            return
