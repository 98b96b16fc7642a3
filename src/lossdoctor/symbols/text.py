"""An expression as text: in the grammar of formulas, or for people, with the names that the user gave."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import cast

from lossdoctor.formula.expression import Expression

_OPERATORS = {
    "or": (1, " or "),
    "and": (2, " and "),
    "not": (3, "not "),
    "less": (4, " < "),
    "less_equal": (4, " <= "),
    "greater": (4, " > "),
    "greater_equal": (4, " >= "),
    "equal": (4, " == "),
    "not_equal": (4, " != "),
    "add": (5, " + "),
    "subtract": (5, " - "),
    "multiply": (6, "*"),
    "divide": (6, "/"),
    "matmul": (6, " @ "),
    "negative": (6, "-"),
    "power": (8, "**"),
}
_PRETTY = {
    " <= ": " ≤ ",
    " >= ": " ≥ ",
    " == ": " = ",
    " != ": " ≠ ",
    " - ": " − ",
    "-": "−",
    "*": " · ",
    "**": "^",
    "/": " / ",
}
_ATOM = 10
_FOLDS = ("sum", "mean", "max", "min", "logsumexp", "softmax", "log_softmax", "all", "any")


@dataclass
class Writer:
    """Writes expressions.

    Attributes:
        names: of parts that are written as a name, and of constants.
        inputs: what y_true and y_pred are called.
        pretty: for people; else the grammar of formulas.
    """

    names: Mapping[Expression, str] = field(default_factory=dict[Expression, str])
    inputs: Mapping[str, str] = field(default_factory=lambda: {"y_true": "y_true", "y_pred": "y_pred"})
    pretty: bool = False
    _texts: dict[Expression, tuple[str, int]] = field(default_factory=dict[Expression, tuple[str, int]])

    def __call__(self, root: Expression) -> str:
        return self._text(root, 0)

    def definition(self, part: Expression) -> str:
        """What a named part is, its own name aside."""
        return self._written(part)[0]

    def _text(self, part: Expression, least: int) -> str:
        """The text, in parentheses if it binds less than `least`."""
        if part in self.names:
            return self.names[part]
        if part not in self._texts:
            self._texts[part] = self._written(part)
        text, binds = self._texts[part]
        return text if binds >= least else f"({text})"

    def _written(self, part: Expression) -> tuple[str, int]:
        match part.op:
            case "number":
                return self._number(part)
            case "input":
                return self.inputs[part.role], _ATOM
            case "index":
                return f"{self._text(part.args[0], _ATOM)}[{_index(part)}]", _ATOM
            case "size":
                return (part.text if part.text.isidentifier() else f"size({part.text})"), _ATOM
            case "array":
                return f"[{', '.join(self._text(arg, 0) for arg in part.args)}]", _ATOM
            case "diagonal" if not part.args:
                return "identity", _ATOM
            case "transpose" if self.pretty:
                return f"{self._text(part.args[0], _ATOM)}ᵀ", _ATOM
            case "reshape":
                shape = "flattened"
                return f"{shape}({self._text(part.args[0], 0)})", _ATOM
            case "abs" if self.pretty and "|" not in (inside := self._text(part.args[0], 0)):
                return f"|{inside}|", _ATOM
            case _:
                pass
        if part.op in _OPERATORS:
            return self._operator(part)
        if part.op in _FOLDS:
            return self._fold(part), _ATOM
        arguments = [self._text(arg, 0) for arg in part.args]
        if part.op == "one_hot":
            arguments.append(str(part.size))
        if part.op == "call":
            arguments = arguments or ["…" if self.pretty else ""]
        return f"{part.text if part.op == 'call' else part.op}({', '.join(arguments)})", _ATOM

    def _number(self, part: Expression) -> tuple[str, int]:
        assert part.number is not None
        name, value = part.number.name, part.number.value
        if name in ("inf", "-inf", "nan"):
            shown = {"inf": "∞", "-inf": "−∞"}.get(name, name) if self.pretty else name
            return shown, 6 if name.startswith("-") else _ATOM
        text = name or decimal(value)
        if "/" in text:
            return text, 6
        if text.startswith("-"):
            return ("−" + text[1:] if self.pretty else text), 6
        return text, _ATOM

    def _operator(self, part: Expression) -> tuple[str, int]:
        binds, sign = _OPERATORS[part.op]
        args = part.args
        if self.pretty and part.op in ("equal", "not_equal") and args[0] is args[1]:  # only NaN differs from itself
            return f"{self._text(args[0], 5)} is {'NaN' if part.op == 'not_equal' else 'not NaN'}", binds
        if part.op == "power" and self.pretty and self._text(args[1], 0) == "2":
            return f"{self._text(args[0], 9)}²", 8
        shown = _PRETTY.get(sign, sign) if self.pretty else sign
        if len(args) == 1:
            return f"{shown}{self._text(args[0], binds)}", binds
        left = self._text(args[0], binds + (part.op == "power" or binds == 4))
        if part.op == "power":
            right = self._text(args[1], 9)
        else:
            firm = part.op in ("subtract", "divide", "matmul") or binds == 4
            firm = firm or (part.op in ("multiply", "add") and args[1].op in ("divide", "subtract", "negative"))
            right = self._text(args[1], binds + 1 if firm else binds)
            if part.op == "add" and args[1].op == "subtract" and args[1] not in self.names:
                right = self._text(args[1], binds)  # a + (b - c) is a + b - c
        return f"{left}{shown}{right}", binds

    def _fold(self, part: Expression) -> str:
        inside = self._text(part.args[0], 0)
        if self.pretty:
            over = _axes(part)
            return f"{part.op}({inside}{over})"
        axis = "" if part.axis is None else f", axis={part.axis[0] if len(part.axis) == 1 else part.axis}"
        keep = ", keepdims=True" if part.keepdims and part.op not in ("softmax", "log_softmax") else ""
        return f"{part.op}({inside}{axis}{keep})"


def decimal(value: Fraction) -> str:
    """A number as people write it, exactly."""
    if value.denominator == 1:
        digits = str(value.numerator)
        leading = digits.rstrip("0")
        zeros = len(digits) - len(leading)
        return f"{leading}e{zeros}" if zeros >= 6 and len(leading) <= 2 else digits
    text = repr(float(value))
    if Fraction(text) == value:
        return re.sub(r"e([+-])0*", r"e\1", text).replace("e+", "e")
    return f"{value.numerator}/{value.denominator}"


def _index(part: Expression) -> str:
    def one(item: object) -> str:
        if isinstance(item, slice):
            return slice_text(cast("object", item))
        if item is Ellipsis:
            return "..."
        return repr(item) if isinstance(item, str) else str(item)

    return ", ".join(one(item) for item in part.index)


def slice_text(item: object) -> str:
    """A slice as it is written, such as `1:3` or `::2`."""
    ends = [cast("int | None", getattr(item, name)) for name in ("start", "stop", "step")]
    shown = ["" if end is None else str(end) for end in ends]
    return ":".join(shown if shown[2] else shown[:2])


def _axes(part: Expression) -> str:
    """Over which axes, in words; nothing where that is all of them."""
    if part.axis is None:
        return ""
    if part.axis == (-1,):
        return "" if part.op in ("softmax", "log_softmax") else ", last axis"
    if len(part.axis) == 1:
        return f", axis {part.axis[0]}"
    return f", axes {', '.join(map(str, part.axis))}"
