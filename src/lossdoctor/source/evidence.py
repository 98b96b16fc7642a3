"""What the code of a loss shows about its two arguments: kinds of values, rank, sizes.

A forward reading of the function's statements. It knows of each variable whether it still holds the values of
an argument and whether it still has the shape of one, and follows functions of the same file.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, replace

from lossdoctor.source import vocabulary as words
from lossdoctor.source.calls import argument
from lossdoctor.source.hints import Evidence
from lossdoctor.source.items import PIECE, least_size, pieces, width
from lossdoctor.source.module import SourceFunction, SourceModule
from lossdoctor.source.names import Argument, argument_role
from lossdoctor.source.options import taken
from lossdoctor.source.stock import stock_call

DEPTH = 2  # how many calls within the file are followed
_NEGLIGIBLE = 1e-3  # constants up to this are guards, not terms


@dataclass(frozen=True, slots=True)
class _Value:
    same: Argument | None = None  # holds the values of an argument (a small constant added or clipped or not)
    shaped: Argument | None = None  # has the shape of an argument
    rank_of: Argument | None = None  # has the rank of an argument, but other sizes
    width: int | None = None  # columns that a slice takes from y_pred; 0: an index, the axis is gone
    each: int | None = None  # likewise, of each part that it is taken apart into
    complement: Argument | None = None  # is 1 minus an argument
    negated: bool = False
    product: bool = False  # y_true times y_pred
    mask: bool = False  # zeros and ones, or truth values, from a comparison
    exponential: Argument | None = None  # exp of an argument
    total: Argument | None = None  # the sum of something over the last axis, kept
    numbers: int | None = None  # a constant vector of so many
    literal: object = None


_NOTHING = _Value()
_OF_ROWS = ("values", "flat_values")


def read_evidence(function: SourceFunction, options: Mapping[str, object] | None = None) -> Evidence:
    """Read the code of a loss, given as a function or as the method `call`; `options` are what it was made with."""
    evidence = Evidence(options=options or {})
    names = function.parameters[:2]
    roles: list[Argument] = ["y_true", "y_pred"]
    if len(names) == 2 and argument_role(names[0]) == "y_pred" and argument_role(names[1]) == "y_true":
        roles.reverse()  # the author's names say what they hold, whatever order Keras has
    variables = {name: _Value(same=role, shaped=role) for name, role in zip(names, roles, strict=False)}
    _Reader(function, evidence, variables, 0).run()
    return evidence


class _Reader:
    def __init__(
        self, function: SourceFunction, evidence: Evidence, variables: Mapping[str, _Value], depth: int
    ) -> None:
        self.function = function
        self.module: SourceModule = function.module
        self.evidence = evidence
        self.variables = dict(variables)
        self.depth = depth
        self.result = _NOTHING

    def run(self) -> _Value:
        self._block(self.function.body)
        return self.result

    def _block(self, body: list[ast.stmt]) -> None:
        for statement in body:
            match statement:
                case ast.Assign():
                    value = self._value(statement.value)
                    for target in statement.targets:
                        self._bind(target, value, statement.value)
                case ast.AnnAssign() if statement.value is not None:
                    self._bind(statement.target, self._value(statement.value), statement.value)
                case ast.AugAssign():
                    changed = ast.BinOp(statement.target, statement.op, statement.value)
                    self._bind(statement.target, self._value(ast.copy_location(changed, statement)), statement.value)
                case ast.Return() if statement.value is not None:
                    self.result = self._value(statement.value)
                case ast.Expr():
                    self._value(statement.value)
                case ast.If() | ast.While():
                    self._value(statement.test)
                    way = taken(statement.test, self.function, self.evidence.options)
                    self._block(statement.body if way is not False else [])
                    self._block(statement.orelse if way is not True else [])
                case ast.For() | ast.With() | ast.Try():
                    self._block(statement.body)
                case _:
                    pass

    def _bind(self, target: ast.expr, value: _Value, source: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self.variables[target.id] = value
            if value.same == "y_true" and target.id in ("label", "labels", "classes", "class_ids", "ids", "tokens"):
                self.evidence.event("named labels", target)
        elif isinstance(target, ast.Tuple | ast.List):
            parts = source.elts if isinstance(source, ast.Tuple | ast.List) else []
            for index, item in enumerate(target.elts):
                part = self._value(parts[index]) if len(parts) == len(target.elts) else _Value(width=value.each)
                self._bind(item, part, source)

    def _value(self, node: ast.expr) -> _Value:
        match node:
            case ast.Name():
                known = self.variables.get(node.id)
                return known if known is not None else _Value(literal=self.module.constants.get(node.id))
            case ast.Constant():
                return _Value(literal=node.value)
            case ast.List() | ast.Tuple():
                for item in node.elts:
                    self._value(item)
                return _Value(literal=self.module.literal(node))
            case ast.UnaryOp():
                inner = self._value(node.operand)
                if isinstance(node.op, ast.USub):
                    return replace(
                        inner, same=None, complement=None, negated=not inner.negated, literal=self.module.literal(node)
                    )
                return _Value(shaped=inner.shaped)
            case ast.BinOp():
                return self._arithmetic(node)
            case ast.Compare():
                return self._comparison(node)
            case ast.IfExp():
                self._value(node.test)
                first, second = self._value(node.body), self._value(node.orelse)
                return first if first == second else _Value(shaped=first.shaped or second.shaped)
            case ast.Subscript():
                return self._item(node)
            case ast.Call():
                return self._call(node)
            case ast.Attribute():
                inner = self._value(node.value)
                return inner if node.attr in _OF_ROWS else _NOTHING  # all values of a ragged tensor
            case _:
                return _NOTHING

    def _arithmetic(self, node: ast.BinOp) -> _Value:
        left, right = self._value(node.left), self._value(node.right)
        shaped = left.shaped or right.shaped
        self._vector(left, right)
        found = self.evidence
        if isinstance(node.op, ast.Sub) and left.literal in (1, 1.0):
            # A margin that happens to be 1 has a name; a complement is written with the number.
            if right.same and isinstance(node.left, ast.Constant):
                found.event(f"1 - {right.same}", node)
                return _Value(shaped=shaped, complement=right.same)
            if right.product and not right.negated:
                found.event("hinge", node)
        if isinstance(node.op, ast.Add) and left.literal in (1, 1.0) and right.product and right.negated:
            found.event("hinge", node)
        if isinstance(node.op, ast.Add | ast.Sub):
            for one, other in ((left, right), (right, left)):
                if _negligible(other, node):
                    return replace(one, shaped=shaped)
            if {left.same, right.same} == {"y_true", "y_pred"}:
                found.event("difference", node)
        if isinstance(node.op, ast.Mult):
            for one, other in ((left, right), (right, left)):
                if one.same and other.mask:
                    return one
            ends = {value.same or (value.shaped if value.negated else None) for value in (left, right)}
            if ends == {"y_true", "y_pred"}:
                found.event("product", node)
                return _Value(shaped=shaped, product=True, negated=left.negated != right.negated)
            if left.product or right.product:
                return _Value(shaped=shaped, product=True, negated=left.negated != right.negated)
        if isinstance(node.op, ast.Div) and left.shaped and right.total == left.shaped:
            found.event("classes", node)
            if left.exponential:
                found.hint(left.exponential, "logit", 6, "its exponential is normalised to probabilities", node)
            elif left.shaped == "y_pred":
                found.hint("y_pred", "positive", 2, "it is normalised to probabilities", node)
        if isinstance(node.op, ast.Pow) and left.same and _fractional(right.literal):
            found.event(f"root of {left.same}", node)
        rank = left.rank_of or right.rank_of
        return _Value(shaped=shaped, rank_of=rank, literal=self.module.literal(node))

    def _vector(self, left: _Value, right: _Value) -> None:
        """A constant vector beside an argument fixes the last axis."""
        for one, other in ((left, right), (right, left)):
            if one.shaped and other.numbers and other.numbers > 1:
                self.evidence.last.setdefault(one.shaped, other.numbers)
            if one.shaped == "y_true" and other.width is not None:
                self.evidence.width.setdefault("y_true", other.width)

    def _comparison(self, node: ast.Compare) -> _Value:
        left = self._value(node.left)
        for other in node.comparators:
            value = self._value(other)
            if left.same and isinstance(node.ops[0], ast.Eq) and value.literal in (0, 1, 0.0, 1.0):
                self.evidence.event(f"{left.same} is 0 or 1", node)
        return _Value(shaped=left.shaped, mask=True)

    def _item(self, node: ast.Subscript) -> _Value:
        base = self._value(node.value)
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        role = base.shaped
        new_axes = any(
            (isinstance(part, ast.Constant) and part.value is None)
            or (self.module.resolve(part) or "").endswith("newaxis")
            for part in parts
        )
        if role is None or new_axes or base.literal is not None:
            return replace(base, shaped=None) if new_axes else _NOTHING
        dots = [index for index, part in enumerate(parts) if isinstance(part, ast.Constant) and part.value is ...]
        if not dots:
            self.evidence.at_least(role, len(parts))
        whole = True
        for index, part in enumerate(parts):
            if dots and index == dots[0]:
                continue
            axis = index - len(parts) if dots and index > dots[0] else index
            least = least_size(part, self.module)
            if least is not None:
                whole = False
                if axis != 0:
                    self.evidence.size(role, axis, least)
                    place = self.module.literal(part)
                    if isinstance(place, int):
                        self.evidence.columns.setdefault((role, axis), set()).add(place)
        if whole:
            return base
        indexed = any(
            not isinstance(part, ast.Slice) and part is not (parts[dots[0]] if dots else None) for part in parts
        )
        last = parts[-1] if role == "y_pred" and len(parts) > 1 else None
        return _Value(rank_of=None if indexed else role, width=width(last, self.module) if last is not None else None)

    def _call(self, node: ast.Call) -> _Value:
        dotted = self.module.resolve(node.func) or ""
        name = dotted.rpartition(".")[2]
        values = [self._value(item) for item in node.args]
        keywords = {item.arg: self._value(item.value) for item in node.keywords if item.arg}
        first = values[0] if values else next(iter(keywords.values()), _NOTHING)
        helper = self._helper(node, dotted)
        if helper is not None:
            return self._follow(helper, values, keywords, node)
        known = self._stock(node, values, keywords)
        if known is not None:
            return known
        self._noted(node, name, values, first)
        return self._result(node, name, values, keywords, first)

    def _noted(self, node: ast.Call, name: str, values: list[_Value], first: _Value) -> None:
        """What a call says of the arguments of the loss."""
        found, role = self.evidence, first.same
        if name in words.MISSING and role == "y_true":
            found.event("missing", node)
        if role is not None:
            self._of_argument(node, name, role)
        if name == "log" and node.args and (other := self._one_more(node.args[0])) is not None:
            found.hint(other, "positive", 4, f"`{self._shown(node)}` is taken", node)
        if name in ("log", "log1p", "log2", "log10") and first.complement:
            found.event(f"log(1 - {first.complement})", node)
        if (first.product and first.negated) and name in ("exp", "softplus", "log1p"):
            found.event("hinge", node)
        if name in ("lgamma", "digamma") and first.shaped == "y_pred" and role is None:
            found.hint("y_pred", "positive", 3, f"`{self._shown(node)}` is taken of it and a constant", node)
        if name in ("map_fn", "vectorized_map") and len(node.args) >= 2 and isinstance(node.args[0], ast.Name):
            inner = self.module.functions.get(node.args[0].id)
            if inner is not None and self.depth < DEPTH and inner.parameters:
                _Reader(inner, found, {inner.parameters[0]: replace(values[1], shaped=None)}, self.depth + 1).run()
        if name in ("ones", "zeros", "range", "fill") and "y_true" in self._sources(node):
            found.hint("y_true", "label", 4, f"`{self._shown(node)}` counts with it", node)
        if name in words.IMAGE_OPS and found.image is None:
            found.image = node.lineno
        if name in words.REDUCTIONS or name in words.SOFTMAXES:
            self._axes(node, first)
        for one, other in ((values[0], values[1]), (values[1], values[0])) if len(values) >= 2 else ():
            if name in ("multiply", "subtract", "divide", "add") and other.numbers and one.shaped:
                found.last.setdefault(one.shaped, other.numbers)
        both = {value.same for value in values[:2]} == {"y_true", "y_pred"}
        if name == "multiply" and both:
            found.event("product", node)
        if name in ("subtract", "squared_difference") and both:
            found.event("difference", node)

    def _result(
        self, node: ast.Call, name: str, values: list[_Value], keywords: Mapping[str, _Value], first: _Value
    ) -> _Value:
        """What is known of the value of a call."""
        role = first.same
        if name in words.REDUCTIONS:
            return self._reduced(node, name, first)
        if name == "constant" and isinstance(first.literal, tuple):
            return _Value(numbers=len(first.literal))
        if name == "multiply" and {value.same for value in values[:2]} == {"y_true", "y_pred"}:
            return _Value(shaped=first.shaped, product=True)
        if role == "y_pred" and name in PIECE and pieces(node, name, self.module):
            return _Value(each=PIECE[name])
        if name in words.SAME:
            return first
        if name in words.CLIPS or (
            name in ("maximum", "minimum") and any(_negligible(value, node) for value in values)
        ):
            return replace(first, negated=False) if role else _Value(shaped=first.shaped)
        if name in words.RESHAPED:
            self._reshape(node, name, first)
            return replace(first, shaped=None)
        if name in words.COMPARISONS:
            return _Value(shaped=first.shaped, mask=True)
        if name in words.ELEMENTWISE:
            form: Argument | None = next(
                (value.shaped for value in [*values, *keywords.values()] if value.shaped), None
            )
            rank: Argument | None = next((value.rank_of for value in values if value.rank_of), None)
            return _Value(shaped=form, rank_of=rank, exponential=role if name == "exp" else None)
        return _NOTHING

    def _one_more(self, node: ast.expr) -> Argument | None:
        """The argument of the loss to which 1 is added."""
        if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Add):
            return None
        sides = [self._value(node.left), self._value(node.right)]
        return next((one.same for one, other in (sides, sides[::-1]) if other.literal in (1, 1.0)), None)

    def _reduced(self, node: ast.Call, name: str, value: _Value) -> _Value:
        axis = argument(node, "axis", 1)
        if axis is None or self.module.literal(axis) != -1:
            return _NOTHING
        kept = argument(node, "keepdims", 2)
        if kept is not None and self.module.literal(kept) is True:
            return _Value(total=value.shaped if name in ("reduce_sum", "sum") else None)
        if value.shaped:
            self.evidence.event(f"reduced {value.shaped}", node)
        return _NOTHING

    def _sources(self, node: ast.Call) -> set[str]:
        """The arguments of the loss whose values are named in the first argument of a call."""
        names = [item.id for item in ast.walk(node.args[0]) if isinstance(item, ast.Name)] if node.args else []
        return {self.variables[name].same or "" for name in names if name in self.variables}

    def _of_argument(self, node: ast.Call, name: str, role: Argument) -> None:
        """Calls whose first argument is an argument of the loss itself."""
        found = self.evidence
        shown = f"`{self._shown(node)}`"
        if name in words.SIGMOIDS:
            found.hint(role, "logit", 6, f"it goes through {shown}", node)
        elif name in words.SOFTMAXES:
            found.hint(role, "logit", 6, f"it goes through {shown}", node)
            found.event("classes", node)
        elif name in words.CLIPS and self._in_unit(node):
            found.event(f"clip {role}", node)
        elif name in ("log", "log2", "log10"):
            found.event(f"log({role})", node)
        elif name in ("log1p", "lgamma", "digamma"):
            found.hint(role, "positive", 4, f"{shown} is taken of it", node)
        elif name in ("sqrt", "rsqrt"):
            found.event(f"root of {role}", node)
        elif name in ("pow", "power"):
            exponent = argument(node, "y", 1)
            if exponent is not None and _fractional(self.module.literal(exponent)):
                found.event(f"root of {role}", node)
        elif name == "one_hot":
            depth = argument(node, "depth", 1) or argument(node, "num_classes", 1)
            literal = self.module.literal(depth) if depth is not None else None
            classes = literal if isinstance(literal, int) else None
            found.hint(role, "label", 7, f"{shown} makes classes of it", node, classes)
        elif name == "sequence_mask":
            found.hint(role, "label", 5, f"{shown} counts with it", node)
        elif name == "argmax":
            kind = "onehot" if role == "y_true" else "probability"
            found.hint(role, kind, 4 if role == "y_true" else 3, f"{shown} picks a class of it", node)
        elif name in ("ssim", "ssim_multiscale", "psnr"):
            found.hint(role, "unit", 2, f"{shown} compares images", node)
        elif name == "cast" and "int" in self._shown(node):
            found.event(f"integer {role}", node)
        elif name in ("split", "unstack") and (count := pieces(node, name, self.module)):
            found.size(role, -1, count)
            found.last.setdefault(role, count * max(PIECE[name], 1))

    def _stock(self, node: ast.Call, values: list[_Value], keywords: Mapping[str, _Value]) -> _Value | None:
        """A loss of Keras or TensorFlow that gets an argument; None for any other call."""
        call = stock_call(node, self.module)
        if call is None:
            return None
        given = {id(item): value for item, value in zip(node.args, values, strict=True)}
        given |= {id(item.value): keywords[item.arg] for item in node.keywords if item.arg}
        target, prediction = given.get(id(call.target), _NOTHING), given.get(id(call.prediction), _NOTHING)
        if not (target.same or prediction.same):
            return None
        for value, kind in zip((target, prediction), call.kinds, strict=True):
            if value.same:
                suffix = " with from_logits" if kind == "logit" and "logits" not in call.name else ""
                self.evidence.hint(value.same, kind, call.strength, f"it is passed to `{call.name}`{suffix}", node)
        if call.classes:
            self.evidence.event("classes", node)
        if call.elementwise:
            return _Value(shaped=prediction.shaped or target.shaped)
        return _Value(shaped=target.shaped) if call.kinds[0] == "label" else _NOTHING

    def _helper(self, node: ast.Call, dotted: str) -> SourceFunction | None:
        if self.depth >= DEPTH:
            return None
        if dotted in self.module.functions:
            return self.module.functions[dotted]
        local = f"{self.function.qualname}.<locals>.{dotted}"
        if local in self.module.functions:
            return self.module.functions[local]
        owner, target = self.function.owner, node.func
        if owner and isinstance(target, ast.Attribute) and ast.unparse(target.value) in ("self", "cls", owner):
            return self.module.functions.get(f"{owner}.{target.attr}")
        return None

    def _follow(
        self, helper: SourceFunction, values: list[_Value], keywords: Mapping[str, _Value], node: ast.Call
    ) -> _Value:
        given = dict(zip(helper.parameters, values, strict=False)) | dict(keywords)
        if any(value.product and value.negated for value in values):
            self.evidence.event("hinge", node)
        return _Reader(helper, self.evidence, given, self.depth + 1).run()

    def _axes(self, node: ast.Call, value: _Value) -> None:
        """The axes that a reduction names say how many there are."""
        given = argument(node, "axis", 1)
        literal = self.module.literal(given) if given is not None else None
        axes = [axis for axis in (literal if isinstance(literal, tuple) else (literal,)) if isinstance(axis, int)]
        role = value.shaped or value.rank_of
        if role and axes:
            lowest = max((axis + 1 if axis >= 0 else -axis for axis in axes), default=1)
            self.evidence.at_least(role, lowest)
            if given is not None and isinstance(literal, tuple) and len(axes) >= 2:
                self.evidence.event("several axes", node)

    def _reshape(self, node: ast.Call, name: str, value: _Value) -> None:
        role = value.same
        if role is None:
            return
        if name == "squeeze":
            self.evidence.event(f"squeeze {role}", node)
        given = argument(node, "shape", 1) if name == "reshape" else None
        if given is None:
            return
        if isinstance(given, ast.Name):  # `shape = [...]` a line above
            literal = self.variables.get(given.id, _NOTHING).literal or self.module.literal(given)
        else:
            literal = self.module.literal(given)
        if not isinstance(literal, tuple):
            return
        sizes = [size for size in literal if isinstance(size, int)]
        if len(sizes) != len(literal) or not sizes:
            return
        if sizes == [-1]:
            self.evidence.event(f"flatten {role}", node)
        elif len(sizes) == 2 and sizes[0] == -1 and sizes[1] > 1:
            self.evidence.last.setdefault(role, sizes[1])
        elif len(sizes) > 2 and all(size > 0 for size in sizes[1:]):
            product = 1
            for size in sizes[1:]:
                product *= size
            self.evidence.total.setdefault(role, product)

    def _in_unit(self, node: ast.Call) -> bool:
        """Whether a clip keeps to [0, 1]: literal bounds, or an epsilon and 1 minus it."""
        low = argument(node, "clip_value_min", 1) or argument(node, "x_min", 1) or argument(node, "min_value", 1)
        high = argument(node, "clip_value_max", 2) or argument(node, "x_max", 2) or argument(node, "max_value", 2)
        if low is None or high is None:
            return False
        bottom, top = self.module.literal(low), self.module.literal(high)
        near_one = (
            isinstance(high, ast.BinOp) and isinstance(high.op, ast.Sub) and self.module.literal(high.left) in (1, 1.0)
        )
        return (near_one or (isinstance(top, int | float) and 0.9 <= top <= 1)) and not (
            isinstance(bottom, int | float) and not 0 <= bottom <= 0.1
        )

    def _shown(self, node: ast.Call) -> str:
        text = " ".join(self.function.segment(node).split())
        return text if len(text) <= 60 else ast.unparse(node.func)


def _fractional(exponent: object) -> bool:
    return isinstance(exponent, float) and not exponent.is_integer()


def _negligible(value: _Value, node: ast.AST) -> bool:
    """Whether a value is a small constant, or is made to look like one (`eps`, `K.epsilon()`)."""
    if isinstance(value.literal, int | float) and not isinstance(value.literal, bool):
        return abs(value.literal) <= _NEGLIGIBLE
    if value != _NOTHING or not isinstance(node, ast.BinOp | ast.Call):
        return False
    sides = [node.left, node.right] if isinstance(node, ast.BinOp) else node.args
    names = [ast.unparse(side).lower() for side in sides if isinstance(side, ast.Name | ast.Attribute | ast.Call)]
    return any("eps" in name.split("(")[0] or "tiny" in name.split("(")[0] for name in names)
