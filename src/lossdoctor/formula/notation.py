"""Which notation a formula is written in: ours, LaTeX, or that of SymPy."""

from __future__ import annotations

import ast
import re
from typing import Any

from lossdoctor.findings import UsageError
from lossdoctor.formula.expression import Formula
from lossdoctor.formula.latex import from_latex
from lossdoctor.formula.parse import parse_formula

_SYMPY = re.compile(r"\b(Piecewise|Abs|Max|Min|Rational|Integer|Float|Symbol|Sum|Pow|Mul|Add|acos|loggamma)\s*\(")
_SYMBOLS = {"y": "y_true", "yhat": "y_pred", "y_hat": "y_pred", "yp": "y_pred", "yt": "y_true"}
_OF_SYMPY = re.compile(rf"\b({'|'.join(_SYMBOLS)})\b")  # which names nothing in our own notation
_RENAMED = {"Abs": "abs", "acos": "arccos", "loggamma": "lgamma", "ln": "log", "exp": "exp"}


def read_formula(given: Any) -> Formula:
    r"""Read a formula in any of the three notations; nothing is ever evaluated.

    Args:
        given: text such as "mean((t - p)**2, axis=-1)"; LaTeX, which is told by its backslashes; text or an
            expression of SymPy over the symbols y_true (t, y) and y_pred (p, yhat).

    Raises:
        UsageError: it is in none of them.
    """
    if not isinstance(given, str):
        if not type(given).__module__.startswith("sympy."):
            raise UsageError(
                "Invalid value for `formula`. Expected text or an expression of SymPy. "
                f"Received: {type(given).__name__}"
            )
        return parse_formula(from_sympy(str(given)))
    if "\\" in given or given.strip().startswith("$"):
        translated = from_latex(given)
        try:
            return parse_formula(translated)
        except UsageError as problem:
            raise UsageError(f"{problem}; the LaTeX was read as {translated}") from None
    return parse_formula(from_sympy(given) if _SYMPY.search(given) or _OF_SYMPY.search(given) else given)


def from_sympy(text: str) -> str:
    """The formula that SymPy's own text of an expression says.

    Raises:
        UsageError: it does not parse, or has a Piecewise that is not one.
    """
    try:
        tree = ast.parse(text.strip().replace("\n", " "), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text  # the parser of formulas says what is wrong
    return ast.unparse(ast.fix_missing_locations(_Rewriter().visit(tree)))


class _Rewriter(ast.NodeTransformer):
    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Name(_SYMBOLS.get(node.id, node.id))

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        """`y_pred[i]`, an indexed symbol under a Sum; an index of numbers stays."""
        inner = self.visit(node.value)
        if isinstance(node.slice, ast.Name):
            return inner
        return ast.Subscript(inner, node.slice, ast.Load())

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        left, right = self.visit(node.left), self.visit(node.right)
        # (a < b) & (b < c): conditions count as 0 and 1.
        return ast.BinOp(left, ast.Mult() if isinstance(node.op, ast.BitAnd) else node.op, right)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name == "Piecewise":
            return self._piecewise(node)
        if name == "Symbol" and node.args and isinstance(node.args[0], ast.Constant):
            return self.visit_Name(ast.Name(str(node.args[0].value)))
        arguments = [self.visit(argument) for argument in node.args]
        operator = {"Rational": ast.Div(), "Pow": ast.Pow(), "Mul": ast.Mult(), "Add": ast.Add()}.get(name)
        if operator is not None and len(arguments) >= 2:
            return _folded(arguments, lambda a, b: ast.BinOp(a, operator, b))
        if name in ("Max", "Min") and len(arguments) >= 2:
            function = "maximum" if name == "Max" else "minimum"
            return _folded(arguments, lambda a, b: ast.Call(ast.Name(function), [a, b], []))
        if name in ("Integer", "Float", "Rational") and arguments:
            return arguments[0]
        if name == "Sum":
            axis = ast.keyword("axis", ast.UnaryOp(ast.USub(), ast.Constant(1)))
            return ast.Call(ast.Name("sum"), arguments[:1], [axis])
        return ast.Call(ast.Name(_RENAMED.get(name, name)) if name else node.func, arguments, node.keywords)

    def _piecewise(self, node: ast.Call) -> ast.expr:
        pieces = [piece.elts for piece in node.args if isinstance(piece, ast.Tuple) and len(piece.elts) == 2]
        if len(pieces) != len(node.args) or not pieces:
            raise UsageError(
                "Invalid value for `formula`. Expected Piecewise((value, condition), …, (value, True)). "
                f"Received: {ast.unparse(node)}"
            )
        made = self.visit(pieces[-1][0])  # the last piece holds where no other does
        for value, condition in reversed(pieces[:-1]):
            made = ast.Call(ast.Name("where"), [self.visit(condition), self.visit(value), made], [])
        return made


def _folded(arguments: list[ast.expr], join: Any) -> ast.expr:
    made = arguments[0]
    for argument in arguments[1:]:
        made = join(made, argument)
    return made
