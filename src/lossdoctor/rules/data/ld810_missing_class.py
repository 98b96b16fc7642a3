"""LD810: a batch with one class only, or without one of few classes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.readings.model import Array, Batch, Output
from lossdoctor.rules.data.batches import is_label, numeric, one_hot_given, outside_labels, target
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD810", name="missing-class", family="data", severity="warning")
_ENOUGH = 16  # samples; of two equally frequent classes one is absent by chance once in 2^15
_EACH = 10  # samples for each class, with which an equally frequent one is absent once in e^10


@RULE.check
def missing_class(batch: Batch) -> Iterator[Suspicion]:
    for output in batch.outputs:
        counts = _counts(output)
        if counts is None or batch.size < _ENOUGH or outside_labels(output) is not None:
            continue
        absent = np.flatnonzero(counts == 0)
        if len(absent) == len(counts) - 1:
            only = int(np.flatnonzero(counts)[0])
            yield RULE.at(
                None,
                f"`{output.label}` is class {only} in all {batch.size} samples: on this batch a constant is the best "
                "answer; shuffle the data",
                evidence="witnessed",
                accused=Accused("data", target(output), rank=40),
            )
        elif len(absent) and batch.size >= _EACH * len(counts):
            names = ", ".join(str(int(number)) for number in absent[:6]) + (", …" if len(absent) > 6 else "")
            yield RULE.at(
                None,
                f"`{output.label}` never holds class {names} of {len(counts)} among {batch.size} samples",
                evidence="witnessed",
                severity="info",
                accused=Accused("data", target(output), rank=60),
            )


def _counts(output: Output) -> Array | None:
    """How often each class occurs; None where the target names no classes."""
    numbers = numeric(output.y_true)
    if numbers is None or output.loss is None or not np.isfinite(numbers).all():
        return None
    whole = numbers == np.rint(numbers)
    if is_label(output) and not one_hot_given(output) and output.classes is not None and whole.all():
        inside = numbers[(numbers >= 0) & (numbers < output.classes)]
        return np.bincount(inside.astype(int), minlength=output.classes) if inside.size else None
    binary = whole.all() and bool(((numbers == 0) | (numbers == 1)).all())
    if binary and one_hot_given(output) and bool((numbers.sum(axis=-1) == 1).all()):
        return numbers.reshape(-1, numbers.shape[-1]).sum(axis=0)
    if binary and output.loss.targets == "binary" and numbers.size == len(numbers):
        return np.bincount(numbers.astype(int).ravel(), minlength=2)
    return None
