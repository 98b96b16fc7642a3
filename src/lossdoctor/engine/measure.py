"""Values and gradients of a loss at many inputs, one number a sample where the loss is per sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lossdoctor.formula.compare import doubled_pair
from lossdoctor.probes.batches import Batches
from lossdoctor.session import Array, Evaluation, Pair, Session
from lossdoctor.spec import BATCH, Contract, Spec, sample, shape_of

_FEW = 40  # batches of a loss that couples its samples, in place of hundreds of samples
_COUPLED = 3  # samples in each


@dataclass
class Measure:
    """One loss of plain arrays (not structured), evaluated.

    Args:
        sizes: a size for each named dimension beside the batch.
        batches: what is known of batches; None where nothing is.
    """

    session: Session
    contract: Contract
    sizes: dict[str, int]
    batches: Batches | None

    @property
    def per_sample(self) -> bool:
        """One value for each sample, on the first axis."""
        known = self.batches
        return known is not None and known.relation == "per-sample" and known.axis == 0

    @property
    def one(self) -> int:
        """The smallest batch that the loss accepts."""
        works = self.batches.works if self.batches is not None else ()
        return 1 if not works or 1 in works else min(works)

    def shapes(self, batch: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes of y_true and y_pred."""
        sizes = {**self.sizes, BATCH: batch}
        assert isinstance(self.contract.y_true, Spec)
        assert isinstance(self.contract.y_pred, Spec)
        return shape_of(self.contract.y_true, sizes), shape_of(self.contract.y_pred, sizes)

    def draw(self, rng: np.random.Generator, count: int) -> list[Pair]:
        """Realistic inputs without gaps: `count` samples in one batch, or some batches of a few."""
        contract = self.contract
        assert isinstance(contract.y_true, Spec)
        assert isinstance(contract.y_pred, Spec)
        true, pred = replace(contract.y_true, missing=False), replace(contract.y_pred, missing=False)
        works = self.batches.works if self.batches is not None else ()
        usual = _COUPLED if not works or _COUPLED in works else max(works)
        turns, batch = (1, count) if self.per_sample else (min(count, _FEW), usual)
        sizes = {**self.sizes, BATCH: batch}
        return [
            Pair(
                sample(true, rng, sizes, contract.magnitude, style="realistic"),
                sample(pred, rng, sizes, contract.magnitude, style="realistic"),
            )
            for _ in range(turns)
        ]

    def evaluate(self, pairs: Sequence[Pair], *, double: bool = True) -> list[Evaluation]:
        """In float64 where the loss takes it, else as the specs say."""
        if double:
            found = self.session.evaluate([doubled_pair(self.contract, pair) for pair in pairs], "unoptimised")
            if sum(one.raised is None for one in found) * 2 >= len(found):
                return found
        return self.session.evaluate(list(pairs), "graph")

    def values(self, pairs: Sequence[Pair], *, double: bool = True) -> tuple[Array, Array]:
        """The loss and its gradient for each sample, or each batch where these are coupled.

        Returns:
            Values of shape (n,) and gradients of shape (n, m); the gradient is that of the value, flattened. Where the
            loss raised, or has no gradient, NaN.
        """
        values: list[Array] = []
        gradients: list[Array] = []
        for pair, found in zip(pairs, self.evaluate(pairs, double=double), strict=True):
            y_pred = np.asarray(pair.y_pred)
            rows = y_pred.shape[0] if self.per_sample else 1
            gradient = found.gradients[0] if len(found.gradients) == 1 else None
            if found.value is None:
                values.append(np.full(rows, np.nan))
                gradients.append(np.full((rows, y_pred.size // rows), np.nan))
                continue
            value = np.asarray(found.value, np.float64).reshape(rows, -1)
            values.append(value.mean(axis=1))
            slope = np.full((rows, y_pred.size // rows), np.nan)
            if gradient is not None:
                slope = np.asarray(gradient, np.float64).reshape(rows, -1) / value.shape[1]
            gradients.append(slope)
        return np.concatenate(values), np.concatenate(gradients)

    def along(self, points: Sequence[Pair], *, double: bool = False) -> tuple[Array, Array]:
        """Likewise for inputs of the smallest batch each, together in one batch where the loss is per sample.

        Returns:
            Values of shape (n,) and gradients of shape (n, *y_pred.shape).
        """
        shape = np.shape(points[0].y_pred)
        if self.per_sample and self.one == 1:
            y_true = np.concatenate([point.y_true for point in points])
            y_pred = np.concatenate([point.y_pred for point in points])
            values, gradients = self.values([Pair(y_true, y_pred)], double=double)
        elif self.per_sample:
            pairs = self.evaluate(points, double=double)
            values = np.array([np.nan if one.value is None else float(np.mean(one.value)) for one in pairs])
            size = [1 if one.value is None else max(np.size(one.value), 1) for one in pairs]
            gradients = np.stack(
                [
                    np.full(shape, np.nan) if one.gradients[0] is None else np.asarray(one.gradients[0], float) / count
                    for one, count in zip(pairs, size, strict=True)
                ]
            )
        else:
            values, gradients = self.values(points, double=double)
        return values, gradients.reshape(len(points), *shape)
