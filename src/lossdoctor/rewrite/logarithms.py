"""log of zero: the function that computes both steps at once, or an argument kept above zero."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossdoctor.graph.ir import Node
from lossdoctor.rewrite.numbers import inside, smallest
from lossdoctor.rewrite.proposal import Proposal, Site


def logarithm(site: Site) -> Iterator[Proposal]:
    """Mends of an expression that is one logarithm."""
    node = site.the("log")
    written = site.argument(site.expr)
    if node is None or site.expr is None or written is None:
        return
    yield from composites(site, node)
    yield from _product_with_itself(site, node, written)
    yield from _of_product(site, node, written)
    yield from _larger_epsilon(site, node, written)
    least = smallest(node.dtype)
    guarded = site.at_least(written, least)
    if guarded and isinstance(site.expr, ast.Call):
        change, text = site.within(written, guarded)
        title = f"{text}: changes values where the argument is below {least}"
        yield Proposal(title, (change,), changes_values=True)


def composites(site: Site, node: Node) -> Iterator[Proposal]:
    """The one function for a logarithm of softmax(x), sigmoid(x), 1 - sigmoid(x), 1 + exp(x), cosh(x) or 1 + x, also
    with an epsilon beside them."""
    whole = site.expression(node)
    if whole is None:
        return
    inner, padded = without_epsilon(site, site.node(node.args[0]))
    for text_of in (_log_softmax, _log_sigmoid, _log_one_minus_sigmoid, _softplus, _log_cosh, _log1p):
        found = text_of(site, inner, whole)
        if found is None or not found[0]:
            continue
        text, origin = found
        changes = (site.source.replace(whole, text),)
        changes = (*changes, *site.unused(changes, origin))
        note = ": changes values where the epsilon showed" if padded else ""
        yield Proposal(text + note, changes, changes_values=padded)
        return


def without_epsilon(site: Site, node: Node) -> tuple[Node, bool]:
    """`x` of `x + c` with a small constant c (or c - …), and whether there was one."""
    if node.op in ("add", "maximum") and len(node.args) == 2:
        for first, second in (node.args, reversed(node.args)):
            value = site.value(site.node(second))
            if value is not None and 0.0 < value <= 1e-3:
                return site.node(first), True
    return node, False


def _log_softmax(site: Site, node: Node, whole: ast.expr) -> tuple[str, ast.expr] | None:
    expr = site.expression(node)
    if node.op != "softmax" or expr is None:
        return None
    logits, axis = site.argument(expr), site.keyword(expr, "axis", 1)
    if logits is None or not site.carried(logits, whole):
        return None
    return site.call("log_softmax", site.source.of(logits), _axis(site, axis)), expr


def _axis(site: Site, axis: ast.expr | None) -> str:
    return "" if axis is None else f"axis={site.source.of(axis)}"


def _log_sigmoid(site: Site, node: Node, whole: ast.expr) -> tuple[str, ast.expr] | None:
    expr = site.expression(node)
    logits = site.argument(expr)
    if node.op != "sigmoid" or expr is None or logits is None:
        return None
    if not site.carried(logits, whole):
        return None
    text = site.call("log_sigmoid", site.source.of(logits))
    return (text, expr) if text else None


def _log_one_minus_sigmoid(site: Site, node: Node, whole: ast.expr) -> tuple[str, ast.expr] | None:
    if node.op != "subtract" or site.value(site.node(node.args[0])) != 1.0:
        return None
    sigmoid = site.node(node.args[1])
    expr = site.expression(sigmoid)
    logits = site.argument(expr)
    if sigmoid.op != "sigmoid" or expr is None or logits is None:
        return None
    if not site.carried(logits, whole):
        return None
    text = site.call("log_sigmoid", f"-{site.source.operand(logits)}")
    return (text, expr) if text else None


def _softplus(site: Site, node: Node, whole: ast.expr) -> tuple[str, ast.expr] | None:
    """log(1 + exp(x))."""
    if node.op != "add":
        return None
    for first, second in (node.args, reversed(node.args)):
        power = site.node(second)
        if site.value(site.node(first)) == 1.0 and power.op == "exp":
            expr = site.expression(power)
            exponent = site.argument(expr)
            if expr is not None and exponent is not None and site.carried(exponent, whole):
                text = site.call("softplus", site.source.of(exponent))
                return (text, expr) if text else None
    return None


def _log_cosh(site: Site, node: Node, whole: ast.expr) -> tuple[str, ast.expr] | None:
    """log(cosh(x)) = x + softplus(-2x) - log(2)."""
    expr = site.expression(node)
    argument = site.argument(expr)
    if node.op != "cosh" or expr is None or argument is None:
        return None
    if not site.carried(argument, whole):
        return None
    x = site.source.operand(argument)
    tail, logarithm_of_two = site.call("softplus", f"-2.0 * {x}"), site.call("log", "2.0")
    return (f"({x} + {tail} - {logarithm_of_two})", expr) if tail and logarithm_of_two else None


def _log1p(site: Site, node: Node, whole: ast.expr) -> tuple[str, ast.expr] | None:
    """log(1 + x), where x itself is small."""
    expr = site.expression(node)
    if node.op != "add" or not isinstance(expr, ast.BinOp) or expr is not site.argument(whole):
        return None
    for side, number, other in ((expr.right, node.args[0], 1), (expr.left, node.args[1], 0)):
        if site.value(site.node(number)) == 1.0 and site.node(node.args[other]).constant is None:
            return site.call("log1p", site.source.of(side)), expr
    return None


def _product_with_itself(site: Site, node: Node, written: ast.expr) -> Iterator[Proposal]:
    """x * log(x) is 0 at 0."""
    assert site.expr is not None
    product = site.source.parent(site.expr)
    if not isinstance(product, ast.BinOp) or not isinstance(product.op, ast.Mult):
        return
    other = product.right if product.left is site.expr else product.left
    if ast.dump(other) != ast.dump(written):
        return
    for api in site.apis:
        text = api.call("xlogy", site.source.of(other), site.source.of(written))
        if text is not None:
            yield Proposal(text, (site.source.replace(product, text),))
            return


def _of_product(site: Site, node: Node, written: ast.expr) -> Iterator[Proposal]:
    """The logarithm of a product that underflows is the sum of logarithms."""
    assert site.expr is not None
    product = site.node(node.args[0])
    expr = site.expression(product)
    factors = site.argument(expr)
    total = {"prod": "sum", "cumulative_prod": "cumsum"}.get(product.op)
    if total is None or factors is None or not isinstance(expr, ast.Call) or not isinstance(site.expr, ast.Call):
        return
    if not site.carried(factors, site.expr):
        return
    names = ("axis", "keepdims") if total == "sum" else ("axis", "exclusive", "reverse")
    if any(item.arg not in (*names, "name") for item in expr.keywords):
        return
    given = [
        f"{name}={site.source.of(value)}"
        for position, name in enumerate(names, start=1)
        if (value := site.keyword(expr, name, position)) is not None
    ]
    least, function = smallest(node.dtype), site.source.of(site.expr.func)
    plain = site.source.of(factors)
    for argument in (plain, site.at_least(factors, least)):
        text = site.call(total, f"{function}({argument})", *given) if argument else ""
        if text:
            changes = (site.source.replace(site.expr, text),)
            title = " ".join(text.split())
            if argument != plain:
                title = f"{title}: changes values where a factor is below {least}"
            yield Proposal(title, (*changes, *site.unused(changes, expr)), changes_values=argument != plain)


def shifted_logarithm(site: Site) -> Iterator[Proposal]:
    """log1p of an argument that reaches -1."""
    node = site.the("log1p")
    written = site.argument(site.expr)
    if node is None or written is None or not isinstance(site.expr, ast.Call):
        return
    gap = inside(node.dtype)
    guarded = site.call("maximum", site.source.of(written), f"-1.0 + {gap}")
    if guarded:
        text = f"{site.source.of(site.expr.func)}({guarded})"
        title = f"{' '.join(text.split())}: changes values where the argument is below -1 + {gap}"
        yield Proposal(title, (site.source.replace(site.expr, text),), changes_values=True)


def _larger_epsilon(site: Site, node: Node, written: ast.expr) -> Iterator[Proposal]:
    """x + 1e-50, or x + 1e-8 in half precision: an epsilon that the dtype does not hold."""
    added = site.node(node.args[0])
    least = smallest(node.dtype)
    if added.op != "add" or not isinstance(written, ast.BinOp) or site.expression(added) is not written:
        return
    for side, number in zip((written.left, written.right), added.args, strict=True):
        value = site.value(site.node(number))
        if value is not None and 0.0 <= value < float(least):
            change, text = site.within(side, least)
            title = f"{text}: an epsilon that {node.dtype} can hold, which changes values near zero"
            yield Proposal(title, (change,), changes_values=True)
