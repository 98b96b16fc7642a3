"""Mends of a definition: a cast at the top of the loss, a `get_config` for its class."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossdoctor.rewrite.names import apis
from lossdoctor.rewrite.proposal import Proposal, Site
from lossdoctor.rewrite.text import Change

_BASE = {"self", "name", "reduction", "dtype", "fn"}  # what keras.losses.Loss keeps by itself


def cast_labels(site: Site) -> Iterator[Proposal]:
    """y_true gets the dtype of y_pred before anything else."""
    function = _function(site)
    if function is None or not function.body:
        return
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    labels, prediction = site.loaded.parameters
    if labels not in names or prediction not in names:
        return
    first = function.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and len(function.body) > 1
    first = function.body[1] if documented else first
    start, _ = site.source.region(first)
    line = site.source.text.rfind("\n", 0, start) + 1
    indent = site.source.text[line:start]
    if indent.strip():  # on the line of the `def`
        return
    for api in apis(site.source, function):
        text = api.call("cast", labels, f"{prediction}.dtype")
        if text is not None:
            statement = f"{labels} = {text}"
            yield Proposal(statement, (Change(start, start, f"{statement}\n{indent}"),))
            return


def _function(site: Site) -> ast.FunctionDef | None:
    """The function that is called with y_true and y_pred."""
    line = site.loaded.span.line
    for node in ast.walk(site.source.module.tree):
        if isinstance(node, ast.FunctionDef) and _starts(node, line):
            return node
        if isinstance(node, ast.ClassDef) and _starts(node, line):
            return next((item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "call"), None)
    return None


def _starts(node: ast.FunctionDef | ast.ClassDef, line: int) -> bool:
    return node.lineno == line or any(item.lineno == line for item in node.decorator_list)


def config(site: Site) -> Iterator[Proposal]:
    """`get_config` with every constructor argument that the object keeps under its own name."""
    line = site.finding.location.line
    owner = next(
        (node for node in ast.walk(site.source.module.tree) if isinstance(node, ast.ClassDef) and _starts(node, line)),
        None,
    )
    if owner is None:
        return
    methods = {item.name: item for item in owner.body if isinstance(item, ast.FunctionDef)}
    if "__init__" not in methods:
        return
    init = methods["__init__"]
    arguments = [a.arg for a in (*init.args.posonlyargs, *init.args.args, *init.args.kwonlyargs)]
    kept = _kept(init)
    wanted = [name for name in arguments if name not in _BASE]
    if not wanted or any(name not in kept for name in wanted):
        return  # an argument that is transformed, or not kept: only its author knows what to store
    own = methods.get("get_config")
    if own is not None:
        yield from _completed(site, own, wanted)
        return
    last = owner.body[-1]
    _, end = site.source.region(last)
    indent = site.source.text[
        site.source.text.rfind("\n", 0, site.source.region(init)[0]) + 1 : site.source.region(init)[0]
    ]
    if indent.strip():
        return
    entries = ", ".join(f'"{name}": self.{name}' for name in wanted)
    body = f"{indent}def get_config(self):\n{indent}    return {{**super().get_config(), {entries}}}"
    title = f"def get_config(self): return {{**super().get_config(), {entries}}}"
    yield Proposal(title, (Change(end, end, f"\n\n{body}"),))


def _kept(init: ast.FunctionDef) -> set[str]:
    """The arguments that `self.name = name` stores as they are."""
    return {
        target.attr
        for part in ast.walk(init)
        if isinstance(part, ast.Assign) and isinstance(part.value, ast.Name)
        for target in part.targets
        if isinstance(target, ast.Attribute)
        and isinstance(target.value, ast.Name)
        and target.value.id == "self"
        and target.attr == part.value.id
    }


def _completed(site: Site, method: ast.FunctionDef, wanted: list[str]) -> Iterator[Proposal]:
    """The missing entries in the one dictionary that an existing `get_config` writes."""
    tables = [part for part in ast.walk(method) if isinstance(part, ast.Dict)]
    if len(tables) != 1:
        return
    known = {key.value for key in tables[0].keys if isinstance(key, ast.Constant)}
    missing = [name for name in wanted if name not in known]
    if not missing:
        return
    table = tables[0]
    entries = ", ".join(f'"{name}": self.{name}' for name in missing)
    if table.values:
        _, end = site.source.region(table.values[-1])
        change = Change(end, end, f", {entries}")
    else:
        start, _ = site.source.region(table)
        change = Change(start + 1, start + 1, entries)
    yield Proposal(f"{entries} in get_config", (change,))
