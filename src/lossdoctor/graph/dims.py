"""Dimensions as the IR writes them: numbers, or polynomials in the names of the spec ("B", "3*B*H", "H-1").

A dimension is solved from its value at several sizes: run a loss at distinct primes for the names and 21 and 39
for B = 7 and B = 13 can only be 3*B.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import combinations, combinations_with_replacement

from lossdoctor.graph.ir import Dim

UNKNOWN = "?"
_DEGREE = 3  # of monomials: pairwise and triplet losses make B*B and B*B*B

Terms = tuple[tuple[int, tuple[str, ...]], ...]  # coefficient, sorted names (repeated for powers)


def solve(values: Sequence[int], assignments: Sequence[Mapping[str, int]]) -> Dim:
    """The dimension that has `values[i]` when the names have the sizes `assignments[i]`.

    Tried in this order: a number, c * monomial, monomial +- number, sum of two names. "?" if none fits. At least two
    assignments are needed to tell a name from a number.
    """
    if len(values) != len(assignments) or len(values) < 2:
        raise ValueError("solve needs a value for each of at least two assignments")
    if len(set(values)) == 1:
        return values[0]
    monomials = list(_monomials(tuple(sorted(assignments[0])), tuple(tuple(sorted(a.items())) for a in assignments)))
    for names, sizes in monomials:
        coefficient, rest = divmod(values[0], sizes[0])
        if not rest and coefficient and all(v == coefficient * s for v, s in zip(values, sizes, strict=True)):
            return show(((coefficient, names),))
    for names, sizes in monomials:
        offset = values[0] - sizes[0]
        if all(v == s + offset for v, s in zip(values, sizes, strict=True)):
            return show(((1, names), (offset, ())))
    for (a, a_sizes), (b, b_sizes) in combinations([m for m in monomials if len(m[0]) == 1], 2):
        if all(v == s + t for v, s, t in zip(values, a_sizes, b_sizes, strict=True)):
            return show(((1, a), (1, b)))
    return UNKNOWN


@lru_cache(maxsize=256)
def _monomials(
    names: tuple[str, ...], assignments: tuple[tuple[tuple[str, int], ...], ...]
) -> tuple[tuple[tuple[str, ...], tuple[int, ...]], ...]:
    """Every monomial up to the degree, with its value in each assignment, low degrees first."""
    tables = [dict(items) for items in assignments]
    found: list[tuple[tuple[str, ...], tuple[int, ...]]] = []
    for degree in range(1, _DEGREE + 1):
        for chosen in combinations_with_replacement(names, degree):
            found.append((chosen, tuple(_product(table[name] for name in chosen) for table in tables)))
    return tuple(found)


def _product(factors: Iterable[int]) -> int:
    result = 1
    for factor in factors:
        result *= factor
    return result


def show(terms: Terms) -> Dim:
    """The dimension of a sum of terms; a plain number where no name is left."""
    text = ""
    for coefficient, names in terms:
        if not coefficient:
            continue
        sign = "-" if coefficient < 0 else "+" if text else ""
        size = abs(coefficient)
        factors = ([str(size)] if size != 1 or not names else []) + list(names)
        text += sign + "*".join(factors)
    if not text:
        return 0
    return int(text) if re.fullmatch(r"-?\d+", text) else text


@lru_cache(maxsize=4096)
def parse(dim: Dim) -> Terms:
    """The terms of a dimension.

    Raises ValueError for "?" and for text that is not a polynomial.
    """
    if isinstance(dim, int):
        return ((dim, ()),)
    if not re.fullmatch(r"-?\w+(\*\w+)*([+-]\w+(\*\w+)*)*", dim):
        raise ValueError(f"{dim!r} is not a dimension with a value")
    terms: list[tuple[int, tuple[str, ...]]] = []
    for sign, body in re.findall(r"([+-]?)([\w*]+)", dim):
        factors = body.split("*")
        coefficient = _product(int(f) for f in factors if f.isdigit()) * (-1 if sign == "-" else 1)
        terms.append((coefficient, tuple(sorted(f for f in factors if not f.isdigit()))))
    return tuple(terms)


def evaluate(dim: Dim, sizes: Mapping[str, int]) -> int:
    """The number that a dimension is at these sizes.

    Raises ValueError for "?" and KeyError for a name without a size.
    """
    return sum(coefficient * _product(sizes[name] for name in names) for coefficient, names in parse(dim))


def names(dim: Dim) -> frozenset[str]:
    """The names in a dimension; none for a number and for "?"."""
    if dim == UNKNOWN:
        return frozenset()
    return frozenset(name for _, factors in parse(dim) for name in factors)


def of_batch(dim: Dim) -> bool:
    """Whether a dimension grows with the batch."""
    return isinstance(dim, str) and re.search(r"\bB\b", dim) is not None


def monomial(dim: Dim) -> tuple[int, tuple[str, ...]] | None:
    """Coefficient and names if the dimension is a single term, else None."""
    if dim == UNKNOWN:
        return None
    terms = parse(dim)
    return terms[0] if len(terms) == 1 else None


def multiply(left: Dim, right: Dim) -> Dim:
    """The product of two single terms; "?" for anything else."""
    a, b = monomial(left), monomial(right)
    if a is None or b is None:
        return UNKNOWN
    return show(((a[0] * b[0], tuple(sorted(a[1] + b[1]))),))


def broadcast(*shapes: Sequence[Dim]) -> tuple[Dim, ...]:
    """The shape of an elementwise result; "?" in each axis where two different dimensions meet."""
    rank = max((len(shape) for shape in shapes), default=0)
    result: list[Dim] = []
    for axis in range(-rank, 0):
        met = dict.fromkeys(shape[axis] for shape in shapes if len(shape) >= -axis)
        met.pop(1, None)
        result.append(next(iter(met)) if len(met) == 1 else UNKNOWN if met else 1)
    return tuple(result)
