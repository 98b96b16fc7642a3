"""The loss of the best prediction that is the same for every sample: what a fresh model should start near."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lossdoctor.readings.model import Array, TermRun
from lossdoctor.trials.losses import weighted

if TYPE_CHECKING:
    from lossdoctor.trials.experiments import Program


def with_constants(program: Program, terms: Sequence[TermRun]) -> Iterator[TermRun]:
    """The terms, each with the loss of the best constant prediction where one could be had."""
    import tensorflow as tf

    rows = list(program.given.rows)
    for term in terms:
        true = None if term.added else program.target(term.name)
        if true is None or term.value is None or true.dtype == object:
            yield term
            continue
        prediction = np.asarray(program.predictions[term.name])
        best: tuple[float, str] | None = None
        for constant, what in _candidates(true[rows], prediction, program.activations.get(term.name, "")):
            try:
                guess = np.broadcast_to(constant, prediction.shape).astype(np.float32)
                value = float(weighted(program.losses[term.name], tf.constant(true[rows]), tf.constant(guess), None))
            except Exception:
                continue
            if np.isfinite(value) and (best is None or value < best[0]):
                best = (value, what)
        yield term if best is None else replace(term, constant=best[0], constant_what=best[1])


def _candidates(true: Array, prediction: Array, activation: str) -> Iterator[tuple[Array, str]]:
    numbers = true.astype(np.float64)
    numbers = np.where(np.isfinite(numbers), numbers, np.nan)
    if np.isnan(numbers).all():
        return
    classes = prediction.shape[-1] if prediction.ndim >= 2 else 1
    logits = activation not in ("softmax", "sigmoid")
    if numbers.shape in (prediction.shape[:-1], (*prediction.shape[:-1], 1)) and classes >= 2:
        labels = numbers[np.isfinite(numbers)]
        labels = labels[(labels >= 0) & (labels < classes)].astype(int)
        if labels.size:
            shares = np.bincount(labels, minlength=classes) / labels.size
            yield _scores(shares, logits), "the share of each class"
        return
    if numbers.size == prediction.size:
        means: Any = np.nanmean(numbers.reshape(prediction.shape), axis=0)
        inside = bool(np.nanmin(numbers) >= 0 and np.nanmax(numbers) <= 1)
        if activation == "softmax" and inside:
            yield means, "the mean of y"
        elif inside:
            yield means, "the mean of y"
            if logits:
                clipped = np.clip(means, 1e-6, 1 - 1e-6)
                yield np.log(clipped / (1 - clipped)), "the mean of y, as a logit"
        else:
            yield means, "the mean of y"
            yield np.nanmedian(numbers.reshape(prediction.shape), axis=0), "the median of y"


def _scores(shares: Array, logits: bool) -> Array:
    return np.log(np.maximum(shares, 1e-6)) if logits else shares
