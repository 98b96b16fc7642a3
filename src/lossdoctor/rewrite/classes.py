"""Mends of a loss class and of how a loss is handed over: its constructor, and a factory that was not called."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossdoctor.rewrite.definitions import class_of, head
from lossdoctor.rewrite.proposal import Proposal, Site
from lossdoctor.rewrite.text import Change


def constructor(site: Site) -> Iterator[Proposal]:
    """`super().__init__()` where it is missing, and what `from_config` gives passed on to it."""
    owner = class_of(site)
    init = None if owner is None else next(
        (item for item in owner.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"), None
    )  # fmt: skip
    if init is None:
        return
    calls = [part for part in ast.walk(init) if isinstance(part, ast.Call) and _is_super_init(part)]
    if not calls:
        place = head(site, init)
        if place is not None:
            start, indent = place
            taken = "**kwargs" if init.args.kwarg is not None and init.args.kwarg.arg == "kwargs" else ""
            text = f"super().__init__({taken})"
            yield Proposal(text, (Change(start, start, f"{text}\n{indent}"),))
        return
    if len(calls) == 1 and site.finding.name == "reload-fails" and init.args.kwarg is None:
        yield from _passed_on(site, init, calls[0])


def _is_super_init(call: ast.Call) -> bool:
    function = call.func
    return (
        isinstance(function, ast.Attribute)
        and function.attr == "__init__"
        and isinstance(function.value, ast.Call)
        and isinstance(function.value.func, ast.Name)
        and function.value.func.id == "super"
    )


def _passed_on(site: Site, init: ast.FunctionDef, call: ast.Call) -> Iterator[Proposal]:
    """`**kwargs` in the signature and in the call; a name written in the call becomes a default."""
    source, arguments = site.source, init.args
    written = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    names = {item.arg for item in written}
    ends = [source.region(item)[1] for item in written]
    ends += [source.region(value)[1] for value in (*arguments.defaults, *arguments.kw_defaults) if value is not None]
    if any(isinstance(item.value, ast.Starred) or item.arg is None for item in call.keywords) or call.args:
        return
    changes: list[Change] = []
    added: list[str] = []
    for item in call.keywords:
        if item.arg in ("name", "reduction") and item.arg not in names and isinstance(item.value, ast.Constant):
            added.append(f"{item.arg}={source.of(item.value)}")
            changes.append(source.replace(item.value, item.arg))
    added.append("**kwargs")
    changes.append(Change(max(ends), max(ends), f", {', '.join(added)}"))
    _, end = source.region(call)
    comma = ", " if call.keywords else ""
    changes.append(Change(end - 1, end - 1, f"{comma}**kwargs"))
    title = f"__init__(…, {', '.join(added)}), passed on to super().__init__"
    yield Proposal(title, tuple(sorted(changes, key=lambda change: change.start)))


def called(site: Site) -> Iterator[Proposal]:
    """A factory handed to `compile` is called."""
    if site.finding.name == "factory-not-called" and isinstance(site.expr, ast.Name | ast.Attribute):
        text = f"{site.source.of(site.expr)}()"
        yield Proposal(text, (site.source.replace(site.expr, text),), agreement="none")
