"""Settings of a loss that its code never reads."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeGuard

from lossdoctor.source.module import SourceClass, SourceModule

_KERAS = frozenset({"keras.losses.Loss"})  # of other base classes nobody knows what they read
_READS_ALL = frozenset({"locals", "vars", "eval", "exec", "getattr"})
_OWN = frozenset({"name", "reduction", "dtype", "axis"})  # an interface of Keras that a loss may take and not need
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True, slots=True)
class Unused:
    """A parameter, where it stands, and the attribute that holds its value for nobody ("" without one)."""

    name: str
    node: ast.arg
    attribute: str = ""
    default: ast.expr | None = None


def unused_in_factory(module: SourceModule, name: str) -> Iterator[Unused]:
    """Parameters of a function that makes a loss, which neither it nor what it makes reads."""
    function = module.functions.get(name)
    if function is None or function.owner is not None or isinstance(function.node, ast.Lambda):
        return
    node = function.node
    if not any(isinstance(inner, _Function) for inner in ast.walk(node) if inner is not node) or _reads_all(node):
        return
    for argument in _settings(node):
        if not any(_loads(statement, argument.arg) for statement in node.body):
            yield Unused(argument.arg, argument, default=_default(node, argument))


def unused_in_class(module: SourceModule, name: str) -> Iterator[Unused]:
    """Parameters of the constructor of a `Loss` that no method reads, `get_config` apart."""
    found = module.classes.get(name)
    if found is None or not found.bases or not set(found.bases) <= _KERAS or "__init__" not in found.methods:
        return
    start = found.methods["__init__"].node
    if _reads_all(found.node) or isinstance(start, ast.Lambda):
        return
    for argument in _settings(start)[1:]:
        kept = _kept_as(start, argument.arg)
        if kept is None:
            continue
        if not kept or not any(_reads(found, attribute) for attribute in kept):
            yield Unused(argument.arg, argument, kept[0] if kept else "", _default(start, argument))


def _settings(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    arguments = node.args
    listed = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [argument for argument in listed if not argument.arg.startswith("_") and argument.arg not in _OWN]


def _default(node: ast.FunctionDef | ast.AsyncFunctionDef, argument: ast.arg) -> ast.expr | None:
    """The default of a parameter, if it has one."""
    arguments = node.args
    listed = [*arguments.posonlyargs, *arguments.args]
    given = dict(zip(map(id, reversed(listed)), reversed(arguments.defaults), strict=False))
    given |= {
        id(one): default
        for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is not None
    }
    return given.get(id(argument))


def _loads(node: ast.AST, name: str) -> bool:
    """Whether a name of the outer function is read in a node; a parameter of an inner function hides it there."""
    if isinstance(node, _Function):
        arguments = node.args
        given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        outside = [*arguments.defaults, *arguments.kw_defaults, *getattr(node, "decorator_list", [])]
        if any(argument is not None and argument.arg == name for argument in given):
            return any(default is not None and _loads(default, name) for default in outside)
    if isinstance(node, ast.Name):
        return node.id == name and isinstance(node.ctx, ast.Load)
    return any(_loads(child, name) for child in ast.iter_child_nodes(node))


def _kept_as(start: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> list[str] | None:
    """The attributes that hold just this argument; [] where nothing reads it, None where it is put to other use."""
    kept: list[str] = []
    plain = 0
    for node in ast.walk(start):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id == name:
            targets = [target for target in node.targets if isinstance(target, ast.Attribute)]
            if len(targets) == len(node.targets):
                kept += [target.attr for target in targets]
                plain += 1
    reads = sum(_is_load(node, name) for node in ast.walk(start))
    return kept if reads == plain else None


def _is_load(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)


def _reads(found: SourceClass, attribute: str) -> bool:
    """Whether a method other than `get_config` reads an attribute of that name, of anything, for some purpose."""
    return any(
        isinstance(node, ast.Attribute) and node.attr == attribute and isinstance(node.ctx, ast.Load)
        for name, method in found.methods.items()
        if name != "get_config"
        for statement in _purposeful(method.node)
        for node in ast.walk(statement)
    )


def _purposeful(node: _Function) -> list[ast.AST]:
    """The statements of a function but for those that name a result which nothing reads."""
    if isinstance(node, ast.Lambda):
        return [node.body]
    kept: list[ast.stmt] = list(node.body)
    while True:
        read = {inner.id for each in kept for inner in ast.walk(each) if _is_name(inner, ast.Load)}
        left = [each for each in kept if not _names_only(each) or _names_only(each) & read]
        if len(left) == len(kept):
            return [*node.args.defaults, *(each for each in node.args.kw_defaults if each), *left]
        kept = left


def _names_only(statement: ast.stmt) -> set[str]:
    """The names that an assignment gives, if it does nothing else; a method of an object may do something to it."""
    if not isinstance(statement, ast.Assign):
        return set()
    given = [node for target in statement.targets for node in ast.walk(target)]
    plain = all(isinstance(node, ast.Name | ast.Tuple | ast.expr_context) for node in given)
    calls = [node.func for node in ast.walk(statement.value) if isinstance(node, ast.Call)]
    if not plain or any(_of_an_object(function) for function in calls):
        return set()
    return {node.id for node in given if _is_name(node, ast.Store)}


def _of_an_object(function: ast.expr) -> bool:
    """Whether a call goes to a method of `self` or of what another expression gives, or changes a variable."""
    if not isinstance(function, ast.Attribute):
        return not isinstance(function, ast.Name)
    root = function.value
    while isinstance(root, ast.Attribute):
        root = root.value
    return not isinstance(root, ast.Name) or root.id == "self" or function.attr.startswith(("assign", "update"))


def _is_name(node: ast.AST, context: type[ast.expr_context]) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, context)


def _reads_all(node: ast.AST) -> bool:
    return any(isinstance(inner, ast.Name) and inner.id in _READS_ALL for inner in ast.walk(node)) or any(
        isinstance(inner, ast.Attribute) and inner.attr == "__dict__" for inner in ast.walk(node)
    )
