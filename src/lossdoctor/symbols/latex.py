"""An expression in LaTeX, with the names that the user gave."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

from lossdoctor.formula.expression import Expression
from lossdoctor.symbols.algebra import Shape
from lossdoctor.symbols.text import decimal, slice_text

_RELATIONS = {
    "less": "<",
    "less_equal": r"\le",
    "greater": ">",
    "greater_equal": r"\ge",
    "equal": "=",
    "not_equal": r"\ne",
}
_FUNCTIONS = {
    "exp": r"\exp",
    "log": r"\log",
    "tanh": r"\tanh",
    "cos": r"\cos",
    "arccos": r"\arccos",
    "sigmoid": r"\sigma",
    "maximum": r"\max",
    "minimum": r"\min",
    "max": r"\max",
    "min": r"\min",
}
_SUM, _TERM, _FACTOR, _POWER, _ATOM = 5, 6, 7, 8, 10
_BINDS = {"or": 1, "and": 2, "add": _SUM, "subtract": _SUM, "multiply": _TERM, "negative": _TERM, "matmul": _TERM}


def variable(name: str) -> str:
    r"""`y_{\mathrm{true}}` of y_true, `\gamma` of gamma."""
    primes = name[len(name.rstrip("'")) :]
    head, _, rest = name.rstrip("'").partition("_")
    greek = {"alpha", "beta", "gamma", "delta", "epsilon", "lambda", "sigma", "mu", "tau", "theta", "eta", "rho", "pi"}
    if len(head) > 1 and head not in greek:
        head, rest = name.rstrip("'").replace("_", r"\_"), ""
    first = "\\" + head if head in greek else head if len(head) == 1 else rf"\mathrm{{{head}}}"
    low = rest.replace("_", r"\_")
    return (f"{first}_{{\\mathrm{{{low}}}}}" if rest else first) + primes


class Latex:
    """Writes expressions in LaTeX.

    Args:
        names: of parts that are written as a name.
        inputs: what y_true and y_pred are called.
        shapes: of all expressions, for the bounds of sums.
    """

    def __init__(
        self, names: Mapping[Expression, str], inputs: Mapping[str, str], shapes: Mapping[Expression, Shape]
    ) -> None:
        self.names = names
        self.inputs = inputs
        self.shapes = shapes

    def __call__(self, root: Expression) -> str:
        return self._text(root, 0)

    def definition(self, part: Expression) -> str:
        """What a named part is, its own name aside."""
        return self._written(part)[0]

    def _text(self, part: Expression, least: int) -> str:
        if part in self.names:
            return variable(self.names[part])
        text, binds = self._written(part)
        return text if binds >= least else rf"\left({text}\right)"

    def _written(self, part: Expression) -> tuple[str, int]:
        args = part.args
        match part.op:
            case "number":
                return self._number(part)
            case "input":
                return variable(self.inputs[part.role]), _ATOM
            case "size":
                return part.text, _ATOM
            case "add" | "subtract":
                sign = "+" if part.op == "add" else "-"
                low = _SUM if part.op == "add" and args[1].op != "negative" else _TERM
                return f"{self._text(args[0], _SUM)} {sign} {self._text(args[1], low)}", _SUM
            case "multiply":
                second = _FACTOR if args[1].op == "negative" else _TERM
                left, right = self._text(args[0], _TERM), self._text(args[1], second)
                # A sum takes what follows it, so that it comes in parentheses unless it is last.
                if _open(args[0]) and args[0] not in self.names:
                    left = rf"\left({left}\right)"
                return rf"{left} \cdot {right}" if _starts_with_digit(right) else rf"{left} \, {right}", _TERM
            case "divide":
                return rf"\frac{{{self._text(args[0], 0)}}}{{{self._text(args[1], 0)}}}", _FACTOR
            case "negative":
                return f"-{self._text(args[0], _TERM)}", _TERM
            case "power":
                return f"{self._text(args[0], 9)}^{{{self._text(args[1], 0)}}}", _POWER
            case "abs":
                return rf"\left|{self._text(args[0], 0)}\right|", _ATOM
            case "sqrt":
                return rf"\sqrt{{{self._text(args[0], 0)}}}", _ATOM
            case "not":
                return rf"\lnot {self._text(args[0], _ATOM)}", 3
            case "and" | "or":
                sign = r"\land" if part.op == "and" else r"\lor"
                return f" {sign} ".join(self._text(arg, 3) for arg in args), _BINDS[part.op]
            case "where":
                yes, no, when = self._text(args[1], 0), self._text(args[2], 0), self._text(args[0], 0)
                return rf"\begin{{cases}} {yes} & {when} \\ {no} & \text{{otherwise}} \end{{cases}}", _FACTOR
            case "sum" | "mean":
                return self._sum(part)
            case "index":
                return f"{self._text(args[0], _ATOM)}_{{[{_index(part)}]}}", _ATOM
            case "transpose":
                return f"{self._text(args[0], _ATOM)}^{{\\top}}", _POWER
            case "matmul":
                return f"{self._text(args[0], _TERM)} {self._text(args[1], _FACTOR)}", _TERM
            case "array":
                return rf"\left({', '.join(self._text(arg, 0) for arg in args)}\right)", _ATOM
            case "diagonal" if not args:
                return "I", _ATOM
            case _:
                pass
        if part.op in ("equal", "not_equal") and args[0] is args[1]:  # only NaN differs from itself
            word = "NaN" if part.op == "not_equal" else "not NaN"
            return rf"{self._text(args[0], _SUM)} \text{{ is {word}}}", 4
        if part.op in _RELATIONS:
            return f"{self._text(args[0], _SUM)} {_RELATIONS[part.op]} {self._text(args[1], _SUM)}", 4
        return self._function(part), _ATOM

    def _function(self, part: Expression) -> str:
        name = part.text if part.op == "call" else part.op
        shown = _FUNCTIONS.get(part.op) or rf"\operatorname{{{name.replace('_', chr(92) + '_')}}}"
        if part.op in ("max", "min", "logsumexp", "all", "any") and part.axis not in (None, (-1,)):
            shown += f"_{{{', '.join(map(str, part.axis or ()))}}}"
        arguments = [self._text(arg, 0) for arg in part.args]
        if part.op == "one_hot":
            arguments.append(str(part.size))
        return rf"{shown}\left({', '.join(arguments)}\right)"

    def _sum(self, part: Expression) -> tuple[str, int]:
        """A sum over the last axis with its bounds; over others with the axes below."""
        inside = part.args[0]
        shape = self.shapes[inside]
        if part.axis == (-1,) and shape:
            if shape[-1] == 1:
                return self._written(inside)
            size = str(shape[-1]) if isinstance(shape[-1], int) else "n"
            body = self._text(inside, _TERM)
            head = rf"\sum_{{i=1}}^{{{size}}} {body}"
            return (head if part.op == "sum" else rf"\frac{{1}}{{{size}}} {head}"), _TERM
        body = self._text(inside, 0)
        under = "" if part.axis is None else f"_{{{', '.join(map(str, part.axis))}}}"
        return rf"\operatorname{{{part.op}}}{under}\left({body}\right)", _ATOM

    def _number(self, part: Expression) -> tuple[str, int]:
        assert part.number is not None
        name = part.number.name
        if name:
            return {"inf": r"\infty", "-inf": r"-\infty", "pi": r"\pi"}.get(name, name), _ATOM
        text = decimal(part.number.value)
        found = re.fullmatch(r"(-?[\d.]+)e(-?\d+)", text)
        if found:
            lead = "" if found[1] == "1" else rf"{found[1]} \cdot "
            return rf"{lead}10^{{{found[2]}}}", _TERM if lead or text.startswith("-") else _POWER
        return text, _TERM if text.startswith("-") or "/" in text else _ATOM


def _open(part: Expression) -> bool:
    """Whether it ends in a sum that would take the next factor with it."""
    if part.op in ("sum", "mean"):
        return part.axis == (-1,)
    return part.op in ("multiply", "negative") and _open(part.args[-1])


def _starts_with_digit(text: str) -> bool:
    return text[:1].isdigit() or text.startswith("-")


def _index(part: Expression) -> str:
    def one(item: object) -> str:
        if isinstance(item, slice):
            return slice_text(cast("object", item))
        return r"\dots" if item is Ellipsis else r"\cdot" if item is None else str(item)

    return ", ".join(one(item) for item in part.index)
