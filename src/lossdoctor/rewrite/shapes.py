"""Operands that do not fit: a missing axis, and a batch size written as a number."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossdoctor.rewrite.names import apis
from lossdoctor.rewrite.proposal import Proposal, Site
from lossdoctor.rewrite.text import Change

_REDUCTIONS = ("mean", "sum", "max", "min", "prod", "logsumexp", "any", "all", "std", "variance", "var")


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
    yield from _kept(site, short)
    for api in site.apis:
        axis = f"{api.prefix}.newaxis" if api.module.startswith("tensorflow") else "None"
        change, text = site.within(short, f"{site.source.operand(short)}[..., {axis}]")
        # (B,) with (B,1) is right for a batch of one; between images it is never.
        agreement = "one" if rank == 1 else "none"
        yield Proposal(text, (change,), changes_values=rank > 1, agreement=agreement)
        return


def _kept(site: Site, short: ast.expr) -> Iterator[Proposal]:
    """The axis is kept where it was lost: a slice for an index, `keepdims=True` in a reduction."""
    if isinstance(short, ast.Subscript) and isinstance(short.slice, ast.Tuple) and short.slice.elts:
        index = short.slice.elts[-1]
        column = site.source.module.literal(index)
        if isinstance(column, int) and not isinstance(column, bool) and column >= 0:
            change, text = site.within(index, f"{column}:{column + 1}")
            yield Proposal(text, (change,), agreement="one")
    if isinstance(short, ast.Call) and not any(item.arg in ("keepdims", None) for item in short.keywords):
        name = (site.source.module.resolve(short.func) or "").rpartition(".")[2].removeprefix("reduce_")
        axis = site.keyword(short, "axis", 1)
        if name in _REDUCTIONS and axis is not None and site.source.module.literal(axis) == -1:
            _, end = site.source.region(max((*short.args, *(k.value for k in short.keywords)), key=_ends))
            yield Proposal(
                f"{site.source.of(short.func)}(…, keepdims=True)",
                (Change(end, end, ", keepdims=True"),),
                agreement="one",
            )


def _ends(node: ast.expr) -> tuple[int, int]:
    return node.end_lineno or 0, node.end_col_offset or 0


def squeezed(site: Site) -> Iterator[Proposal]:
    """`squeeze` of the last axis only, so that a batch of one stays a batch."""
    expr = site.expr
    if not isinstance(expr, ast.Call) or len(expr.args) != 1 or expr.keywords:
        return
    if (site.source.module.resolve(expr.func) or "").rpartition(".")[2] == "squeeze":
        start, end = site.source.region(expr)
        text = f"{site.source.text[start : end - 1]}, axis=-1)"
        # A batch of one had another shape before: means are compared.
        yield Proposal(" ".join(text.split()), (site.source.replace(expr, text),), agreement="mean")


def static_size(site: Site) -> Iterator[Proposal]:
    """`x.shape[0]` is None while the graph is built; `tf.shape(x)[0]` is the size of the batch at hand."""
    function = site.function
    name = next((api["shape"] for api in apis(site.source, function) if api["shape"]), None) if function else None
    if function is None or name is None:
        return
    changes: list[Change] = []
    texts: list[str] = []
    for part in ast.walk(function):
        if not isinstance(part, ast.Subscript) or not isinstance(part.value, ast.Attribute):
            continue
        if part.value.attr != "shape" or site.source.module.literal(part.slice) != 0:
            continue
        outer = site.source.parent(part)
        whole = part
        if isinstance(outer, ast.Call) and isinstance(outer.func, ast.Name) and outer.func.id == "int":
            whole = outer
        text = f"{name}({site.source.of(part.value.value)})[0]"
        changes.append(site.source.replace(whole, text))
        texts.append(text)
    if changes:
        yield Proposal(", ".join(dict.fromkeys(texts)), tuple(sorted(changes, key=lambda change: change.start)))


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
