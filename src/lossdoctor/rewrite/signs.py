"""A loss that rises towards the target, or has y_true and y_pred in each other's place: its sign, its order."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossdoctor.rewrite.definitions import entry
from lossdoctor.rewrite.proposal import Proposal, Site
from lossdoctor.rewrite.text import Change
from lossdoctor.source.module import own_nodes


def of_one_term(site: Site) -> Iterator[Proposal]:
    """A sum that is returned, with the other sign of one of its terms, the last first."""
    function = entry(site)
    if site.finding.name != "wrong-direction" or function is None or "a term" not in site.finding.message:
        return
    returns = [node.value for node in own_nodes(function) if isinstance(node, ast.Return)]
    if len(returns) != 1 or returns[0] is None:
        return
    value = returns[0]
    while isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add | ast.Sub):
        sign = "-" if isinstance(value.op, ast.Add) else "+"
        (_, before), (after, _) = site.source.region(value.left), site.source.region(value.right)
        between = site.source.text[before:after]
        other = between.replace("+" if sign == "-" else "-", sign, 1)
        yield Proposal(
            f"{sign} {' '.join(site.source.of(value.right).split())}: the other sign of this term",
            (Change(before, after, other),),
            changes_values=True,
            agreement="none",
        )
        value = value.left


def flipped(site: Site) -> Iterator[Proposal]:
    """The negative of what is returned; one minus it, for a score that is a quotient."""
    function = entry(site)
    if site.finding.name not in ("wrong-direction", "unbounded-below") or function is None or site.graph is None:
        return
    returns = [node for node in own_nodes(function) if isinstance(node, ast.Return)]
    if len(returns) != 1 or returns[0].value is None:
        return
    value = returns[0].value
    product = isinstance(value, ast.BinOp) and isinstance(value.op, ast.Div | ast.Mult)
    text = site.source.of(value)
    if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub):
        text = site.source.of(value.operand)
    elif product and text.startswith("-"):
        text = text[1:].lstrip()
    elif site.graph[site.graph.value].op == "divide":
        text = f"1.0 - {text if product else site.source.operand(value)}"
    else:
        text = f"-{site.source.operand(value)}"
    title = f"return {' '.join(text.split())}: the other sign"
    yield Proposal(title, (site.source.replace(value, text),), changes_values=True, agreement="none")


def exchanged(site: Site) -> Iterator[Proposal]:
    """The two arguments of a standard loss, in its order."""
    expr = site.expr
    if site.finding.name != "log-of-labels" or not isinstance(expr, ast.Call) or len(expr.args) < 2:
        return
    first, second = expr.args[:2]
    name = site.source.module.resolve(expr.func) or ""
    if ".losses." in name and not any(isinstance(part, ast.Starred) for part in expr.args):
        yield _swapped(site, first, second, f"{site.source.of(second)}, {site.source.of(first)}: the order of Keras")


def parameters(site: Site) -> Iterator[Proposal]:
    """The first two parameters of the loss, in the order in which Keras passes them."""
    function = entry(site)
    if site.finding.name != "swapped-parameters" or function is None or function.args.posonlyargs:
        return
    first, second = site.loaded.parameters
    found = [item for item in function.args.args if item.arg in (first, second)]
    if [item.arg for item in found] == [first, second] and not any(item.annotation for item in found):
        # An `arg` has a place like an expression.
        yield _swapped(site, found[0], found[1], f"def {function.name}({second}, {first}, …)")


def _swapped(site: Site, first: ast.expr | ast.arg, second: ast.expr | ast.arg, title: str) -> Proposal:
    regions = [site.source.region(part) for part in (first, second)]
    texts = [site.source.text[start:end] for start, end in regions]
    changes = (Change(*regions[0], texts[1]), Change(*regions[1], texts[0]))
    return Proposal(" ".join(title.split()), changes, changes_values=True, agreement="none")
