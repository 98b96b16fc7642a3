"""Realistic batches for the judge of the mutants of the API side, and predictions that are as good as can be.

Shares no code with lossdoctor but the parser of specs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from benchmarks.edge_grid import Array, Case, Grid, ordinary_batch

from lossdoctor.spec import Contract, Spec, leaves

NAMED, NAMED_WINDOW = 3, 16


class Inputs:
    """Batches of a contract, drawn from a seed: leaves of y_true, then of y_pred."""

    def __init__(self, contract: Contract, named: int = NAMED) -> None:
        self.named = named
        self.count = len(leaves(contract.y_true))
        self.specs: list[Spec] = [spec for part in (contract.y_true, contract.y_pred) for _, spec in leaves(part)]
        self._contract = contract
        self._grid = Grid(contract, [], [], [])

    def batch(self, size: int, seed: int = 0) -> Case:
        return tuple(ordinary_batch(self._contract, size, self.named, np.random.default_rng(100 * seed + size)))

    def pair(self, case: Any) -> tuple[Any, Any]:
        return self._grid.pair(case)

    @property
    def batched(self) -> bool:
        """Whether the batch is the first axis of every argument, and of none another."""
        return all(spec.dims[:1] == ("B",) and "B" not in spec.dims[1:] for spec in self.specs)

    def perfect(self, case: Case) -> Case | None:
        """The batch with predictions that agree with the targets, where it is plain what that means."""
        if len(self.specs) != 2:
            return None
        (target, output), (true, pred) = self.specs, case
        if target.missing:
            return None
        if true.shape != pred.shape:
            if target.kind != "label" or output.kind not in ("probability", "logit"):
                return None
            classes = pred.shape[-1]
            true_indices = true.reshape(pred.shape[:-1]).astype(int) if true.size * classes == pred.size else None
            if true_indices is None or true_indices.max(initial=0) >= classes:
                return None
            found = np.eye(classes)[true_indices]
            kind = "onehot"
        else:
            found, kind = true.astype(np.float64), target.kind
        best = _best(found, kind, output.kind)
        return None if best is None else (true, best.astype(pred.dtype))


def _best(found: Array, kind: str, output: str) -> Array | None:
    if kind in ("onehot", "probability") and output == "probability":
        return 0.999 * found + 0.001 / found.shape[-1]
    if kind in ("binary", "unit", "onehot") and output == "unit":
        return np.clip(found, 1e-3, 1.0 - 1e-3)
    if kind in ("binary", "onehot") and output == "logit":
        return (2.0 * found - 1.0) * 8.0
    if kind == "sign" and output in ("real", "logit"):
        return 4.0 * found
    return found if kind == output and kind in ("real", "positive") else None
