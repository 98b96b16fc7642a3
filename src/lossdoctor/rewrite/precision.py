"""Cancellation: the function that computes a difference, or the logarithm of a sum, without it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossdoctor.graph.ir import Node
from lossdoctor.rewrite.logarithms import composites
from lossdoctor.rewrite.proposal import Proposal, Site


def precise(site: Site) -> Iterator[Proposal]:
    """Mends of an expression that loses bits, of a difference under it, or of the logarithm that it ends in."""
    if site.graph is None or site.expr is None:
        return
    node = site.the("subtract", "add", "log", "sqrt", "maximum")
    if node is None:
        return
    if node.op == "log":
        yield from composites(site, node)
        return
    inner = node if node.op == "subtract" else _difference(site, node)
    if inner is None:
        return
    for user in _ends(site, inner):
        yield from composites(site, user)
    yield from _stable(site, inner)
    if node.op == "add" and all(site.value(site.node(number)) is None for number in node.args):
        right = site.node(inner.args[1])  # |a|² - 2 a·b + |b|²
        for text, origin in (*_squared_distance(site, right, site.expr), *_pairwise_distance(site, right, site.expr)):
            if text:
                changes = (site.source.replace(site.expr, text),)
                yield Proposal(text, (*changes, *site.unused(changes, origin)))


def _difference(site: Site, node: Node) -> Node | None:
    """The difference that an epsilon was added to."""
    return next((part for number in node.args if (part := site.node(number)).op == "subtract"), None)


def _ends(site: Site, node: Node) -> Iterator[Node]:
    """The logarithms of a node, also past an added constant."""
    for user in site.users(node):
        if user.op == "log":
            yield user
        elif user.op in ("add", "maximum"):
            yield from (end for end in site.users(user) if end.op == "log")


def _stable(site: Site, node: Node) -> Iterator[Proposal]:
    """The difference itself in another form."""
    whole = site.expression(node)
    if not isinstance(whole, ast.BinOp):
        return
    left, right = (site.node(number) for number in node.args)
    for text, origin in (
        *_one_minus(site, left, right, whole),
        *_minus_one(site, left, right, whole),
        *_variance(site, left, right, whole),
        *_squared_distance(site, right, whole),
        *_pairwise_distance(site, right, whole),
    ):
        if text:
            changes = (site.source.replace(whole, text),)
            yield Proposal(text, (*changes, *site.unused(changes, origin)))


def _one_minus(site: Site, left: Node, right: Node, whole: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """1 - sigmoid(x) and 1 - exp(x)."""
    expr = site.expression(right)
    argument = site.argument(expr)
    if site.value(left) != 1.0 or expr is None or argument is None or not site.carried(argument, whole):
        return
    if right.op == "sigmoid":
        yield site.call("sigmoid", f"-{site.source.operand(argument)}"), expr
    elif right.op == "exp":
        text = site.call("expm1", site.source.of(argument))
        yield (f"(-{text})" if text else ""), expr


def _minus_one(site: Site, left: Node, right: Node, whole: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """exp(x) - 1, and sqrt(1 + x) - 1 = x / (sqrt(1 + x) + 1)."""
    expr = site.expression(left)
    argument = site.argument(expr)
    if site.value(right) != 1.0 or expr is None or argument is None or not site.carried(argument, whole):
        return
    if left.op == "exp":
        yield site.call("expm1", site.source.of(argument)), expr
    total = site.node(left.args[0]) if left.op == "sqrt" else None
    if total is not None and total.op == "add" and isinstance(argument, ast.BinOp) and isinstance(whole, ast.BinOp):
        for side, number in ((argument.right, total.args[0]), (argument.left, total.args[1])):
            if site.value(site.node(number)) == 1.0:
                yield f"{site.source.operand(side)} / ({site.source.of(whole.left)} + 1.0)", whole
                return


def _variance(site: Site, left: Node, right: Node, whole: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """mean(x²) - mean(x)²."""
    mean = site.node(right.args[0]) if right.args else right
    if left.op != "mean" or mean.op != "mean" or right.op not in ("square", "multiply", "pow"):
        return
    expr = site.expression(mean)
    x = site.argument(expr)
    if not isinstance(expr, ast.Call) or x is None or not site.carried(x, whole):
        return
    given = [
        f"{name}={site.source.of(value)}"
        for name, position in (("axis", 1), ("keepdims", 2))
        if (value := site.keyword(expr, name, position)) is not None
    ]
    yield site.call("var", site.source.of(x), *given), expr


def _squared_distance(site: Site, right: Node, whole: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """|a|² + |b|² - 2 a·b, with the scalar product as a sum of products."""
    factors = [site.node(number) for number in right.args] if right.op == "multiply" else []
    dot = next((factor for factor in factors if factor.op == "sum"), None)
    if dot is None or not any(site.value(factor) == 2.0 for factor in factors):
        return
    product = site.node(dot.args[0])
    expr, pairs = site.expression(dot), site.expression(product)
    if product.op != "multiply" or not isinstance(expr, ast.Call) or not isinstance(pairs, ast.BinOp):
        return
    if not site.carried(pairs, whole):
        return
    squared = site.call("square", f"{site.source.operand(pairs.left)} - {site.source.operand(pairs.right)}")
    given = [
        f"{name}={site.source.of(value)}"
        for name, position in (("axis", 1), ("keepdims", 2))
        if (value := site.keyword(expr, name, position)) is not None
    ]
    yield (site.call("sum", squared, *given) if squared else ""), expr


def _pairwise_distance(site: Site, right: Node, whole: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """|a|² + |b|² - 2 a·b of every row of a and every row of b, with the scalar products as a product of matrices."""
    factors = [site.node(number) for number in right.args] if right.op == "multiply" else []
    product = next((factor for factor in factors if factor.op in ("matmul", "einsum")), None)
    if product is None or not any(site.value(factor) == 2.0 for factor in factors):
        return
    expr = site.expression(product)
    rows = _rows(site, expr)
    if rows is None or expr is None or not all(site.carried(part, whole) for part in rows):
        return
    a, b = (site.source.operand(part) for part in rows)
    squared = site.call("square", f"{a}[..., :, None, :] - {b}[..., None, :, :]")
    yield (site.call("sum", squared, "axis=-1") if squared else ""), expr


def _rows(site: Site, expr: ast.expr | None) -> tuple[ast.expr, ast.expr] | None:
    """The two matrices of which an expression multiplies every row of the first with every row of the second."""
    match expr:
        case ast.Call(args=[ast.Constant(value=str(equation)), one, other]) if _is_of_rows(equation):
            return one, other
        case ast.Call(args=[one, other]):
            turned = site.keyword(expr, "transpose_b")
            return (one, other) if isinstance(turned, ast.Constant) and turned.value is True else None
        case ast.BinOp(left=one, op=ast.MatMult(), right=ast.Call(args=[other]) as call):
            name = (site.source.module.resolve(call.func) or "").rpartition(".")[2]
            return (one, other) if name == "transpose" else None
        case _:
            return None


def _is_of_rows(equation: str) -> bool:
    """Whether an einsum is x...nd, x...md -> x...nm."""
    given, _, result = equation.replace(" ", "").partition("->")
    one, _, other = given.partition(",")
    shared, n, m, d = one[:-2], one[-2:-1], other[-2:-1], one[-1:]
    return bool(m) and one == f"{shared}{n}{d}" and other == f"{shared}{m}{d}" and result == f"{shared}{n}{m}"
