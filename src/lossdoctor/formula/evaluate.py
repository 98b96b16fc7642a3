"""The value of a formula, and its derivatives by dual numbers, in float64 or in exact arithmetic.

One walk serves both: a number system (`Floats`, `Balls`) supplies the elementwise functions, arrays broadcast as in
NumPy. A dual number carries, beside the value, its derivatives along k directions, in an array with a leading axis
of size k.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossdoctor.findings import UsageError
from lossdoctor.formula.alignments import Sums, alignments
from lossdoctor.formula.balls import Balls, rounded, working
from lossdoctor.formula.expression import Expression, Formula
from lossdoctor.formula.floats import Floats

Array = NDArray[Any]
System = Floats | Balls
# An array, or a tuple or table of these for structured inputs.
Value = Any

_ZERO = Fraction(0)
_ONE = Fraction(1)
_BITS = (128, 512, 2048)  # rising precision; exp(1e4) needs no more than its exponent


@dataclass(frozen=True, slots=True)
class Dual:
    """A value with its derivatives; `slope` is None where it does not depend on what is varied."""

    value: Array
    slope: Array | None = None


def in_floats(formula: Formula, y_true: Value, y_pred: Value) -> Array:
    """The value in float64. NaN where float64 overflows or the formula is not defined.

    Raises:
        UsageError: the formula does not fit the shapes of the inputs.
    """
    with np.errstate(all="ignore"):
        walk = _Walk(Floats(), {"y_true": y_true, "y_pred": y_pred})
        return walk.number(walk.at(formula.root)).value


def exactly(formula: Formula, y_true: Value, y_pred: Value) -> Array:
    """The value of the real function, correctly rounded to float64 or nearly so; NaN where it is not defined.

    Raises:
        UsageError: as `in_floats`.
    """
    found: Array = np.zeros(0)
    for bits in _BITS:
        with working(bits) as system:
            walk = _Walk(system, {"y_true": y_true, "y_pred": y_pred})
            balls = walk.number(walk.at(formula.root)).value
            found, settled = rounded(balls, last=bits == _BITS[-1])
        if settled and not system.undecided:
            break
        # What is undefined stays so at any precision; one more look tells it from a lack of digits.
        if not system.undecided and bits > _BITS[0] and np.all(np.isnan(found) | np.isfinite(found)):
            break
    return found


def parts_in_floats(formula: Formula, y_true: Value, y_pred: Value) -> dict[Expression, Array]:
    """The value of every part of the formula in float64; conditions are boolean arrays."""
    with np.errstate(all="ignore"):
        walk = _Walk(Floats(), {"y_true": y_true, "y_pred": y_pred})
        walk.at(formula.root)
        return {part: dual.value for part, dual in walk.known.items() if isinstance(dual, Dual)}


def derivatives(formula: Formula, y_true: Value, y_pred: Value, along: Array) -> tuple[Array, Array]:
    """Value and derivatives along directions of y_pred (one array, not structured), in float64.

    Args:
        along: directions, of shape (k, *y_pred.shape).

    Returns:
        The value, of shape S, and the derivatives, of shape (k, *S). NaN where float64 has none.
    """
    with np.errstate(all="ignore"):
        walk = _Walk(Floats(), {"y_true": y_true, "y_pred": y_pred}, along.astype(np.float64))
        found = walk.number(walk.at(formula.root))
    if found.slope is None:
        return found.value, np.zeros((len(along), *found.value.shape))
    return found.value, found.slope


class _Walk:
    """One evaluation. `known` keeps every part that was computed."""

    def __init__(self, system: System, inputs: Mapping[str, Value], along: Array | None = None) -> None:
        self.system = system
        self.inputs = inputs
        self.along = along
        self.known: dict[Expression, Any] = {}

    def at(self, part: Expression) -> Any:
        if part not in self.known:
            try:
                self.known[part] = self._compute(part)
            except (ValueError, IndexError, KeyError, TypeError) as problem:
                if isinstance(problem, UsageError):
                    raise
                shapes = ", ".join(_shape_text(self.known.get(arg)) for arg in part.args)
                raise UsageError(
                    f"Invalid value for `formula`. Expected a formula that fits the shapes of the specs. Received: "
                    f"`{part.text}` of {shapes or 'nothing'} (column {part.column}: {problem})"
                ) from None
        return self.known[part]

    def number(self, dual: Any) -> Dual:
        """A condition counts as 0 and 1."""
        if not isinstance(dual, Dual):
            raise TypeError("a structured input has to be indexed")
        if dual.value.dtype == bool:
            return Dual(self.system.array(dual.value))
        return dual

    def _compute(self, part: Expression) -> Any:
        if part.op == "number":
            assert part.number is not None
            return Dual(self.system.number(part.number.value, part.number.name))
        if part.op == "input":
            return self._input(part.role)
        if part.op == "index":
            return self._index(self.at(part.args[0]), part)
        given = [self.at(arg) for arg in part.args]
        if part.op == "where":
            return self._where(given[0], self.number(given[1]), self.number(given[2]))
        args = [self.number(dual) for dual in given]
        function = getattr(self, f"_{part.op}", None)
        if part.op in ("sum", "mean", "max", "min", "logsumexp", "softmax", "log_softmax"):
            assert function is not None
            return function(args[0], self._axes(part, args[0].value), part.keepdims)
        if part.op == "one_hot":
            return self._one_hot(args[0], part.size)
        if function is not None:
            return function(*args)
        return self._unary(part.op, args[0])

    # ---- inputs and indexing -------------------------------------------------------------------------------

    def _input(self, role: str) -> Any:
        return self._wrapped(self.inputs[role], self.along if role == "y_pred" else None)

    def _wrapped(self, value: Value, along: Array | None) -> Any:
        if isinstance(value, Mapping):
            return {key: self._wrapped(part, None) for key, part in value.items()}
        if isinstance(value, tuple | list):
            return tuple(self._wrapped(part, None) for part in value)
        return Dual(self.system.array(np.asarray(value)), along)

    def _index(self, given: Any, part: Expression) -> Any:
        if isinstance(given, Dual):
            if any(isinstance(one, str) for one in part.index):
                raise KeyError("the input is one array, not a table")
            index: Any = part.index
            value = given.value[index]
            if not isinstance(value, np.ndarray):
                boxed = np.empty((), dtype=given.value.dtype)
                boxed[()] = value
                value = boxed
            return Dual(value, None if given.slope is None else np.asarray(given.slope[(slice(None), *index)]))
        if len(part.index) != 1:
            raise KeyError("a structured input is indexed by one key")
        return given[part.index[0]]

    def _axes(self, part: Expression, value: Array) -> tuple[int, ...]:
        """The axes as positive numbers."""
        if part.axis is None:
            return tuple(range(value.ndim))
        axes = tuple(axis + value.ndim if axis < 0 else axis for axis in part.axis)
        if any(not 0 <= axis < value.ndim for axis in axes):
            raise ValueError(f"axis {part.axis} of an array with {value.ndim} axes")
        if len(set(axes)) < len(axes):
            raise ValueError("an axis named twice")
        return axes

    # ---- two arguments ---------------------------------------------------------------------------------------

    def _add(self, a: Dual, b: Dual) -> Dual:
        value = _full(a.value + b.value)
        return Dual(value, _sum(_spread(a.slope, value), _spread(b.slope, value)))

    def _subtract(self, a: Dual, b: Dual) -> Dual:
        return self._add(a, self._negative(b))

    def _negative(self, a: Dual) -> Dual:
        return Dual(_full(-a.value), None if a.slope is None else -a.slope)

    def _multiply(self, a: Dual, b: Dual) -> Dual:
        value = _full(a.value * b.value)
        return Dual(value, _sum(_times(_spread(a.slope, value), b.value), _times(_spread(b.slope, value), a.value)))

    def _divide(self, a: Dual, b: Dual) -> Dual:
        value = _full(a.value / b.value)
        left = _times(_spread(a.slope, value), 1 / b.value)
        right = _times(_spread(b.slope, value), -value / b.value)
        return Dual(value, _sum(left, right))

    def _power(self, a: Dual, b: Dual) -> Dual:
        value = self.system.power(a.value, b.value)
        left = right = None
        if a.slope is not None:
            left = _times(_spread(a.slope, value), b.value * self.system.power(a.value, b.value - 1))
        if b.slope is not None:
            right = _times(_spread(b.slope, value), value * self.system.log(a.value))
        return Dual(value, _sum(left, right))

    def _maximum(self, a: Dual, b: Dual) -> Dual:
        return self._larger(self.system.maximum(a.value, b.value), a, b, self.system.less(b.value, a.value))

    def _minimum(self, a: Dual, b: Dual) -> Dual:
        return self._larger(self.system.minimum(a.value, b.value), a, b, self.system.less(a.value, b.value))

    def _larger(self, value: Array, a: Dual, b: Dual, first: Array) -> Dual:
        if a.slope is None and b.slope is None:
            return Dual(value)
        return Dual(value, self._chosen(first, value, a, b))

    def _clip(self, x: Dual, low: Dual, high: Dual) -> Dual:
        return self._minimum(self._maximum(x, low), high)

    def _where(self, condition: Any, a: Dual, b: Dual) -> Dual:
        held = condition.value
        truth = held if held.dtype == bool else ~self.system.equal(held, self.system.number(_ZERO))
        value = _full(np.where(truth, a.value, b.value))
        return Dual(value, None if a.slope is None and b.slope is None else self._chosen(truth, value, a, b))

    def _chosen(self, first: Array, value: Array, a: Dual, b: Dual) -> Array:
        zero = self.system.array(np.zeros(()))
        sides = [zero if dual.slope is None else _spread(dual.slope, value) for dual in (a, b)]
        return np.where(np.broadcast_to(first, value.shape), *sides)

    def _less(self, a: Dual, b: Dual) -> Dual:
        return Dual(self.system.less(a.value, b.value))

    def _less_equal(self, a: Dual, b: Dual) -> Dual:
        return Dual(self.system.less_equal(a.value, b.value))

    def _greater(self, a: Dual, b: Dual) -> Dual:
        return Dual(self.system.less(b.value, a.value))

    def _greater_equal(self, a: Dual, b: Dual) -> Dual:
        return Dual(self.system.less_equal(b.value, a.value))

    def _equal(self, a: Dual, b: Dual) -> Dual:
        return Dual(self.system.equal(a.value, b.value))

    def _not_equal(self, a: Dual, b: Dual) -> Dual:
        return Dual(~self.system.equal(a.value, b.value))

    def _both(self, a: Dual, b: Dual) -> Dual:
        one = self.system.number(_ONE)
        return Dual(self.system.equal(a.value, one) & self.system.equal(b.value, one))

    # ---- one argument ----------------------------------------------------------------------------------------

    def _unary(self, name: str, x: Dual) -> Dual:
        s = self.system
        value = _full(x.value * x.value) if name == "square" else getattr(s, name)(x.value)
        if x.slope is None:
            return Dual(value)
        at = x.value
        match name:
            case "abs":
                rate = s.sign(at)
            case "sign":
                rate = at * 0
            case "exp":
                rate = value
            case "expm1":
                rate = value + 1
            case "log":
                rate = 1 / at
            case "log1p":
                rate = 1 / (1 + at)
            case "sqrt":
                rate = 1 / (2 * value)
            case "square":
                rate = 2 * at
            case "sigmoid":
                rate = value * s.sigmoid(-at)
            case "softplus":
                rate = s.sigmoid(at)
            case "tanh":
                rate = 1 - value * value
            case "cos":
                rate = -s.sin(at)
            case "arccos":
                rate = -1 / s.sqrt(1 - at * at)
            case "erf":
                rate = s.exp(-at * at) * 2 / s.sqrt(s.number(_ZERO, "pi"))
            case "lgamma":
                rate = s.digamma(at)
            case _:
                raise AssertionError(name)
        return Dual(value, _times(x.slope, _full(rate)))

    def _one_hot(self, x: Dual, size: int) -> Dual:
        classes = self.system.array(np.arange(size))
        return Dual(self.system.equal(x.value[..., None], classes))

    def _diagonal(self, x: Dual) -> Dual:
        """1 on the diagonal of the last two axes, 0 elsewhere."""
        return Dual(self.system.array(np.broadcast_to(np.eye(*x.value.shape[-2:]), x.value.shape)))

    def _ctc(self, labels: Dual, scores: Dual, lengths: Dual, rows: Dual, blank: Dual) -> Dual:
        """Minus the logarithm of the sum over all alignments; see `alignments`."""
        if scores.value.ndim != 3 or labels.value.ndim != 2 or len(labels.value) != len(scores.value):
            raise ValueError("labels of shape (B, L) and scores of shape (B, T, C) wanted")
        batch = len(scores.value)
        shares = self._log_softmax(scores, (2,), False)
        known = Sums(shares.value, shares.slope, np.ones(shares.value.shape, bool))
        counts = [np.broadcast_to(_integers(one.value), (batch,)) for one in (lengths, rows)]
        place = int(_integers(blank.value)) % scores.value.shape[-1]
        return Dual(*alignments(self.system, known, _integers(labels.value), counts[0], counts[1], place))

    # ---- along axes ------------------------------------------------------------------------------------------

    def _sum(self, x: Dual, axes: tuple[int, ...], keepdims: bool) -> Dual:
        slope = None if x.slope is None else _total(x.slope, _later(axes), keepdims)
        return Dual(_total(x.value, axes, keepdims), slope)

    def _mean(self, x: Dual, axes: tuple[int, ...], keepdims: bool) -> Dual:
        count = int(np.prod([x.value.shape[axis] for axis in axes])) if axes else 1
        found = self._sum(x, axes, keepdims)
        return Dual(_full(found.value / count), None if found.slope is None else found.slope / count)

    def _max(self, x: Dual, axes: tuple[int, ...], keepdims: bool) -> Dual:
        return self._extreme(x, axes, keepdims, self.system.maximum)

    def _min(self, x: Dual, axes: tuple[int, ...], keepdims: bool) -> Dual:
        return self._extreme(x, axes, keepdims, self.system.minimum)

    def _extreme(self, x: Dual, axes: tuple[int, ...], keepdims: bool, larger: Any) -> Dual:
        moved = np.moveaxis(x.value, axes, range(-len(axes), 0)) if axes else x.value[..., None]
        flat = moved.reshape(*moved.shape[: x.value.ndim - len(axes)], -1)
        best = flat[..., 0]
        if not isinstance(best, np.ndarray):
            best = np.asarray(best, dtype=flat.dtype)
        for place in range(1, flat.shape[-1]):
            best = larger(best, _full(flat[..., place]))
        kept = best.reshape(tuple(1 if axis in axes else size for axis, size in enumerate(x.value.shape)))
        slope = None
        if x.slope is not None:
            # Ties share the derivative, as in TensorFlow.
            hit = self.system.array(self.system.equal(x.value, kept))
            share = hit / _total(hit, axes, True)
            slope = _total(_times(x.slope, share), _later(axes), keepdims)
        return Dual(kept if keepdims else best, slope)

    def _logsumexp(self, x: Dual, axes: tuple[int, ...], keepdims: bool) -> Dual:
        kept = self.system.logsumexp(x.value, axes)
        slope = None
        if x.slope is not None:
            slope = _total(_times(x.slope, self.system.exp(x.value - kept)), _later(axes), keepdims)
        value = kept if keepdims else kept.reshape(_total(kept, axes, False).shape)
        return Dual(value, slope)

    def _log_softmax(self, x: Dual, axes: tuple[int, ...], keepdims: bool) -> Dual:
        return self._subtract(x, self._logsumexp(x, axes, True))

    def _softmax(self, x: Dual, axes: tuple[int, ...], keepdims: bool) -> Dual:
        found = self._log_softmax(x, axes, keepdims)
        return self._unary("exp", found)


def _full(result: Any) -> Array:
    """Arithmetic of arrays without axes gives bare numbers; back to an array."""
    if isinstance(result, np.ndarray):
        return result
    made = np.empty((), dtype=np.float64 if isinstance(result, float | np.floating) else object)
    made[()] = result
    return made


def _integers(x: Array) -> Array:
    """As integers, of numbers that are."""
    numbers = np.asarray(x, np.float64)
    if not np.all(numbers == np.round(numbers)):
        raise ValueError("whole numbers wanted for labels, lengths and the blank")
    return numbers.astype(np.int64)


def _total(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    return _full(np.sum(x, axis=axes, keepdims=keepdims))


def _later(axes: Sequence[int]) -> tuple[int, ...]:
    """The same axes behind the leading one of the directions."""
    return tuple(axis + 1 for axis in axes)


def _spread(slope: Array | None, value: Array) -> Any:
    """Derivatives of an argument, broadcast as the argument is."""
    if slope is None:
        return None
    count, *shape = slope.shape
    aligned = slope.reshape(count, *(1,) * (value.ndim - len(shape)), *shape)
    return np.broadcast_to(aligned, (count, *value.shape))


def _times(slope: Any, rate: Array) -> Any:
    """None stays None: it does not depend on what is varied."""
    return None if slope is None else slope * rate


def _sum(a: Array | None, b: Array | None) -> Array | None:
    return b if a is None else a if b is None else a + b


def _shape_text(dual: Any) -> str:
    return f"shape {dual.value.shape}" if isinstance(dual, Dual) else "a structured input"
