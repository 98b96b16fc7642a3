"""A Python file as source text: its functions, classes, imported names and constants, without running it."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

from lossdoctor.findings import UsageError
from lossdoctor.source.parsed import nodes, parsed

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+$")
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
# Names under which Keras can be imported; longest first.
_KERAS_ROOTS = (
    "tensorflow.python.keras",
    "tensorflow.compat.v1.keras",
    "tensorflow.compat.v2.keras",
    "tensorflow.keras",
    "tf_keras",
    "keras.src",
    "keras.api",
    "keras",
)


@dataclass(frozen=True)
class SourceFunction:
    """A function, method, nested function or named lambda of a file.

    `parameters` are the positional ones without `self` or `cls`; the first `required` of them have no default.
    """

    node: FunctionNode
    name: str
    qualname: str
    parameters: tuple[str, ...]
    required: int
    owner: str | None  # qualname of the class, for a method
    module: SourceModule = field(repr=False, compare=False)
    required_keywords: tuple[str, ...] = ()  # keyword-only, without default
    variadic: bool = False  # takes *args

    @property
    def line(self) -> int:
        """The line of `def` (not of its decorators), from 1."""
        return self.node.lineno

    @property
    def text(self) -> str:
        """The source text, from the first decorator on."""
        decorators = getattr(self.node, "decorator_list", [])
        first = min([self.node.lineno, *(decorator.lineno for decorator in decorators)])
        return "\n".join(self.module.lines[first - 1 : self.node.end_lineno])

    @cached_property
    def statements(self) -> Mapping[int, ast.stmt]:
        """The innermost statement on each line of the body."""
        table: dict[int, ast.stmt] = {}
        for node in ast.walk(self.node):  # parents come before children, so the innermost is last
            if isinstance(node, ast.stmt) and node is not self.node:
                for line in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                    table[line] = node
        return table

    def segment(self, node: ast.AST) -> str:
        """The source text of a node."""
        return self.module.segment(node)

    @property
    def docstring(self) -> str:
        return "" if isinstance(self.node, ast.Lambda) else ast.get_docstring(self.node) or ""

    @property
    def body(self) -> list[ast.stmt]:
        """The statements; of a lambda its expression as a `return`."""
        if isinstance(self.node, ast.Lambda):
            return [ast.copy_location(ast.Return(self.node.body), self.node.body)]
        return self.node.body

    @property
    def returns_value(self) -> bool:
        """Whether some `return` of the function itself gives a value."""
        return any(
            node.value is not None for node in own_nodes(self.node) if isinstance(node, ast.Return)
        ) or isinstance(self.node, ast.Lambda)


@dataclass(frozen=True)
class SourceClass:
    """A class of a file; `bases` are dotted names as far as they can be told."""

    node: ast.ClassDef
    name: str
    qualname: str
    bases: tuple[str, ...]
    methods: Mapping[str, SourceFunction]

    @property
    def line(self) -> int:
        return self.node.lineno


class SourceModule:
    """What the text of one file says. Everything is computed on first use.

    Raises:
        UsageError: the text is not Python (with the line).
    """

    def __init__(self, text: str, path: str = "<string>") -> None:
        self.text = text
        self.path = path
        try:
            self.tree = parsed(text)
        except SyntaxError as error:
            where = f" (line {error.lineno})" if error.lineno else ""
            raise UsageError(f"Invalid Python in '{path}'{where}: {error.msg}") from None
        except (ValueError, RecursionError, MemoryError) as error:
            raise UsageError(f"Invalid Python in '{path}': {error}") from None

    @cached_property
    def lines(self) -> tuple[str, ...]:
        return tuple(io.StringIO(self.text).read().split("\n"))

    @cached_property
    def _encoded(self) -> tuple[bytes, ...]:
        """The lines with their ends, as the positions of `ast` count them: in UTF-8 bytes."""
        return tuple(line.encode() for line in _LINE.findall(self.text))

    def segment(self, node: ast.AST) -> str:
        """The source text of a node, as `ast.get_source_segment` gives it, which splits all of the text each time."""
        if not isinstance(node, ast.expr | ast.stmt | ast.arg) or node.end_lineno is None:
            return ast.get_source_segment(self.text, node) or ""
        first, last = node.lineno - 1, node.end_lineno - 1
        lines = list(self._encoded[first : last + 1])
        lines[-1] = lines[-1][: node.end_col_offset]
        lines[0] = lines[0][node.col_offset :]
        return b"".join(lines).decode()

    @cached_property
    def statements(self) -> tuple[ast.stmt, ...]:
        """The statements that importing the file runs, those under `if`, `try` and `with` included.

        What stands under `if __name__ == "__main__":` is not among them.
        """
        return tuple(_flatten(self.tree.body))

    @cached_property
    def aliases(self) -> Mapping[str, str]:
        """Names bound by imports (anywhere in the file) or by `name = dotted.name`, with what they stand for."""
        table: dict[str, str] = {}
        for node in nodes(self.tree):
            if isinstance(node, ast.Import):
                for item in node.names:
                    table[item.asname or item.name.split(".")[0]] = (
                        item.name if item.asname else item.name.split(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom):
                origin = "." * node.level + (node.module or "")
                for item in node.names:
                    joint = "" if origin.endswith(".") else "."
                    table[item.asname or item.name] = f"{origin}{joint}{item.name}"
        for statement in self.statements:
            if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Attribute | ast.Name):
                dotted = _dotted(statement.value)
                target = statement.targets[0]
                if dotted and dotted.split(".")[0] in table and isinstance(target, ast.Name):
                    table.setdefault(target.id, _expand(dotted, table))
        return table

    @cached_property
    def functions(self) -> Mapping[str, SourceFunction]:
        """All functions by qualname (`f`, `Class.method`, `factory.<locals>.inner`), in file order."""
        table: dict[str, SourceFunction] = {}
        for node, owner, prefix in _definitions(self.tree.body, None, ""):
            if not isinstance(node, ast.ClassDef):
                name = node.name
                table[prefix + name] = self._function(node, name, prefix + name, owner)
        for statement in self.statements:
            if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Lambda):
                for target in statement.targets:
                    if isinstance(target, ast.Name):
                        table[target.id] = self._function(statement.value, target.id, target.id, None)
        return table

    @cached_property
    def classes(self) -> Mapping[str, SourceClass]:
        """All classes by qualname, in file order."""
        table: dict[str, SourceClass] = {}
        for node, _, prefix in _definitions(self.tree.body, None, ""):
            if isinstance(node, ast.ClassDef):
                qualname = prefix + node.name
                start = qualname + "."
                methods = {
                    function.name: function
                    for key, function in self.functions.items()
                    if function.owner == qualname and key.startswith(start)
                }
                bases = tuple(self.resolve(base) or "" for base in node.bases)
                table[qualname] = SourceClass(node, node.name, qualname, bases, methods)
        return table

    @cached_property
    def constants(self) -> Mapping[str, object]:
        """Module-level names assigned once, to a literal number, string, list or tuple."""
        table: dict[str, object] = {}
        seen: set[str] = set()
        for statement in self.statements:
            if isinstance(statement, ast.Assign):
                targets, value = statement.targets, statement.value
            elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
                targets, value = [statement.target], statement.value
            else:
                continue
            for target in targets:
                if isinstance(target, ast.Name):
                    if target.id in seen:
                        table.pop(target.id, None)
                        continue
                    seen.add(target.id)
                    literal = self.literal(value, table)
                    if literal is not None:
                        table[target.id] = literal
        return table

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name that importing the file binds at its top level."""
        found: set[str] = set()
        for statement in self.statements:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.add(statement.name)
            elif isinstance(statement, ast.Import | ast.ImportFrom):
                found.update(item.asname or item.name.split(".")[0] for item in statement.names)
            else:
                found.update(
                    node.id
                    for node in ast.walk(statement)
                    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
                )
        return frozenset(found)

    @cached_property
    def open_ended(self) -> bool:
        """Whether the file may bind names that its text does not show (star imports, `globals()`, `setattr`)."""
        return (
            "*" in self.aliases
            or "__getattr__" in self.names
            or any(
                isinstance(node, ast.Name) and node.id in ("globals", "setattr", "exec") for node in nodes(self.tree)
            )
        )

    def resolve(self, node: ast.AST) -> str | None:
        """The dotted name of an expression with imports expanded ("tensorflow.math.log"); None if it has none.

        All ways to import Keras are one: "keras.losses.Loss".
        """
        dotted = _dotted(node)
        return canonical(_expand(dotted, self.aliases)) if dotted else None

    def literal(self, node: ast.AST, constants: Mapping[str, object] | None = None) -> object:
        """The value of a literal, of a constant of the module or of arithmetic on such; None otherwise."""
        table = self.constants if constants is None else constants
        return _evaluate(node, table)

    def _function(self, node: FunctionNode, name: str, qualname: str, owner: str | None) -> SourceFunction:
        arguments = node.args
        positional = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
        required = len(positional) - len(arguments.defaults)
        static = any(_dotted(item) == "staticmethod" for item in getattr(node, "decorator_list", []))
        if owner is not None and positional and not static:
            positional, required = positional[1:], max(required - 1, 0)
        keywords = tuple(
            argument.arg
            for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
            if default is None
        )
        return SourceFunction(
            node, name, qualname, tuple(positional), required, owner, self, keywords, arguments.vararg is not None
        )


def read_module(path: str | Path) -> SourceModule:
    """Read a Python file, in the encoding it declares.

    Raises:
        UsageError: no such file, not text, or not Python.
    """
    try:
        with tokenize.open(path) as file:
            return _module(file.read(), str(path))
    except OSError as error:
        raise UsageError(f"Cannot read '{path}': {error.strerror or error}") from None
    except (SyntaxError, UnicodeDecodeError) as error:
        raise UsageError(f"Invalid Python in '{path}': {error}") from None


@lru_cache(maxsize=16)
def _module(text: str, path: str) -> SourceModule:
    return SourceModule(text, path)


def own_nodes(root: ast.AST) -> Iterator[ast.AST]:
    """The nodes inside a function, without those of functions, lambdas and classes nested in it."""
    stack = list(ast.iter_child_nodes(root))
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            stack.extend(ast.iter_child_nodes(node))


def canonical(dotted: str) -> str:
    """One spelling for the ways to reach Keras: "tensorflow.keras.losses.Loss" is "keras.losses.Loss"."""
    for root in _KERAS_ROOTS:
        if dotted == root or dotted.startswith(root + "."):
            return "keras" + dotted[len(root) :]
    return dotted


def _dotted(node: ast.AST) -> str | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(parts)])


def _expand(dotted: str, aliases: Mapping[str, str]) -> str:
    first, _, rest = dotted.partition(".")
    origin = aliases.get(first, first)
    return f"{origin}.{rest}" if rest else origin


def _flatten(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        if isinstance(statement, ast.If):
            if not _is_main_guard(statement.test):
                yield from _flatten(statement.body)
            yield from _flatten(statement.orelse)
        elif isinstance(statement, ast.Try | ast.TryStar):
            yield from _flatten(statement.body)
            for handler in statement.handlers:
                yield from _flatten(handler.body)
            yield from _flatten(statement.orelse + statement.finalbody)
        elif isinstance(statement, ast.With):
            yield from _flatten(statement.body)
        else:
            yield statement


def _is_main_guard(test: ast.expr) -> bool:
    return isinstance(test, ast.Compare) and any(
        isinstance(side, ast.Name) and side.id == "__name__" for side in (test.left, *test.comparators)
    )


def _definitions(
    body: list[ast.stmt], owner: str | None, prefix: str
) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, str | None, str]]:
    """Functions and classes with the class that owns them and the prefix of their qualname, in file order."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            yield statement, owner, prefix
            yield from _definitions(statement.body, None, f"{prefix}{statement.name}.<locals>.")
        elif isinstance(statement, ast.ClassDef):
            qualname = prefix + statement.name
            yield statement, owner, prefix
            yield from _definitions(statement.body, qualname, qualname + ".")
        else:
            for name in ("body", "orelse", "finalbody"):
                inner = getattr(statement, name, None)
                if isinstance(inner, list) and not (isinstance(statement, ast.If) and _is_main_guard(statement.test)):
                    yield from _definitions(inner, owner, prefix)
            for handler in getattr(statement, "handlers", []):
                yield from _definitions(handler.body, owner, prefix)


def _evaluate(node: ast.AST, constants: Mapping[str, object]) -> object:
    match node:
        case ast.Constant():
            return node.value
        case ast.Name():
            return constants.get(node.id)
        case ast.List() | ast.Tuple():
            items = [_evaluate(item, constants) for item in node.elts]
            return None if any(item is None for item in items) else tuple(items)
        case ast.UnaryOp(op=ast.USub()):
            value = _evaluate(node.operand, constants)
            return -value if isinstance(value, int | float) else None
        case ast.BinOp():
            left, right = _evaluate(node.left, constants), _evaluate(node.right, constants)
            if not isinstance(left, int | float) or not isinstance(right, int | float):
                return None
            return _arithmetic(node.op, left, right)
        case _:
            return None


def _arithmetic(operator: ast.operator, left: float, right: float) -> float | None:
    match operator:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.FloorDiv() if right:
            return left // right
        case ast.Div() if right:
            return left / right
        case ast.Pow() if abs(left) <= 1e3 and abs(right) <= 64 and left > 0:
            return left**right
        case _:
            return None
