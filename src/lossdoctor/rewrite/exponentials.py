"""Overflow of exp: the stable function of the whole pattern, a shift that cancels, or a bounded exponent."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossdoctor.graph.ir import Node
from lossdoctor.rewrite.logarithms import composites, without_epsilon
from lossdoctor.rewrite.numbers import exponents
from lossdoctor.rewrite.proposal import Proposal, Site

_GROWING = ("exp", "expm1", "cosh", "sinh")


def exponential(site: Site) -> Iterator[Proposal]:
    """Mends of an expression that is one exponential, or the quotient or logarithm that it ends in."""
    node = site.the(*_GROWING, "divide", "log")
    if node is None:
        return
    if node.op == "divide":
        yield from _softmax(site, node)
        return
    if node.op == "log":
        yield from _logsumexp(site, node)
        return
    if node.op == "exp":
        for user in site.users(node):
            if user.op == "divide":
                yield from _softmax(site, user)
                yield from _sigmoid(site, user)
            if user.op == "log1p":
                yield from _whole(site, user, node, "softplus")
            if user.op in ("sum", "add"):
                yield from _after_sum(site, node, user)
    if node.op == "cosh":
        for user in site.users(node):
            if user.op == "log":
                yield from composites(site, user)
    yield from _bounded(site, node)


def _softmax(site: Site, quotient: Node) -> Iterator[Proposal]:
    """exp(x) / sum(exp(x), axis, keepdims=True)."""
    power = site.node(quotient.args[0])
    total, padded = without_epsilon(site, site.node(quotient.args[1]))
    if power.op != "exp" or total.op != "sum" or site.node(total.args[0]).id != power.id:
        return
    axis = _single_axis(total)
    whole, inner = site.expression(quotient), site.expression(power)
    exponent = site.argument(inner)
    if axis is None or whole is None or inner is None or exponent is None or not site.carried(exponent, whole):
        return
    text = site.call("softmax", site.source.of(exponent), "" if axis == -1 else f"axis={axis}")
    if text:
        changes = (site.source.replace(whole, text),)
        total_expr = site.expression(total)
        leftovers = [expr for expr in (total_expr, inner) if expr is not None]
        changes = (*changes, *site.unused(changes, *leftovers))
        yield Proposal(text, changes, changes_values=padded)
    yield from _shifted(site, inner, exponent, axis)


def _shifted(site: Site, inner: ast.expr, exponent: ast.expr, axis: int) -> Iterator[Proposal]:
    """exp(x - max(x)): the factor cancels in the quotient."""
    if not isinstance(inner, ast.Call):
        return
    x = site.source.operand(exponent)
    largest = site.call("max", site.source.of(exponent), f"axis={axis}", "keepdims=True")
    if largest:
        text = f"{site.source.of(inner.func)}({x} - {largest})"
        yield Proposal(text, (site.source.replace(inner, text),))


def _after_sum(site: Site, power: Node, total: Node) -> Iterator[Proposal]:
    """What a sum of exponentials ends in: a logarithm, or a quotient through an added constant."""
    for user in site.users(total):
        ends = list(site.users(user)) if user.op in ("add", "maximum") else [user]
        for end in ends:
            if end.op == "log" and total.op == "sum":
                yield from _logsumexp(site, end)
            elif end.op == "divide" and total.op == "sum":
                yield from _softmax(site, end)
    if total.op == "add":
        for end in site.users(total):
            if end.op == "log" and any(site.value(site.node(arg)) == 1.0 for arg in total.args):
                yield from _whole(site, end, power, "softplus")
            if end.op == "divide":
                yield from _sigmoid(site, end)


def _logsumexp(site: Site, logarithm: Node) -> Iterator[Proposal]:
    """log(sum(exp(x), axis)), also with an epsilon added."""
    total, padded = without_epsilon(site, site.node(logarithm.args[0]))
    if total.op != "sum":
        return
    power = site.node(total.args[0])
    whole, summed, inner = (site.expression(node) for node in (logarithm, total, power))
    exponent = site.argument(inner)
    if power.op != "exp" or whole is None or summed is None or inner is None or exponent is None:
        return
    if not site.carried(exponent, whole):
        return
    axis, keep = site.keyword(summed, "axis", 1), site.keyword(summed, "keepdims", 2)
    text = site.call(
        "logsumexp",
        site.source.of(exponent),
        "" if axis is None else f"axis={site.source.of(axis)}",
        "" if keep is None else f"keepdims={site.source.of(keep)}",
    )
    if text:
        changes = (site.source.replace(whole, text),)
        changes = (*changes, *site.unused(changes, summed, inner))
        note = ": changes values where the epsilon showed" if padded else ""
        yield Proposal(text + note, changes, changes_values=padded)


def _whole(site: Site, whole: Node, inner: Node, function: str) -> Iterator[Proposal]:
    """The function of the exponent in the place of the whole pattern."""
    outer, expr = site.expression(whole), site.expression(inner)
    exponent = site.argument(expr)
    if outer is None or expr is None or exponent is None or not site.carried(exponent, outer):
        return
    text = site.call(function, site.source.of(exponent))
    if text:
        changes = (site.source.replace(outer, text),)
        yield Proposal(text, (*changes, *site.unused(changes, expr)))


def _sigmoid(site: Site, quotient: Node) -> Iterator[Proposal]:
    """1 / (1 + exp(-x)), and exp(x) / (1 + exp(x))."""
    below = site.node(quotient.args[1])
    above = site.node(quotient.args[0])
    if below.op != "add":
        return
    parts = [site.node(arg) for arg in below.args]
    power = next((part for part in parts if part.op == "exp"), None)
    if power is None or not any(site.value(part) == 1.0 for part in parts):
        return
    whole, inner = site.expression(quotient), site.expression(power)
    exponent = site.argument(inner)
    if whole is None or inner is None or exponent is None or not site.carried(exponent, whole):
        return
    if above.id == power.id:
        argument = site.source.of(exponent)
    elif site.value(above) == 1.0:
        if isinstance(exponent, ast.UnaryOp) and isinstance(exponent.op, ast.USub):
            argument = site.source.of(exponent.operand)
        else:
            argument = f"-{site.source.operand(exponent)}"
    else:
        return
    text = site.call("sigmoid", argument)
    if text:
        changes = (site.source.replace(whole, text),)
        yield Proposal(text, (*changes, *site.unused(changes, inner)))


def _bounded(site: Site, node: Node) -> Iterator[Proposal]:
    """The last resort: the exponent ends below where exp overflows."""
    written = site.argument(site.expr)
    if written is None or not isinstance(site.expr, ast.Call):
        return
    function = site.source.of(site.expr.func)
    for limit in exponents(node.dtype):
        if node.op in ("cosh", "sinh"):
            guarded = site.call("clip", site.source.of(written), f"-{limit}", limit)
        else:
            guarded = site.call("minimum", site.source.of(written), limit)
        if guarded:
            text = f"{function}({guarded})"
            yield Proposal(
                f"{text}: changes values, and the gradient to zero, beyond {limit}",
                (site.source.replace(site.expr, text),),
                changes_values=True,
            )


def _single_axis(total: Node) -> int | None:
    axis = total.attrs.get("axis")
    if isinstance(axis, tuple) and len(axis) == 1:
        axis = axis[0]
    if not isinstance(axis, int) or isinstance(axis, bool):
        return None
    return axis
