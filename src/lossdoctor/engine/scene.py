"""Where in the user's file the parts of a program stand: the data, the layers, `compile`, the optimizer, the loss."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from lossdoctor.graph.ir import Span
from lossdoctor.graph.spans import make
from lossdoctor.readings.model import LayerRun, LossUse

# The setting that the first positional argument of a layer is.
_FIRST = ("units", "filters", "rate", "activation", "input_dim", "pool_size", "kernel_size")


@dataclass(frozen=True)
class Scene:
    """A file of the user's, or none.

    Attributes:
        path: absolute; "" where the program has no file.
        call: line of the call that asked, which comes after what it is about; 0 if there is none.
        names: what x, y, sample_weight and the model are called there.
        layers, losses: what the program is made of.
        fallback: where what has no line of its own is said to be.
    """

    path: str = ""
    call: int = 0
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    layers: Sequence[LayerRun] = ()
    losses: Mapping[str, LossUse] = field(default_factory=dict[str, LossUse])
    fallback: Span = field(default_factory=lambda: Span("", 1, 1, 1, 1, ""))

    @cached_property
    def _tree(self) -> ast.Module | None:
        try:
            return ast.parse(Path(self.path).read_text(encoding="utf-8-sig"))
        except (OSError, SyntaxError, ValueError):
            return None

    def span(self, what: str) -> Span:
        """The place of "x", "y:OUTPUT", "layer:NAME", "call:NAME" (of a layer), "compile", "optimizer",
        "loss:OUTPUT", "model"."""
        role, _, name = what.partition(":")
        found: ast.AST | None = None
        if role == "loss":
            use = self.losses.get(name)
            if use is not None and use.path and use.line:
                return Span(use.path, use.line, 1, use.line, 1 + len(_line(use.path, use.line)), use.name, use.name)
            found = self._compile()
        elif self._tree is None:
            return self.fallback
        elif role in ("x", "y", "sample_weight", "model"):
            found = _entry(self._assigned(self.names.get(role, role)), name) or self._argument(role)
        elif role == "layer":
            found = self._layer(name) or self._assigned(self.names.get("model", "model"))
        elif role == "call":
            found = self._call_of(name) or self._layer(name)
        elif role == "compile":
            found = self._compile()
        elif role == "optimizer":
            found = self._optimizer()
        return self.fallback if found is None else self._span(found)

    def _span(self, node: ast.AST) -> Span:
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        last, end = getattr(node, "end_lineno", line), getattr(node, "end_col_offset", column)
        if isinstance(node, ast.With | ast.For | ast.FunctionDef | ast.ClassDef):
            last, end = line, column + len(_line(self.path, line).strip())
        return make(self.path, (line, column), (last, end))

    def _walk(self) -> Iterator[ast.AST]:
        return ast.walk(self._tree) if self._tree is not None else iter(())

    def _before(self, node: ast.AST) -> bool:
        return not self.call or getattr(node, "lineno", 0) < self.call

    def _assigned(self, name: str) -> ast.stmt | None:
        """The last statement before the call that gives a name, or an element of it, a value."""
        found: list[ast.stmt] = []
        for node in self._walk():
            targets: list[ast.expr] = []
            if isinstance(node, ast.Assign):
                targets = node.targets
            elif isinstance(node, ast.AnnAssign | ast.AugAssign):
                targets = [node.target]
            if targets and self._before(node) and any(name in _names(target) for target in targets):
                assert isinstance(node, ast.stmt)
                found.append(node)
        return max(found, key=lambda node: node.lineno, default=None)

    def _argument(self, role: str) -> ast.expr | None:
        """The expression that the call passes for x, y or sample_weight."""
        for node in self._walk():
            if isinstance(node, ast.Call) and node.lineno <= self.call <= (node.end_lineno or node.lineno):
                for keyword in node.keywords:
                    if keyword.arg == role:
                        return keyword.value
        return None

    def _calls(self, name: str) -> list[ast.Call]:
        """The calls of a function or method of that name, in the order of the text."""
        found = [
            node
            for node in self._walk()
            if isinstance(node, ast.Call)
            and (node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")) == name
        ]
        return sorted(found, key=lambda node: (node.lineno, node.col_offset))

    def _compile(self) -> ast.Call | None:
        return next((call for call in reversed(self._calls("compile")) if self._before(call)), None)

    def _optimizer(self) -> ast.AST | None:
        call = self._compile()
        if call is None:
            return None
        given = next((keyword.value for keyword in call.keywords if keyword.arg == "optimizer"), None)
        given = given or (call.args[0] if call.args else None)
        if isinstance(given, ast.Name):
            return self._assigned(given.id) or given
        return given or call

    def _call_of(self, name: str) -> ast.FunctionDef | None:
        """`def call` of a layer whose class stands in the file."""
        kind = next((layer.kind for layer in self.layers if layer.name == name), "")
        classes = [node for node in self._walk() if isinstance(node, ast.ClassDef) and node.name == kind]
        methods = [node for one in classes for node in one.body if isinstance(node, ast.FunctionDef)]
        return next((method for method in methods if method.name == "call"), None)

    def _layer(self, name: str) -> ast.Call | None:
        layer = next((one for one in self.layers if one.name == name), None)
        if layer is None:
            return None
        calls = self._calls(layer.kind)
        scores = [_likeness(call, layer) for call in calls]
        best = max(scores, default=-1)
        if best < 0:
            return None
        alike = [call for call, score in zip(calls, scores, strict=True) if score == best]
        if len(alike) == 1:
            return alike[0]
        # Several calls are as like: the layers of that kind stand in the order in which they are called.
        rivals = [one for one in self.layers if one.kind == layer.kind and _score(one, alike) == best]
        place = next((number for number, one in enumerate(rivals) if one.name == name), 0)
        return alike[place] if len(alike) == len(rivals) else (alike[-1] if layer.last else alike[0])


def _entry(statement: ast.stmt | None, key: str) -> ast.AST | None:
    """What a dictionary that a statement writes out holds under a key; else the statement."""
    value = getattr(statement, "value", None)
    if key and isinstance(value, ast.Dict):
        for name, one in zip(value.keys, value.values, strict=True):
            if isinstance(name, ast.Constant) and name.value == key:
                return one
    return statement


def _score(layer: LayerRun, calls: Sequence[ast.Call]) -> int:
    return max((_likeness(call, layer) for call in calls), default=-1)


def _likeness(call: ast.Call, layer: LayerRun) -> int:
    """How many literals of a call are settings of the layer; -1 if one is not."""
    score = 0
    if call.args and isinstance(call.args[0], ast.Constant):
        keys = [key for key in _FIRST if key in layer.settings]
        if keys:
            if call.args[0].value != layer.settings[keys[0]]:
                return -1
            score += 1
    for keyword in call.keywords:
        if keyword.arg and keyword.arg in layer.settings and isinstance(keyword.value, ast.Constant):
            if keyword.value.value != layer.settings[keyword.arg]:
                return -1
            score += 3 if keyword.arg == "name" else 1
    if layer.settings.get("activation") not in (None, "linear"):
        given = any(keyword.arg == "activation" for keyword in call.keywords) or len(call.args) > 1
        if not given and layer.kind != "Activation":
            return -1
    return score


def _names(target: ast.expr) -> set[str]:
    """The names that an assignment changes, also by an element."""
    while isinstance(target, ast.Subscript | ast.Attribute):
        target = target.value
    if isinstance(target, ast.Tuple | ast.List):
        return {name for part in target.elts for name in _names(part)}
    return {target.id} if isinstance(target, ast.Name) else set()


def _line(path: str, line: int) -> str:
    import linecache

    return linecache.getline(path, line).rstrip("\n")


def names_at(path: str, line: int, function: str = "check") -> dict[str, str]:
    """What a call of `lossdoctor.check(model, x=…, y=…)` on a line calls its arguments, where they are plain names."""
    try:
        tree = ast.parse(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, SyntaxError, ValueError):
        return {}
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.lineno <= line <= (node.end_lineno or node.lineno):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name != function:
            continue
        if node.args and isinstance(node.args[0], ast.Name):
            found["model"] = node.args[0].id
        for keyword in node.keywords:
            inner = sorted(_names_in(keyword.value))
            if keyword.arg and inner:
                found[keyword.arg] = inner[0]
    return found


def _names_in(value: ast.expr) -> set[str]:
    """The variable that an argument is, or a part of: `labels` of `labels[:32]`."""
    while isinstance(value, ast.Subscript | ast.Attribute):
        value = value.value
    return {value.id} if isinstance(value, ast.Name) else set()
