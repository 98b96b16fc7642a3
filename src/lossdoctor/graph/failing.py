"""What an exception of the user's code is about: what the failing expression calls, and a parameter nobody gave."""

from __future__ import annotations

import ast
import inspect
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
