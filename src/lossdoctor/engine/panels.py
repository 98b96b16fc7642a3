"""A loss along its natural slices, beside the losses that are nearest to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lossdoctor.engine.measure import Measure
from lossdoctor.engine.slices import Slice, measured, slices
from lossdoctor.findings import UsageError
from lossdoctor.formula.meaning import Meaning
from lossdoctor.session import Array, Pair, SessionError
from lossdoctor.spec import Spec, numpy_dtype
from lossdoctor.standards.reading import Beside, Panel, Row
from lossdoctor.standards.recognise import Recogniser

NEAREST = 3  # standard losses that are drawn
_LEAST = 0.5  # cosine of the gradients from which a loss is worth drawing


def panels(measure: Measure, names: tuple[str, str], others: Sequence[tuple[str, Meaning]]) -> tuple[Panel, ...]:
    """A panel for each natural slice; () where the specs suggest none.

    Args:
        names: of y_true and y_pred in the code.
        others: the losses beside it, by the names that the legend shows.
    """
    return tuple(Panel(measured(measure, one), tuple(_beside(measure, one, others))) for one in slices(measure, names))


def nearest(recogniser: Recogniser, rows: Sequence[Row]) -> list[tuple[str, Meaning]]:
    """The standard losses to draw: the best row, and others that are near or whose gradients point alike."""
    drawn: list[tuple[str, Meaning]] = []
    for number, row in enumerate(rows[:NEAREST]):
        cosine = row.relation.gradient_cosine
        if number == 0 or row.relation.kind != "different" or (np.isfinite(cosine) and cosine >= _LEAST):
            drawn.append((row.code, recogniser.meaning(row)))
    return drawn


def _beside(measure: Measure, one: Slice, others: Sequence[tuple[str, Meaning]]) -> Iterator[Beside]:
    pred = measure.contract.y_pred
    assert isinstance(pred, Spec)
    points = one.points(numpy_dtype(pred.dtype))
    for name, meaning in others:
        try:
            meaning.prepare(points)
            found = [_at(meaning, point, one.along[None]) for point in points]
        except (UsageError, SessionError):  # it does not take the shapes of the slice
            continue
        value, slope = np.array(found).T
        yield Beside(name, value, slope)


def _at(meaning: Meaning, point: Pair, along: Array) -> tuple[float, float]:
    """The mean of the value, and its derivative."""
    with np.errstate(all="ignore"):
        value, slopes = meaning.slopes(point, along)
        return float(np.mean(value)), float(slopes[0]) / max(np.size(value), 1)
