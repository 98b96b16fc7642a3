"""From text to a formula: a whitelist over Python's syntax tree. Nothing is ever evaluated."""

from __future__ import annotations

import ast
import difflib
from dataclasses import replace
from fractions import Fraction
from typing import NoReturn, cast

from lossdoctor.findings import UsageError
from lossdoctor.formula.expression import Expression, Formula, IndexPart, Number

INPUTS = {"y_true": "y_true", "t": "y_true", "y_pred": "y_pred", "p": "y_pred"}
CONSTANTS = ("pi", "e")
REDUCTIONS = ("sum", "mean", "max", "min", "logsumexp")
NORMALISATIONS = ("softmax", "log_softmax")  # along an axis that stays, the last by default
UNARY = (
    "abs", "exp", "log", "log1p", "expm1", "sqrt", "square", "sigmoid", "softplus", "sign", "tanh", "cos", "arccos",
    "erf", "lgamma",
)  # fmt: skip
ARGUMENTS = {
    **dict.fromkeys(UNARY, 1),
    "maximum": 2, "minimum": 2, "where": 3, "clip": 3, "one_hot": 2, "diagonal": 1, "ctc": 5,
}  # fmt: skip
FUNCTIONS = (*REDUCTIONS, *NORMALISATIONS, *ARGUMENTS)

# How others spell it.
_OTHER_NAMES = {
    "ln": "log",
    "acos": "arccos",
    "average": "mean",
    "avg": "mean",
    "reduce_mean": "mean",
    "reduce_sum": "sum",
    "reduce_max": "max",
    "reduce_min": "min",
    "reduce_logsumexp": "logsumexp",
    "absolute": "abs",
    "fabs": "abs",
    "clip_by_value": "clip",
    "logistic": "sigmoid",
    "expit": "sigmoid",
    "gammaln": "lgamma",
    "relu": "maximum(x, 0)",
    "pow": "x ** n",
    "power": "x ** n",
    "norm": "sqrt(sum(x**2, axis=-1))",
    "log2": "log(x)/log(2)",
    "log10": "log(x)/log(10)",
    "sin": "cos(x - pi/2)",
}
_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.Pow: "power",
}
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
}
_LONGEST = 20_000  # characters; what a person writes is far shorter
_DEEPEST = 150  # nested operations, well below Python's limit of recursion


def parse_formula(text: str) -> Formula:
    """Read a formula such as "mean((y_true - y_pred)**2, axis=-1)".

    Args:
        text: Python-like maths over y_true (or t) and y_pred (or p); see DESIGN section 3.

    Raises:
        UsageError: anything that is not in the grammar, with its column and what may have been meant.
    """
    if len(text) > _LONGEST:
        raise UsageError(f"Invalid value for `formula`. Expected at most {_LONGEST} characters. Received: {len(text)}")
    line = " ".join(text.split("\n")).replace("\r", " ").replace("\t", " ")
    lead = len(line) - len(line.lstrip())
    line = line.strip()
    if not line:
        raise UsageError("Invalid value for `formula`. Expected maths over y_true and y_pred. Received: ''")
    reader = _Reader(line, lead)
    try:
        tree = ast.parse(line, mode="eval")
    except SyntaxError as problem:
        column = (problem.offset or 1) + lead
        hint = "; for comparing write ==" if "'='" in (problem.msg or "") or "'=='" in (problem.msg or "") else ""
        raise UsageError(
            f"Invalid value for `formula`. Expected maths in Python's notation. "
            f"Received: {_shown(line)} ({problem.msg}, column {column}{hint})"
        ) from None
    except (ValueError, RecursionError, MemoryError):
        raise UsageError(f"Invalid value for `formula`. Expected maths. Received: {_shown(line)}") from None
    root = reader.read(tree.body, 0)
    return Formula(line, root, tuple(root.walk()))


class _Reader:
    """Reads one syntax tree; every refusal names the column."""

    def __init__(self, line: str, lead: int) -> None:
        self.line = line
        self.lead = lead

    def read(self, node: ast.expr, depth: int) -> Expression:
        if depth > _DEEPEST:
            self.refuse(node, f"at most {_DEEPEST} nested operations")
        made = self._read(node, depth + 1)
        return replace(made, text=self._text(node), column=self._column(node))

    def _read(self, node: ast.expr, depth: int) -> Expression:
        match node:
            case ast.Constant():
                return self._number(node)
            case ast.Name():
                return self._name(node)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return Expression("negative", (self.read(operand, depth),))
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.read(operand, depth)
            case ast.BinOp(left=left, op=op, right=right):
                name = _BINARY.get(type(op))
                if name is None:
                    hint = "; a power is written **" if isinstance(op, ast.BitXor) else ""
                    self.refuse(node, f"the operators + - * / ** and comparisons{hint}")
                return Expression(name, (self.read(left, depth), self.read(right, depth)))
            case ast.Compare():
                return self._compare(node, depth)
            case ast.Subscript():
                return self._subscript(node, depth)
            case ast.Call():
                return self._call(node, depth)
            case ast.IfExp():
                self.refuse(node, "where(condition, a, b) instead of `a if condition else b`")
            case ast.BoolOp():
                self.refuse(node, "comparisons combined by * or where(), instead of `and` and `or`")
            case ast.Attribute():
                self.refuse(node, f"a plain name{self._meant(node.attr)}")
            case _:
                pass
        return self.refuse(node, "numbers, y_true, y_pred, operators, slices and functions")

    def _number(self, node: ast.Constant) -> Expression:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse(node, "a number")
        try:
            exact = Fraction(repr(value))  # the decimal that was written, up to the 17 digits that a float keeps
        except (ValueError, OverflowError):
            self.refuse(node, "a number of usual size")
        return Expression("number", number=Number(exact))

    def _name(self, node: ast.Name) -> Expression:
        if node.id in INPUTS:
            return Expression("input", role=INPUTS[node.id])
        if node.id in CONSTANTS:
            return Expression("number", number=Number(Fraction(0), node.id))
        known = f"y_true (t), y_pred (p), pi or e{_close(node.id, (*INPUTS, *CONSTANTS))}"
        return self.refuse(node, f"arguments, as in {node.id}(…)" if node.id in FUNCTIONS else known)

    def _compare(self, node: ast.Compare, depth: int) -> Expression:
        operands = [self.read(operand, depth) for operand in (node.left, *node.comparators)]
        found: list[Expression] = []
        for op, left, right in zip(node.ops, operands, operands[1:], strict=False):
            name = _COMPARISONS.get(type(op))
            if name is None:
                self.refuse(node, "the comparisons < <= > >= == !=")
            found.append(Expression(name, (left, right), text=f"{left.text} {_sign(name)} {right.text}"))
        whole = found[0]
        for one in found[1:]:
            whole = Expression("both", (whole, one))
        return whole

    def _call(self, node: ast.Call, depth: int) -> Expression:
        function = node.func
        if isinstance(function, ast.Attribute):
            self.refuse(function, f"a plain function name{self._meant(function.attr)}")
        if not isinstance(function, ast.Name):
            self.refuse(node, "a function name before the parenthesis")
        name = function.id
        if name not in FUNCTIONS:
            meant = self._meant(name)
            self.refuse(function, f"a known function{meant}" if meant else f"one of {', '.join(sorted(FUNCTIONS))}")
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                self.refuse(argument, "arguments without `*`")
        if name in REDUCTIONS or name in NORMALISATIONS:
            return self._folding(name, node, depth)
        if node.keywords:
            self.refuse(node, f"`{name}` without keyword arguments")
        wanted = ARGUMENTS[name]
        if len(node.args) != wanted:
            self.refuse(node, f"{wanted} argument{'s' if wanted > 1 else ''} of `{name}`")
        if name == "one_hot":
            size = self._integer(node.args[1])
            if not 1 <= size <= 100_000:
                self.refuse(node.args[1], "a number of classes")
            return Expression(name, (self.read(node.args[0], depth),), size=size)
        return Expression(name, tuple(self.read(argument, depth) for argument in node.args))

    def _folding(self, name: str, node: ast.Call, depth: int) -> Expression:
        """A function of an array along `axis`."""
        if len(node.args) == 2 and name in ("max", "min"):
            # max(x, 0) could mean either.
            self.refuse(node, f"{name}imum(a, b) for two arguments, {name}(x, axis=…) along an axis")
        if not 1 <= len(node.args) <= 2:
            self.refuse(node, f"one array in `{name}`, and axis=")
        axis: tuple[int, ...] | None = None if name in REDUCTIONS else (-1,)
        keepdims = False
        if len(node.args) == 2:
            axis = self._axis(node.args[1])
        for keyword in node.keywords:
            if keyword.arg == "axis" and len(node.args) == 1:
                axis = self._axis(keyword.value)
            elif keyword.arg == "keepdims" and name in REDUCTIONS:
                value = keyword.value
                if not (isinstance(value, ast.Constant) and isinstance(value.value, bool)):
                    self.refuse(value, "keepdims=True or keepdims=False")
                keepdims = value.value
            else:
                allowed = "axis= and keepdims=" if name in REDUCTIONS else "axis="
                hint = _close(keyword.arg or "", ("axis", "keepdims"))
                self.refuse(keyword.value, f"{allowed} in `{name}`{hint}")
        if name in NORMALISATIONS and (axis is None or len(axis) != 1):
            self.refuse(node, f"one axis in `{name}`")
        return Expression(name, (self.read(node.args[0], depth),), axis=axis, keepdims=keepdims)

    def _axis(self, node: ast.expr) -> tuple[int, ...] | None:
        if isinstance(node, ast.Constant) and node.value is None:
            return None
        if isinstance(node, ast.Tuple | ast.List):
            axes = tuple(self._integer(part) for part in node.elts)
            if not axes:
                self.refuse(node, "at least one axis")
            return axes
        return (self._integer(node),)

    def _integer(self, node: ast.expr) -> int:
        inner = node.operand if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) else node
        if not (isinstance(inner, ast.Constant) and type(inner.value) is int and inner.value < 2**31):
            self.refuse(node, "an integer")
        return -inner.value if inner is not node else inner.value

    def _subscript(self, node: ast.Subscript, depth: int) -> Expression:
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        index = tuple(self._index(part) for part in parts)
        if sum(part is Ellipsis for part in index) > 1:
            self.refuse(node, "one `...` in an index")
        if any(isinstance(part, str) for part in index) and len(index) != 1:
            self.refuse(node, 'a key by itself, as in y_pred["boxes"]')
        return Expression("index", (self.read(node.value, depth),), index=index)

    def _index(self, node: ast.expr) -> IndexPart:
        if isinstance(node, ast.Slice):
            low, high, step = (
                None if part is None else self._integer(part) for part in (node.lower, node.upper, node.step)
            )
            if step == 0:
                self.refuse(node, "a step other than 0")
            return slice(low, high, step)
        if isinstance(node, ast.Constant) and (node.value is None or node.value is Ellipsis):
            return cast(IndexPart, node.value)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        return self._integer(node)

    def _meant(self, name: str) -> str:
        if name in FUNCTIONS:
            return f"; write {name}(…)"
        if name in _OTHER_NAMES:
            return f"; write {_OTHER_NAMES[name]}"
        return _close(name, FUNCTIONS)

    def _text(self, node: ast.expr) -> str:
        return ast.get_source_segment(self.line, node) or ""

    def _column(self, node: ast.expr) -> int:
        # ast counts bytes of UTF-8.
        return len(self.line.encode()[: node.col_offset].decode()) + 1 + self.lead

    def refuse(self, node: ast.expr, expected: str) -> NoReturn:
        text = self._text(node)
        received = text if len(text) <= 60 else text[:57] + "…"
        raise UsageError(
            f"Invalid value for `formula`. Expected {expected}. Received: `{received}` (column {self._column(node)})"
        )


def _sign(name: str) -> str:
    return {"less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=", "equal": "==", "not_equal": "!="}[
        name
    ]


def _close(name: str, known: tuple[str, ...]) -> str:
    found = [other for other in known if other.lower() == name.lower()] or difflib.get_close_matches(
        name, known, 1, 0.6
    )
    return f" (did you mean `{found[0]}`?)" if found else ""


def _shown(line: str) -> str:
    return repr(line if len(line) <= 100 else line[:97] + "…")
