"""Poles and singular points of special functions: lgamma and digamma at 0, atan2 at the origin, singular matrices."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossdoctor.rewrite.numbers import smallest
from lossdoctor.rewrite.proposal import Proposal, Site
from lossdoctor.rewrite.text import Change

_POLES = ("lgamma", "digamma")
_INVERTED = ("linalg.inv", "linalg.cholesky", "linalg.solve")
_RIDGE = "1e-6"


def pole(site: Site) -> Iterator[Proposal]:
    """lgamma and digamma of an argument that reaches 0: it is kept above, where it is made if it has a name."""
    node = site.the(*_POLES)
    expr = site.expr
    written = site.argument(expr)
    if node is None or written is None or not isinstance(expr, ast.Call):
        return
    least = smallest(node.dtype)
    yield from site.where_made(written, least)
    text = site.call("maximum", site.source.of(written), least)
    if text:
        whole = f"{site.source.of(expr.func)}({text})"
        title = f"{' '.join(whole.split())}: changes values where the argument is below {least}"
        yield Proposal(title, (site.source.replace(expr, whole),), changes_values=True)


def bessel(site: Site) -> Iterator[Proposal]:
    """log(I0(x)) = log(exp(-|x|) I0(x)) + |x|: the scaled function does not overflow."""
    node = site.the("bessel_i0")
    written = site.argument(site.expr)
    if node is None or written is None:
        return
    for user in site.users(node):
        whole = site.expression(user)
        if user.op != "log" or not isinstance(whole, ast.Call) or not site.carried(written, whole):
            continue
        x = site.source.of(written)
        scaled, size = site.call("bessel_i0e", x), site.call("abs", x)
        if scaled and size and site.expr is not None:
            text = site.source.fitting(whole, f"{site.source.of(whole.func)}({scaled}) + {size}")
            changes = (site.source.replace(whole, text),)
            yield Proposal(" ".join(text.split()), (*changes, *site.unused(changes, site.expr)))


def angle(site: Site) -> Iterator[Proposal]:
    """atan2 at the origin: the second argument is 1 there."""
    node = site.the("atan2")
    expr = site.expr
    if node is None or not isinstance(expr, ast.Call) or len(expr.args) != 2:
        return
    above, beside = (site.source.of(argument) for argument in expr.args)
    if "\n" in above + beside or len(above + beside) > 60:
        return  # both are written twice
    for api in site.apis:
        lengths = [api.call("abs", part) or "" for part in dict.fromkeys((above, beside))]
        reach = api.call("maximum", *lengths) if len(lengths) == 2 else lengths[0]
        guarded = api.call("where", f"{reach} > 1e-7", beside, "1.0")
        if all(lengths) and reach is not None and guarded is not None:
            text = f"{site.source.of(expr.func)}({above}, {guarded})"
            title = f"{text}: changes values within 1e-7 of the origin"
            yield Proposal(title, (site.source.replace(expr, text),), changes_values=True)
            return


def singular(site: Site) -> Iterator[Proposal]:
    """A small multiple of the identity on a Gram matrix (x xᵀ) that is inverted or factorised.

    Only there does it help: the matrix has no negative eigenvalue, which the multiple could move to zero.
    """
    node = next((node for node in site.made if node.op in _INVERTED), None)
    if node is None or site.finding.name != "singular-matrix" or not isinstance(site.expr, ast.Call):
        return
    matrix, gram = site.argument(site.expr), site.node(node.args[0])
    size = gram.shape[-1] if gram.shape else None
    if gram.op != "matmul" or not isinstance(size, int) or matrix is None:
        return
    transposed = [bool(gram.attrs.get(name)) for name in ("transpose_a", "transpose_b")]
    if len({site.node(number).id for number in gram.args}) != 1 or sum(transposed) != 1:
        return
    for api in site.apis:
        identity = api.call("eye", str(size))
        if identity is not None:
            change, text = site.within(matrix, f"{site.source.addend(matrix)} + {_RIDGE} * {identity}")
            yield Proposal(f"{text}: changes values", (change,), changes_values=True)
            return


def determinant(site: Site) -> Iterator[Proposal]:
    """The determinants of two by two, written out: their derivative needs no inverse.

    All of them, as their difference is exactly 0 only where they are computed alike.
    """
    if site.the("linalg.det") is None or site.graph is None:
        return
    changes: dict[ast.expr, Change] = {}
    texts: list[str] = []
    for node in site.graph.where("linalg.det", role="forward"):
        expr, shape = site.expression(node), site.node(node.args[0]).shape
        matrix = site.argument(expr)
        if expr is None or shape is None or shape[-2:] != (2, 2) or not isinstance(matrix, ast.Name):
            return
        at = [[f"{matrix.id}[..., {row}, {column}]" for column in (0, 1)] for row in (0, 1)]
        texts.append(f"({at[0][0]} * {at[1][1]} - {at[0][1]} * {at[1][0]})")
        changes[expr] = site.source.replace(expr, texts[-1])
    yield Proposal("; ".join(dict.fromkeys(texts)), tuple(changes.values()))
