"""Mends of a definition: a cast at the top of the loss, a `get_config` for its class."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator

from lossdoctor.rewrite.names import apis
from lossdoctor.rewrite.proposal import Proposal, Site
from lossdoctor.rewrite.text import Change

_BASE = {"self", "name", "reduction", "dtype", "fn"}  # what keras.losses.Loss keeps by itself


def cast_labels(site: Site) -> Iterator[Proposal]:
    """y_true gets the dtype of y_pred before anything else."""
    function = entry(site)
    place = None if function is None else head(site, function)
    if function is None or place is None or site.finding.name == "fraction-lost":
        return
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    labels, prediction = site.loaded.parameters
    if labels not in names or prediction not in names:
        return
    start, indent = place
    for api in apis(site.source, function):
        text = api.call("cast", labels, f"{prediction}.dtype")
        if text is not None:
            statement = f"{labels} = {text}"
            yield Proposal(statement, (Change(start, start, f"{statement}\n{indent}"),))
            return


def integer_labels(site: Site) -> Iterator[Proposal]:
    """What needs integers is given integers, however `compile` has cast y_true."""
    expr = site.expr
    labels = site.loaded.parameters[0]
    if site.finding.name != "needs-integer-labels" or not isinstance(expr, ast.Call):
        return
    given = [part for part in (*expr.args, *(item.value for item in expr.keywords)) if _reads(part, labels)]
    if len(given) != 1:
        return
    for api in site.apis:
        dtype = f"{api.prefix}.int32" if api.module.startswith("tensorflow") else '"int32"'
        text = api.call("cast", site.source.of(given[0]), dtype)
        if text is not None:
            change, whole = site.within(given[0], text)
            yield Proposal(whole, (change,))
            return


def fraction(site: Site) -> Iterator[Proposal]:
    """A cast to integers right inside another cast goes."""
    expr = site.expr
    outer = None if expr is None else site.source.parent(expr)
    if site.finding.name != "fraction-lost" or not isinstance(expr, ast.Call) or not isinstance(outer, ast.Call):
        return
    x = site.argument(expr)
    names = [(site.source.module.resolve(part.func) or "").rpartition(".")[2] for part in (expr, outer)]
    if names == ["cast", "cast"] and x is not None:
        title = f"{site.source.of(x)} without the cast to integers: changes the value where it is no integer"
        change = site.source.replace(expr, site.source.of(x))
        yield Proposal(title, (change,), changes_values=True, agreement="none")


def _reads(expr: ast.expr, name: str) -> bool:
    return any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(expr))


def logits_option(site: Site) -> Iterator[Proposal]:
    """`from_logits` as the predictions need it, where the call says it as a literal, or says nothing."""
    expr = site.expr
    if site.finding.name != "logits-mismatch" or not isinstance(expr, ast.Call):
        return
    name = (site.source.module.resolve(expr.func) or "").rpartition(".")[2].lower().replace("_", "")
    if not name.endswith("crossentropy"):
        return
    option = site.keyword(expr, "from_logits")
    if option is None:
        last = max((*expr.args, *(item.value for item in expr.keywords)), key=lambda part: site.source.region(part)[1])
        _, end = site.source.region(last)
        title, change = "from_logits=True", Change(end, end, ", from_logits=True")
    elif isinstance(option, ast.Constant) and isinstance(option.value, bool):
        title = f"from_logits={not option.value}"
        change = site.source.replace(option, str(not option.value))
    else:
        return
    yield Proposal(f"{title}: changes the value", (change,), changes_values=True, agreement="none")


def converted(site: Site) -> Iterator[Proposal]:
    """`tf.function` above the loss: AutoGraph, which `fit` does not apply, then turns its branches and loops on tensors
    into operations."""
    function = entry(site)
    if function is None or site.finding.name != "fails-in-graph":
        return
    start, _ = site.source.region(function)  # of the `def`, below what decorates it
    indent = site.source.text[site.source.text.rfind("\n", 0, start) + 1 : start]
    api = next((api for api in apis(site.source, function) if api.module == "tensorflow"), None)
    if api is not None and not indent.strip():
        text = f"@{api.prefix}.function"
        yield Proposal(text, (Change(start, start, f"{text}\n{indent}"),))


def entry(site: Site) -> ast.FunctionDef | None:
    """The function of this file that is called with y_true and y_pred."""
    line = site.loaded.span.line
    if os.path.realpath(site.loaded.path) != site.path:
        return None
    for node in ast.walk(site.source.module.tree):
        if isinstance(node, ast.FunctionDef) and _starts(node, line):
            return node
        if isinstance(node, ast.ClassDef) and _starts(node, line):
            return next((item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "call"), None)
    return None


def class_of(site: Site) -> ast.ClassDef | None:
    """The class of this file that the loss is, or that the finding is about."""
    line = site.loaded.span.line if os.path.realpath(site.loaded.path) == site.path else 0
    owners = [node for node in ast.walk(site.source.module.tree) if isinstance(node, ast.ClassDef)]
    inside = [node for node in owners if node.lineno <= site.finding.location.line <= (node.end_lineno or node.lineno)]
    return next((node for node in owners if _starts(node, line)), inside[-1] if inside else None)


def head(site: Site, function: ast.FunctionDef) -> tuple[int, str] | None:
    """Where a first statement can be inserted, behind a docstring, and with which indentation; None if the body
    stands on the line of the `def`."""
    first = function.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and len(function.body) > 1
    first = function.body[1] if documented else first
    start, _ = site.source.region(first)
    line = site.source.text.rfind("\n", 0, start) + 1
    indent = site.source.text[line:start]
    return None if indent.strip() else (start, indent)


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
