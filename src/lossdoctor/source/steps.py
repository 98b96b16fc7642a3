"""What the text of a training step says: where a name got its value, and whether replicas are accounted for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

_MEANS = frozenset({"reduce_mean", "mean"})
_ACCOUNTED = frozenset({"compute_average_loss", "num_replicas_in_sync", "global_batch_size", "GLOBAL_BATCH_SIZE"})


@lru_cache(maxsize=32)
def _tree(path: str, changed: int) -> ast.Module | None:
    del changed  # part of the key: a file that changed is read again
    try:
        return ast.parse(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, SyntaxError, ValueError):
        return None


def _read(path: str) -> ast.Module | None:
    try:
        return _tree(path, Path(path).stat().st_mtime_ns)
    except OSError:
        return None


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            yield node


def _enclosing(tree: ast.Module, line: int) -> ast.FunctionDef | None:
    """The innermost function that holds a line."""
    found = [node for node in _functions(tree) if node.lineno <= line <= (node.end_lineno or node.lineno)]
    return max(found, key=lambda node: node.lineno, default=None)


def assigned_before(path: str, line: int, name: str) -> int | None:
    """The line of the last assignment to a name before a line of the same function; None without one."""
    tree = _read(path)
    function = _enclosing(tree, line) if tree is not None else None
    if function is None:
        return None
    found = [
        node.lineno
        for node in ast.walk(function)
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign)
        and node.lineno < line
        and name in _targets(node)
    ]
    return max(found, default=None)


def is_step(path: str, name: str) -> bool:
    """Whether a function of a file makes a training step: it uses a tape of TensorFlow."""
    tree = _read(path)
    last = name.rpartition(".")[2]
    return tree is not None and any(
        function.name == last and any(_name(part) == "GradientTape" for part in ast.walk(function))
        for function in _functions(tree)
    )


def _targets(node: ast.Assign | ast.AugAssign | ast.AnnAssign) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)}


def replica_mean(path: str, name: str) -> int | None:
    """The line of a mean over the batch in a step that `strategy.run` calls, where nothing divides by the global batch.

    Args:
        name: of the step's function.
    """
    tree = _read(path)
    if tree is None or not _distributed(tree, name):
        return None
    step = next((node for node in _functions(tree) if node.name == name), None)
    if step is None:
        return None
    used = {_name(part) for part in ast.walk(step)}
    if used & _ACCOUNTED:
        return None
    for node in ast.walk(step):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _MEANS:
            per_sample = any(keyword.arg == "axis" for keyword in node.keywords) or len(node.args) > 1
            if not per_sample:
                return node.lineno
    return None


def _name(node: ast.AST) -> str:
    """`c` of `a.b.c`, `a` of `a`; "" of anything else."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _distributed(tree: ast.Module, name: str) -> bool:
    """Whether a `….run(name, …)` of a strategy of `tf.distribute` is in the file."""
    text = ast.unparse(tree)
    if "distribute" not in text and "Strategy" not in text:
        return False
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "run"
        and bool(node.args)
        and isinstance(node.args[0], ast.Name)
        and node.args[0].id == name
        for node in ast.walk(tree)
    )
