"""Which way a loss goes at a test of its option `from_logits`, as the defaults and the given arguments say."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from lossdoctor.source.module import SourceFunction

OPTION = "from_logits"


def taken(test: ast.expr, function: SourceFunction, given: Mapping[str, object]) -> bool | None:
    """Whether the body of `if test:` runs; None where the option is not what is tested, or nothing says.

    Args:
        test: of the statement.
        function: where it stands.
        given: the keyword arguments that the loss was made with.
    """
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = taken(test.operand, function, given)
        return None if inner is None else not inner
    name = test.id if isinstance(test, ast.Name) else test.attr if isinstance(test, ast.Attribute) else ""
    if name.lstrip("_") != OPTION:
        return None
    value = given.get(OPTION, _default(function))
    return value if isinstance(value, bool) else None


def _default(function: SourceFunction) -> object:
    """The default of the option, in the function, the constructor of its class or the function around it."""
    outer = function.qualname.split(".<locals>.")[0]
    for name in (function.qualname, f"{function.owner}.__init__", outer):
        found = function.module.functions.get(name)
        if found is None:
            continue
        arguments = found.node.args
        positional = [*arguments.posonlyargs, *arguments.args]
        defaults = [
            *zip(positional[::-1], arguments.defaults[::-1], strict=False),
            *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
        ]
        for argument, default in defaults:
            if argument.arg == OPTION and isinstance(default, ast.Constant):
                return default.value
    return None
