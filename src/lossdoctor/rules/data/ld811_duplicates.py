"""LD811: samples that occur more than once, with different targets above all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lossdoctor.readings.model import Array, Batch
from lossdoctor.rules.data.batches import many
from lossdoctor.rules.registry import Accused, Rule, Suspicion

RULE = Rule(code="LD811", name="duplicates", family="data", severity="warning")
_SHARE = 0.1  # of the samples; fewer happen
_CONTRADICTING = 0.2


@RULE.check
def duplicates(batch: Batch) -> Iterator[Suspicion]:
    if not all(array.dtype.kind == "f" and _fine(array) for _, array in batch.inputs) or batch.size < 8:
        return
    rows = np.concatenate([array.reshape(batch.size, -1) for _, array in batch.inputs], axis=1)
    _, first, inverse, counts = np.unique(rows, axis=0, return_index=True, return_inverse=True, return_counts=True)
    inverse = inverse.ravel()
    repeated = np.flatnonzero(counts[inverse] > 1)
    if len(counts) == 1 or len(repeated) < _SHARE * batch.size:
        return  # all alike is LD812's
    twin = int(repeated[repeated != first[inverse[repeated]]][0])
    original = int(first[inverse[twin]])
    against = _contradicting(batch, inverse)
    example = f"`x[{twin}]` is `x[{original}]` again"
    if len(against) >= _CONTRADICTING * batch.size:
        one = int(against[0])
        yield RULE.at(
            None,
            f"{many(len(against), 'sample')} of {batch.size} have a twin with another target, `x[{one}]` for one: no "
            "model can fit both",
            evidence="witnessed",
            accused=Accused("data", "x", (one,), rank=41),
        )
    else:
        yield RULE.at(
            None,
            f"{many(len(repeated), 'sample')} of {batch.size} occur more than once: {example}",
            evidence="witnessed",
            severity="info",
            accused=Accused("data", "x", (twin,), rank=61),
        )


def _fine(array: Array) -> bool:
    """Whether the numbers have fractions, so that equal rows are no accident."""
    finite = array[np.isfinite(array)]
    return finite.size > 0 and not bool((finite == np.rint(finite)).all())


def _contradicting(batch: Batch, groups: Array) -> Array:
    """Samples with a twin whose target differs."""
    differs = np.zeros(batch.size, bool)
    for output in batch.outputs:
        if output.y_true is None or output.y_true.dtype.kind not in "iub":
            continue  # targets of regression carry noise
        flat = output.y_true.reshape(batch.size, -1)
        for group in np.unique(groups):
            members = np.flatnonzero(groups == group)
            if len(members) > 1 and bool((flat[members] != flat[members[0]]).any()):
                differs[members] = True
    return np.flatnonzero(differs)
