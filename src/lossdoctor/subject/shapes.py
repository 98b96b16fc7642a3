"""Dims for the arguments of a loss, from what its code shows of ranks and sizes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from lossdoctor.source.hints import Evidence
from lossdoctor.source.names import Argument, words
from lossdoctor.spec.model import BATCH, Kind, Spec

Dims = tuple[int | str, ...]

CLASSES = 4  # where the code does not say how many
PIXELS = 8  # height and width of an image, where the code does not ask for more
WINDOW = 32  # … and with image operations: SSIM looks at windows of 11 pixels, four times halved it needs more
STEPS = 6  # length of a sequence
_IMAGES = frozenset({"pixel", "pixels", "pixelwise", "segmentation", "unet"})
_PAIRS = frozenset({"contrastive", "siamese"})


def fixes_shape(evidence: Evidence) -> bool:
    """Whether the code says anything about ranks or sizes."""
    deep = any(rank > 2 for rank in evidence.rank.values())
    return bool(deep or evidence.last or evidence.total or evidence.image or evidence.sizes)


def pred_dims(evidence: Evidence, kind: str, other: str, classes: int | None, name: str) -> Dims:
    """Dims of y_pred, with small sizes where nothing fixes them.

    Args:
        evidence: what the code shows.
        kind: the kind of y_pred.
        other: the kind of y_true.
        classes: the number of classes, if y_true is a label.
        name: of the loss.
    """
    if "y_pred" in evidence.total:
        return (BATCH, evidence.total["y_pred"])
    elementwise = other != "label"
    rank = max(evidence.rank.get("y_pred", 1), evidence.rank.get("y_true", 1) if elementwise else 1)
    exact = evidence.last.get("y_pred") or (evidence.last.get("y_true") if elementwise else None)
    along_classes = kind == "probability" or other in ("onehot", "label") or "classes" in evidence.events
    if evidence.image is not None:
        return (BATCH, WINDOW, WINDOW, exact or (3 if kind in ("unit", "real") else 1))
    if exact is None:
        least = max(_least(evidence, -1), _least(evidence, rank - 1) if rank > 1 else 0)
        if along_classes:
            exact = classes or CLASSES
        elif rank <= 2 and other == "binary" and (_PAIRS & set(words(name)) or "squeeze y_pred" in evidence.events):
            exact = 1
        if least > 1:
            exact = max(exact or 1, least)
    if rank <= 2 and other == "label" and "reduced y_true" in evidence.events:
        return (BATCH, STEPS, exact or CLASSES)  # one label for each step of a sequence
    if rank <= 2 and along_classes and _IMAGES & set(words(name)):
        return (BATCH, PIXELS, PIXELS, exact or CLASSES)
    if rank == 3 and "several axes" in evidence.events and not along_classes:
        return (BATCH, PIXELS, PIXELS, exact or 1)  # summed over two spatial axes
    if rank >= 4:
        middle = [max(_least(evidence, axis), PIXELS) for axis in range(1, rank - 1)]
        return (BATCH, *middle, exact or (1 if other == "binary" else 3))
    if rank == 3:
        return (BATCH, max(_least(evidence, 1), 2) if _least(evidence, 1) else STEPS, exact or CLASSES)
    return (BATCH, exact or CLASSES)


def true_specs(
    evidence: Evidence, kind: str, classes: int | None, pred: Spec, dims: Dims | None, missing: bool
) -> Iterator[Spec]:
    """The spec of y_true with its variants, the most natural first."""
    if kind == "label":
        yield from _labels(evidence, classes, pred, dims)
        return
    own = dims or _like(evidence, pred.dims)
    if dims is None and len(own) > 2 and kind in ("binary", "sign") and "flatten y_true" in evidence.events:
        own = (BATCH, 1)  # one label for each sample
    if kind in ("onehot", "probability") and len(own) < 2:
        own = pred.dims
    for shape in dict.fromkeys((own, pred.dims)):
        yield Spec("float32", shape, cast(Kind, kind), None, missing)


def _labels(evidence: Evidence, classes: int | None, pred: Spec, dims: Dims | None) -> Iterator[Spec]:
    last = pred.dims[-1] if len(pred.dims) > 1 else None
    count = classes or (last if isinstance(last, int) and last > 1 else CLASSES)
    without = pred.dims[:-1] if len(pred.dims) > 1 else pred.dims
    # Keras makes a column of labels; a loss that flattens or squeezes them expects it.
    flattened = any(f"{how} y_true" in evidence.events for how in ("squeeze", "flatten"))
    shapes = [without, (*without, 1)]
    if flattened or evidence.rank.get("y_true", 1) > len(without):
        shapes.reverse()
    for dtype in ("int32", "float32"):
        for shape in [dims] if dims else shapes:
            yield Spec(dtype, shape, "label", count)


def _like(evidence: Evidence, other: Dims) -> Dims:
    """The dims of y_pred, unless the code fixes sizes of y_true's own."""
    last, rank = evidence.last.get("y_true"), evidence.rank.get("y_true", 1)
    columns = evidence.width.get("y_true")
    if columns is not None and rank <= len(other):
        return (*other[:-1], columns) if columns else other[:-1]
    if rank > len(other):
        return (BATCH, *([PIXELS] * (rank - 2)), last or 1)
    if len(other) < 2:
        return other
    least = max(_least(evidence, -1, "y_true"), _least(evidence, len(other) - 1, "y_true"))
    if last or (isinstance(other[-1], int) and least > other[-1]):
        return (*other[:-1], last or least)
    return other


def _least(evidence: Evidence, axis: int, role: Argument | None = None) -> int:
    """The least size of an axis that indices ask for; 0 if they ask for none."""
    wanted = [size for (name, place), size in evidence.sizes.items() if place == axis and role in (None, name)]
    return max(wanted, default=0)
