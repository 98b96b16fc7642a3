"""From the words of the domain to those of the grammar alone, so that the formula can be parsed and evaluated."""

from __future__ import annotations

from collections.abc import Mapping

from lossdoctor.formula.expression import Expression, IndexPart
from lossdoctor.symbols.algebra import Algebra

_WIDEST = 512  # elements along an axis up to which a diagonal or an array is written out


class Outside(Exception):
    """A part has no words in the grammar; `names` are those of its functions."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(", ".join(names))
        self.names = names


def lower(algebra: Algebra, root: Expression, sizes: Mapping[str, Expression] | None = None) -> Expression:
    """The same function in the grammar only; equal parts stay one object.

    Args:
        sizes: an expression for each name of a dimension, see `sizes_in`.

    Raises:
        Outside: something is not in the grammar.
    """
    made: dict[Expression, Expression] = {}

    def visit(part: Expression) -> Expression:
        if part not in made:
            made[part] = _lowered(part, [visit(arg) for arg in part.args] if part.op != "matmul" else [])
        return made[part]

    def _lowered(part: Expression, args: list[Expression]) -> Expression:
        a = algebra
        match part.op:
            case "not":
                return a.raw("subtract", (a.number(1), args[0]))
            case "and":
                return a.raw("multiply", args)
            case "or":
                return a.raw("maximum", args)
            case "all" | "any":
                name = "min" if part.op == "all" else "max"
                inside = args[0]
                if a.is_truth(inside):
                    inside = a.raw("where", (inside, a.number(1), a.number(0)))
                return a.raw(name, (inside,), a.shapes[part], axis=part.axis, keepdims=part.keepdims)
            case "size":
                if sizes is None or part.text not in sizes:
                    raise Outside((f"size {part.text}",))
                return sizes[part.text]
            case "matmul":
                return _product(part)
            case "array":
                return _written_out(a, part)
            case "diagonal":
                return _identity(a, part, sizes or {})
            case "number" if part.number is not None and part.number.name in ("inf", "-inf", "nan"):
                raise Outside((part.number.name,))
            case "call" | "reshape" | "transpose":
                raise Outside((part.text or part.op,))
            case _:
                if not args or all(x is y for x, y in zip(args, part.args, strict=True)):
                    return part
                return a.raw(
                    part.op,
                    args,
                    a.shapes[part],
                    index=part.index,
                    axis=part.axis,
                    keepdims=part.keepdims,
                    size=part.size,
                )

    def _product(part: Expression) -> Expression:
        """A product of matrices as the sum of its products of elements, the common axis last or in the middle."""
        shape = algebra.shapes[part]
        left, right = part.args
        if any(len(algebra.shapes[x]) != len(shape) for x in part.args) or left.op == "transpose":
            raise Outside(("matmul",))

        def spread(x: Expression, *index: IndexPart) -> Expression:
            whole = (*[slice(None)] * (len(shape) - 2), *index)
            return algebra.raw("index", (visit(x),), (*algebra.shapes[x], 1), index=whole)

        rows, columns, common = slice(None), slice(None), slice(None)
        if right.op == "transpose":
            factors = spread(left, rows, None, common), spread(right.args[0], None, columns, common)
            axis = (-1,)
        else:
            factors = spread(left, rows, common, None), spread(right, None, common, columns)
            axis = (-2,)
        return algebra.raw("sum", (algebra.raw("multiply", factors, (*shape, 1)),), shape, axis=axis)

    return visit(root)


def _written_out(a: Algebra, part: Expression) -> Expression:
    """[a, b] as a*one_hot(0, 2) + b*one_hot(1, 2)."""
    count = len(part.args)
    if count > _WIDEST:
        raise Outside(("array",))
    made: Expression | None = None
    for place, number in enumerate(part.args):
        hot = a.raw("one_hot", (a.number(place),), (count,), size=count)
        term = a.raw("multiply", (number, hot))
        made = term if made is None else a.raw("add", (made, term))
    assert made is not None
    return made


def _identity(a: Algebra, part: Expression, sizes: Mapping[str, Expression]) -> Expression:
    """The identity matrix, as the diagonal of a table of ones."""
    if part.text not in sizes:
        raise Outside(("diagonal",))
    ones = sizes[part.text].args[0]
    (dim,) = a.shapes[ones]
    column = a.raw("index", (ones,), (dim, 1), index=(slice(None), None))
    row = a.raw("index", (ones,), (1, dim), index=(None, slice(None)))
    return a.raw("diagonal", (a.raw("multiply", (column, row)),))


def sizes_in(algebra: Algebra, inputs: list[Expression]) -> dict[str, Expression]:
    """Each named dimension as the sum of ones along its axis of an input."""
    found: dict[str, Expression] = {}
    for x in inputs:
        shape = algebra.shapes[x]
        for place, dim in enumerate(shape):
            if isinstance(dim, str) and dim.isidentifier() and dim not in found:
                index: list[IndexPart] = [slice(None) if k == place else 0 for k in range(len(shape))]
                line = x if len(shape) == 1 else algebra.raw("index", (x,), (dim,), index=tuple(index))
                ones = algebra.raw("add", (algebra.raw("multiply", (algebra.number(0), line)), algebra.number(1)))
                found[dim] = algebra.raw("sum", (ones,), ())
    return found
