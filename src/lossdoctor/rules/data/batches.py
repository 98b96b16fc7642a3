"""What the rules about a batch share: finding the odd elements, and saying where they are."""

from __future__ import annotations

from typing import cast

import numpy as np

from lossdoctor.readings.model import Array, Batch, Output


def first(mask: Array) -> tuple[int, ...]:
    """The index of the first element that is set."""
    return tuple(int(part) for part in np.argwhere(mask)[0])


def at(index: tuple[int, ...]) -> str:
    """`[3, 0]`."""
    return f"[{', '.join(map(str, index))}]"


def many(count: int, noun: str) -> str:
    """`1 sample`, `3 samples`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def numeric(array: Array | None) -> Array | None:
    """The numbers of an array as float64; None where there are none."""
    if array is None or array.dtype == object:
        return None
    try:
        return cast(Array, np.asarray(array, np.float64))
    except (TypeError, ValueError):
        return None


def not_finite(array: Array | None) -> Array | None:
    """Where an array is NaN or infinite; None where it is nowhere."""
    numbers = numeric(array)
    if numbers is None:
        return None
    wrong = ~np.isfinite(numbers)
    return wrong if bool(wrong.any()) else None


def is_label(output: Output) -> bool:
    """Whether the target of an output names a class by its number."""
    if output.loss is None or output.y_true is None or output.y_pred is None or output.y_pred.ndim < 2:
        return False
    return output.loss.targets == "label" or output.loss.labels


def outside_labels(output: Output) -> Array | None:
    """Where a label is no class of the output; None where every one is, or none is a label."""
    numbers, classes = numeric(output.y_true), output.classes
    if numbers is None or classes is None or not is_label(output) or one_hot_given(output):
        return None
    wrong = np.isfinite(numbers) & ((numbers < 0) | (numbers >= classes) | (numbers != np.rint(numbers)))
    if output.loss is not None and output.loss.ignored is not None:
        wrong &= numbers != output.loss.ignored
    return wrong if bool(wrong.any()) else None


def one_hot_given(output: Output) -> bool:
    """Whether the target has the whole shape of a prediction of several classes."""
    true, predicted = output.y_true, output.y_pred
    return (
        true is not None
        and predicted is not None
        and predicted.ndim >= 2
        and predicted.shape[-1] >= 2
        and true.shape[1:] == predicted.shape[1:]
    )


def too_few_outputs(output: Output) -> bool:
    """Whether the labels are 0, 1, …, K-1 without a hole, and K is more than the output has."""
    numbers, classes = numeric(output.y_true), output.classes
    if numbers is None or classes is None or not is_label(output):
        return False
    found = np.unique(numbers[np.isfinite(numbers)])
    if not found.size or not bool((found == np.rint(found)).all()) or found[0] != 0 or found[-1] < classes:
        return False
    count = float(found[-1]) + 1
    share = float((numbers >= classes).mean())  # of a few odd labels the data are to blame
    return found.size >= 0.9 * count and share >= 0.5 * (count - classes) / count and not starts_at_one(output)


def starts_at_one(output: Output) -> bool:
    """Whether the labels run from 1 to the number of classes."""
    numbers = numeric(output.y_true)
    if numbers is None or output.classes is None:
        return False
    finite = numbers[np.isfinite(numbers)]
    return finite.size > 0 and float(finite.min()) == 1.0 and float(finite.max()) == output.classes


def named(name: str, key: str) -> str:
    """`x`, or `x['left']`."""
    return f"{name}[{key!r}]" if key else name


def target(output: Output) -> str:
    """The accused of a finding about the target of an output."""
    return f"y:{output.name}" if output.name else "y"


def row_of(batch: Batch, index: tuple[int, ...]) -> bool:
    """Whether the sample of an index is one of those that ran."""
    return bool(index) and index[0] in batch.rows
