"""What an exception of the user's code is about: what the failing expression calls, and a parameter nobody gave."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Collection, Mapping
from types import FrameType
from typing import Any


def callee(frame: FrameType, text: str) -> str:
    """The full name of what an expression calls, with `.__init__` where it makes an object; "" where it is no call of
    a name that the frame knows."""
    call = _expression(text)
    if not isinstance(call, ast.Call):
        return ""
    found = _object(frame, call.func)
    name = f"{getattr(found, '__module__', '')}.{getattr(found, '__qualname__', '')}"
    if inspect.isclass(found):
        return f"{name}.__init__"
    return name if callable(found) else ""


def left_out(frame: FrameType, text: str) -> str:
    """The first parameter behind the two of every loss that is None and that the expression uses; "" if there is
    none."""
    code = frame.f_code
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    beyond = names[3 if names[:1] == ("self",) else 2 :]
    tree = _expression(text)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} if tree is not None else set[str]()
    return next((name for name in beyond if name in used and frame.f_locals.get(name, 0) is None), "")


def _expression(text: str) -> ast.expr | None:
    try:
        return ast.parse(f"({text})", mode="eval").body
    except (SyntaxError, ValueError, RecursionError):
        return None


def _object(frame: FrameType, node: ast.expr) -> Any:
    """What a dotted name stands for, through modules and classes only, whose attributes are there without a call."""
    if isinstance(node, ast.Name):
        return frame.f_locals.get(node.id, frame.f_globals.get(node.id))
    if isinstance(node, ast.Attribute):
        owner = _object(frame, node.value)
        if inspect.ismodule(owner) or inspect.isclass(owner):
            return getattr(owner, node.attr, None)
    return None


def operands(names: Mapping[str, Any], text: str, known: Collection[str]) -> list[tuple[str, Any]]:
    """What the source of an expression or statement is given: the largest parts of it that are arrays or tensors
    among what the `names` stand for, each with its text; those whose text is `known` with None."""
    source, tree = text, None
    for ending in ("", " pass"):  # the head of a loop or branching is no statement by itself
        try:
            tree = ast.parse(source := text + ending)
            break
        except (SyntaxError, ValueError, RecursionError):
            continue
    found: dict[str, Any] = {}

    def walk(node: ast.AST, *, whole: bool) -> None:
        if isinstance(node, ast.expr) and not whole:
            said = ast.get_source_segment(source, node) or ""
            held = _held(names, node)
            if said in known or _is_array(held):
                found.setdefault(said, held if _is_array(held) else None)
                return
        if isinstance(node, ast.Lambda | ast.FunctionDef):
            return
        for child in ast.iter_child_nodes(node):
            walk(child, whole=False)

    if tree is not None:
        inner = tree.body[0] if len(tree.body) == 1 else tree
        walk(inner.value if isinstance(inner, ast.Expr) else inner, whole=True)
    return list(found.items())


def _held(names: Mapping[str, Any], node: ast.expr) -> Any:
    """What an expression stands for that only looks things up, without running any code of the user's."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = _held(names, node.value)
        return getattr(owner, "__dict__", {}).get(node.attr)
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        owner = _held(names, node.value)
        if type(owner) in (dict, list, tuple):
            try:
                return owner[node.slice.value]
            except (KeyError, IndexError, TypeError):
                return None
    return None


def _is_array(held: Any) -> bool:
    return (
        not inspect.isclass(held) and not inspect.ismodule(held) and hasattr(held, "dtype") and hasattr(held, "shape")
    )
