"""The worker's side of `experiment`: what the terms of a loss are worth along a training."""

from __future__ import annotations

from typing import Any

import numpy as np

from lossdoctor.experiments.measure import Meter
from lossdoctor.experiments.outcomes import Own, Run, Shares
from lossdoctor.experiments.terms import terms_of
from lossdoctor.experiments.trial import Trial, pair_of
from lossdoctor.graph.frontend_tf import Live
from lossdoctor.spec import Contract

_PARTS = (0.0, 0.03, 0.1, 0.25, 0.5, 1.0)  # of the steps of a training


def probe(
    subject: Any, contract: Contract, *, live: Live | None, run: Run, own: Own | None = None, task: str = ""
) -> Shares | None:
    """The shares of the terms at some steps of a training; None for a loss of one term, or that cannot be run."""
    if live is None:
        return None
    found, route = terms_of(live, subject.loaded.name)
    if len(found.parts) < 2:
        return None
    trial = Trial(subject, contract, own, task, live)
    data = trial.task(run.seed)
    trainer = trial.trainer(run, data)
    meter = Meter(live, found, route)
    steps = sorted({round(part * run.steps) for part in _PARTS})
    values: list[tuple[float, ...]] = []
    gradients: list[tuple[float, ...]] = []
    products = np.zeros((meter.count, meter.count))
    for step in steps:
        try:
            made = trainer.train(data, run.seed, run.rate, stop=step)
            measured = meter.run(pair_of(contract, data, made.last, np.arange(trainer.batch)))
        except Exception:  # the loss is the user's
            return None
        products = measured.products
        values.append(_shared(np.abs(measured.sums)))
        gradients.append(_shared(np.sqrt(np.clip(np.diagonal(products), 0.0, None))))
    names = tuple(part.name for part in found.parts)
    return Shares(names, tuple(steps), tuple(values), tuple(gradients), _cosines(products))


def _shared(sizes: Any) -> tuple[float, ...]:
    finite = np.where(np.isfinite(sizes), sizes, 0.0)
    total = float(finite.sum())
    return tuple((finite / total if total else finite).tolist())


def _cosines(products: Any) -> tuple[tuple[float | None, ...], ...]:
    norms = np.sqrt(np.clip(np.diagonal(products), 0.0, None))
    sizes = np.outer(norms, norms)
    return tuple(
        tuple(float(np.clip(p / s, -1, 1)) if s > 0 else None for p, s in zip(row, own, strict=True))
        for row, own in zip(products, sizes, strict=True)
    )
