"""Whether a loss is what its name says: a standard loss, or a known variant of it.

A variant may have another scale, offset, sign, reduction, or other parameters. Something else is told only where the
evidence is strong: the loss is exactly another standard loss, or the promised one but for one slip, or it is the
promised one for a part of the errors only.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np

from lossdoctor.findings import UsageError
from lossdoctor.formula.compare import compare
from lossdoctor.formula.evaluate import in_floats
from lossdoctor.formula.expression import Formula
from lossdoctor.formula.meaning import Declared
from lossdoctor.formula.parse import parse_formula
from lossdoctor.session import Array, Pair
from lossdoctor.spec import Spec, numpy_dtype, shape_of
from lossdoctor.standards.catalogue import Standard
from lossdoctor.standards.names import ELEMENTWISE, Promise
from lossdoctor.standards.reading import Misnamed, Relation
from lossdoctor.standards.recognise import Recogniser, constants
from lossdoctor.standards.slips import Slip, slips

_ERRORS = np.concatenate([np.linspace(-3.0, 3.0, 61), [-30.0, -10.0, -5.0, 5.0, 10.0, 30.0]])
_PART, _WHOLE = 0.2, 0.97  # shares of the curve: as much is the promised loss, and as much would be all of it
_RTOL = 1e-4
_VARIANTS = 5  # of the parameters, with which slips are tried
_FIRST = 4  # inputs that are looked at before all


def misnamed(recogniser: Recogniser, promise: Promise) -> Misnamed | None:
    """The loss against what its name promises; None where it keeps the promise or nothing can be told."""
    if len(recogniser.seen) < 8:
        return None
    family = [standard for standard in recogniser.accepted() if standard.name in promise.names]
    if not family:
        return None
    rows = recogniser.rows(family)
    if not rows or any(row.relation.kind != "different" for row in rows):
        return None
    own = {standard.name for standard in family}
    rest = [standard for standard in recogniser.accepted() if standard.name not in own]
    for standard, row in zip(rest, (recogniser.rows([standard]) for standard in rest), strict=True):
        relation = row[0].relation if row else None
        if relation is not None and relation.kind == "same" and not relation.approximate:
            return _told(recogniser, promise, recogniser.formula(family[0], {}, None), 0.0, standard)
    slipped = _slipped(recogniser, family)
    if slipped is not None:
        standard, slip = slipped
        return _told(recogniser, promise, recogniser.formula(standard, {}, None), 0.0, slip=slip.words)
    if family[0].name in ELEMENTWISE:
        best = _partly(recogniser, family)
        if best is not None:
            return _told(recogniser, promise, *best)
    return None


def _slipped(recogniser: Recogniser, family: Sequence[Standard]) -> tuple[Standard, Slip] | None:
    """The promised loss and the one slip that makes it this loss, up to a factor."""
    for standard in family:
        for parameters in ({}, *islice(standard.variants(constants(recogniser.graph)), _VARIANTS)):
            free = {**standard.defaults, **parameters}.values()
            for slip in slips(str(recogniser.formula(standard, parameters, None)), free):
                meaning = Declared(parse_formula(slip.text))
                if _proportional(recogniser, meaning) and _is(recogniser.relation(meaning)):
                    return standard, slip
    return None


def _proportional(recogniser: Recogniser, meaning: Declared) -> bool:
    """Whether a few values allow it: the rest of the comparison takes its time."""
    ratios: list[float] = []
    for pair, seen in zip(recogniser.pairs[:_FIRST], recogniser.seen[:_FIRST], strict=True):
        try:
            theirs = float(np.mean(meaning.floats(pair)))
        except UsageError:  # it does not fit the shapes
            return False
        ours = float(np.mean(seen.value))
        if not np.isfinite(theirs) or not np.isfinite(ours) or theirs == 0:
            return False
        ratios.append(ours / theirs)
    return bool(ratios) and min(ratios) > 0 and np.ptp(ratios) <= 1e-2 * max(ratios)


def _is(relation: Relation) -> bool:
    return relation.kind == "same" or (relation.kind == "scaled" and relation.scale > 0 and not relation.offset)


def _told(
    recogniser: Recogniser,
    promise: Promise,
    formula: Formula,
    share: float,
    other: Standard | None = None,
    *,
    slip: str = "",
) -> Misnamed | None:
    check = compare(
        recogniser.session,
        formula,
        recogniser.contract,
        recogniser.graph,
        None,
        recogniser.settings,
        recogniser.sizes,
        recogniser.batches,
    )
    if check.difference is None or check.difference.shapes_differ:
        return None
    return Misnamed(promise.title, promise.word, other.title if other else "", slip, str(formula), share, check)


def _partly(recogniser: Recogniser, family: Sequence[Standard]) -> tuple[Formula, float] | None:
    """The variant, with its scale, that the loss is for most errors; None where it is none for many."""
    curve = _curve(recogniser)
    if curve is None:
        return None
    pairs, ours = curve
    best: tuple[Formula, float] | None = None
    for standard in family:
        for parameters in ({}, *standard.variants(constants(recogniser.graph))):
            formula = recogniser.formula(standard, parameters, None)
            theirs = np.array([float(np.mean(in_floats(formula, pair.y_true, pair.y_pred))) for pair in pairs])
            for scale in _scales(ours, theirs):
                same = np.abs(ours - scale * theirs) <= _RTOL * (np.abs(ours) + 1e-9)
                # On both sides of zero and for more than one size, so that it is no crossing of two curves.
                share = float(np.mean(same))
                if share >= _PART and (best is None or share > best[1]):
                    text = str(formula) if scale == 1.0 else f"{scale!r}*({formula})"
                    best = (parse_formula(text), share)
    return best if best is not None and best[1] < _WHOLE else None


def _scales(ours: Array, theirs: Array) -> list[float]:
    """One, and the factor that holds most often."""
    usable = (np.abs(theirs) > 1e-9) & np.isfinite(ours)
    ratios = np.sort(ours[usable] / theirs[usable])
    if ratios.size < 8:
        return [1.0]
    near = [int(np.sum(np.abs(ratios - one) <= _RTOL * abs(one))) for one in ratios]
    mode = float(f"{ratios[int(np.argmax(near))]:.6g}")
    return list(dict.fromkeys((1.0, mode))) if mode else [1.0]


def _curve(recogniser: Recogniser) -> tuple[list[Pair], Array] | None:
    """The mean loss for one error everywhere, as a function of that error; None where it depends on more."""
    true, pred = recogniser.contract.y_true, recogniser.contract.y_pred
    if not isinstance(true, Spec) or not isinstance(pred, Spec) or true.kind != "real" or pred.kind != "real":
        return None
    sizes = {**recogniser.sizes, "B": 1 if not recogniser.batches or 1 in recogniser.batches else recogniser.batches[0]}
    shape, dtype = shape_of(pred, sizes), numpy_dtype(pred.dtype)
    found: list[tuple[list[Pair], Array]] = []
    for level in (0.0, 1.5):
        pairs = [
            Pair(np.full(shape, level, numpy_dtype(true.dtype)), np.full(shape, level + error, dtype))
            for error in _ERRORS
        ]
        results = recogniser.session.evaluate(pairs, "unoptimised")
        if any(result.raised is not None or result.value is None for result in results):
            return None
        values = np.array([float(np.mean(np.asarray(result.value, np.float64))) for result in results])
        if not np.all(np.isfinite(values)):
            return None
        found.append((pairs, values))
    (pairs, first), (_, second) = found
    return (pairs, first) if np.allclose(first, second, rtol=1e-3, atol=1e-5) else None
