"""Operands that do not fit: a missing axis, and a batch size written as a number."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossdoctor.rewrite.proposal import Proposal, Site


def missing_axis(site: Site) -> Iterator[Proposal]:
    """(B,) against (B,1): the operand of lower rank gets the axis."""
    node = next((node for node in site.made if len(node.args) == 2), None)
    if node is None or site.graph is None or site.expr is None:
        return
    shapes = [site.graph[number].shape for number in node.args]
    if shapes[0] is None or shapes[1] is None or len(shapes[0]) == len(shapes[1]):
        return
    position = 0 if len(shapes[0]) < len(shapes[1]) else 1
    short, other = (site.argument(site.expr, position), site.argument(site.expr, 1 - position))
    rank, missing = len(shapes[position] or ()), abs(len(shapes[0]) - len(shapes[1]))
    if short is None or other is None or rank == 0 or missing != 1:
        return
    for api in site.apis:
        axis = f"{api.prefix}.newaxis" if api.module.startswith("tensorflow") else "None"
        change, text = site.within(short, f"{site.source.operand(short)}[..., {axis}]")
        yield Proposal(text, (change,), agreement="one")
        return


def fixed_batch(site: Site) -> Iterator[Proposal]:
    """A number as the first entry of the shape of a reshape (or of zeros, ones, …): it becomes -1."""
    expr = site.expr
    if not isinstance(expr, ast.Call):
        return
    for argument in (*expr.args, *(item.value for item in expr.keywords)):
        shape = _literal(site, argument)
        if shape is None or not shape.elts or isinstance(shape.elts[0], ast.UnaryOp | ast.Starred):
            continue
        size = site.source.module.literal(shape.elts[0])
        if not isinstance(size, int) or size < 1:
            continue
        others = [site.source.module.literal(item) for item in shape.elts[1:]]
        operand = site.argument(expr)
        texts = [] if -1 in others else ["-1"]
        for api in site.apis:
            name = api["shape"]
            if name is not None and operand is not None and site.carried(operand, shape):
                texts.append(f"{name}({site.source.of(operand)})[0]")
                break
        for text in texts:
            start, end = site.source.region(shape)
            low, high = site.source.region(shape.elts[0])
            whole = site.source.text[start:low] + text + site.source.text[high:end]
            yield Proposal(" ".join(whole.split()), (site.source.replace(shape, whole),))


def _literal(site: Site, argument: ast.expr) -> ast.List | ast.Tuple | None:
    """A list or tuple written in place, or the one that the name stands for in this function or file."""
    if isinstance(argument, ast.List | ast.Tuple):
        return argument
    if not isinstance(argument, ast.Name):
        return None
    scope = site.source.scope(argument)
    for area in (scope, site.source.module.tree):
        found = [
            part
            for part in (ast.walk(area) if area is not None else ())
            if isinstance(part, ast.Assign)
            and any(isinstance(target, ast.Name) and target.id == argument.id for target in part.targets)
        ]
        if found:
            value = found[0].value
            return value if len(found) == 1 and isinstance(value, ast.List | ast.Tuple) else None
    return None
