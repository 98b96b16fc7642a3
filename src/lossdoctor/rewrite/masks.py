"""`where` that hides a value and not its gradient: the argument is made harmless in the branch not taken."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossdoctor.domains.masking import masked
from lossdoctor.graph.ir import Node
from lossdoctor.rewrite.numbers import smallest, smallest_square
from lossdoctor.rewrite.proposal import Proposal, Site

# Where each of these is finite with a finite slope; which operand decides.
_HARMLESS: dict[str, tuple[int, str]] = {
    "log": (0, "1.0"),
    "sqrt": (0, "1.0"),
    "rsqrt": (0, "1.0"),
    "pow": (0, "1.0"),
    "divide": (1, "1.0"),
    "reciprocal": (0, "1.0"),
    "exp": (0, "0.0"),
    "expm1": (0, "0.0"),
    "cosh": (0, "0.0"),
    "sinh": (0, "0.0"),
    "acos": (0, "0.0"),
    "asin": (0, "0.0"),
    "atanh": (0, "0.0"),
    "acosh": (0, "2.0"),
    "log1p": (0, "0.0"),
}


def hidden(site: Site) -> Iterator[Proposal]:
    """Mends of an expression whose bad values only a `where` keeps out of the loss."""
    node = site.the(*_HARMLESS)
    if node is None or site.graph is None or site.expr is None:
        return
    where = masked(site.graph).get(node.id)
    position, harmless = _HARMLESS[node.op]
    written = site.argument(site.expr, position)
    if where is None or written is None:
        return
    yield from _inner_where(site, node, where, written, harmless)
    if node.op == "divide":
        above = site.argument(site.expr, 0)
        for api in site.apis:
            text = api.call("divide_no_nan", site.source.of(above) if above else "", site.source.of(written))
            if text is not None:
                yield Proposal(text, (site.source.replace(site.expr, text),))
                break
    if node.op in ("log", "pow", "sqrt", "rsqrt"):
        least = smallest_square(node.dtype) if node.op in ("sqrt", "rsqrt") else smallest(node.dtype)
        for api in site.apis:
            guarded = api.call("maximum", site.source.of(written), least)
            if guarded is not None:
                # Below `least` the branch is not taken, or re-examination says that values change.
                change, text = site.within(written, guarded)
                yield Proposal(text, (change,))
                break


def _inner_where(site: Site, node: Node, where: Node, written: ast.expr, harmless: str) -> Iterator[Proposal]:
    """f(where(condition, x, harmless)) in the branch that the outer `where` takes under that condition."""
    assert site.expr is not None
    assert site.graph is not None
    outer = site.expression(where)
    condition = site.argument(outer, 0)
    if not isinstance(outer, ast.Call) or condition is None or not _before(site, condition, outer):
        return
    first = node.id in site.graph.graph.ancestors(where.args[1])
    second = node.id in site.graph.graph.ancestors(where.args[2])
    if first == second:
        return
    for api in site.apis:
        x, when = site.source.of(written), site.source.of(condition)
        inner = api.call("where", when, x, harmless) if first else api.call("where", when, harmless, x)
        if inner is not None:
            change, text = site.within(written, inner)
            yield Proposal(text, (change,))
            return


def _before(site: Site, condition: ast.expr, outer: ast.expr) -> bool:
    """Whether the condition of the `where` can be written at the expression: its names are bound there."""
    assert site.expr is not None
    source = site.source
    if outer in source.above(site.expr):
        return True
    return site.carried(condition, site.expr)
