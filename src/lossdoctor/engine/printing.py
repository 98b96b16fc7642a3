"""A copy of a file whose losses print what `trace` shows: what one would write by hand to look inside."""

from __future__ import annotations

import ast
from collections.abc import Collection
from pathlib import Path

from lossdoctor.findings import UsageError

_ALIAS = "_trace_tf"


def emitted(path: Path, lines: Collection[int]) -> str:
    """The source with a `tf.print` after each assignment to a name, and before each return, that starts on one of
    these lines.

    Each prints line, name, shape, minimum, mean and maximum. Nothing else of the file changes but that it imports
    TensorFlow once more.

    Raises:
        UsageError: the file cannot be read as Python.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        tree = ast.parse(text)
    except (OSError, SyntaxError, ValueError) as error:
        raise UsageError(f"{path} could not be read as Python: {error}") from None
    source = text.split("\n")
    after: dict[int, list[str]] = {}
    for statement in ast.walk(tree):
        if (
            not isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Return)
            or statement.value is None
        ):
            continue
        if not any(line in lines for line in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)):
            continue
        head = source[statement.lineno - 1][: statement.col_offset]
        end = statement.end_lineno or statement.lineno
        if head.strip() or source[end - 1][statement.end_col_offset or 0 :].split("#")[0].strip():
            continue  # not alone on its lines
        name = _name(statement)
        if name is None:
            continue
        label = f"{path.name}:{statement.lineno} {'return' if isinstance(statement, ast.Return) else name}"
        after.setdefault(end, []).append(f"{head}{_print(label, name)}")
        if isinstance(statement, ast.Return):
            place = statement.lineno - 1
            source[place] = head + f"{name} = " + source[place][statement.col_offset + len("return") :].lstrip()
            if end > statement.lineno:  # a value over several lines may rely on the brackets of nothing but itself
                source[place] = head + f"{name} = (" + source[place][len(head) + len(name) + 3 :]
                source[end - 1] = (
                    source[end - 1][: statement.end_col_offset] + ")" + source[end - 1][statement.end_col_offset or 0 :]
                )
            after[end].append(f"{head}return {name}")
    made: list[str] = []
    top = _first_statement(tree)
    for number, line in enumerate(source, start=1):
        if number == top:
            made.append(f"import tensorflow as {_ALIAS}  # added by lossdoctor trace --emit")
        made.append(line)
        made += after.get(number, [])
    result = "\n".join(made)
    ast.parse(result)
    return result


def _print(label: str, name: str) -> str:
    tf, math = _ALIAS, f"{_ALIAS}.math"
    number = f"{tf}.cast({name}, 'float32')"
    return (
        f"{tf}.print({label!r}, {tf}.shape({name}), 'min', {math}.reduce_min({number}), "
        f"'mean', {math}.reduce_mean({number}), 'max', {math}.reduce_max({number}))"
    )


def _name(statement: ast.stmt) -> str | None:
    if isinstance(statement, ast.Return):
        return "_returned"
    if isinstance(statement, ast.Assign):
        target = statement.targets[0]
        return target.id if len(statement.targets) == 1 and isinstance(target, ast.Name) else None
    target = getattr(statement, "target", None)
    return target.id if isinstance(target, ast.Name) else None


def _first_statement(tree: ast.Module) -> int:
    """The line of the first statement after the docstring and the imports from __future__."""
    for statement in tree.body:
        docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        future = isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
        if not docstring and not future:
            decorators = getattr(statement, "decorator_list", [])
            return decorators[0].lineno if decorators else statement.lineno
    return 1
