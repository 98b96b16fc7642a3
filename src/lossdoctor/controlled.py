"""Controlled experiments for Python: `decompose`, `isolate` and `experiment`, on live losses in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lossdoctor.api import settings_of
from lossdoctor.findings import UsageError
from lossdoctor.results import Decomposition, Experiment, Isolation


def decompose(
    loss: Any,
    y_true: Any = None,
    y_pred: Any = None,
    *,
    seed: int = 0,
    magnitude: float = 1e4,
) -> Decomposition:
    """Take a loss apart: its additive terms, what each is worth, and which are silent.

    A term is what the code gives a name: a variable, a key of a table, a function.

    Args:
        loss, y_true, y_pred, seed, magnitude: as for `check`. On arrays, shares and gradients are measured on these.

    Returns:
        The decomposition: `parts` with weight, shares, gradient and formula of each term, `measures` with the cosines
        of their gradients, `findings`, and `terms`, which are losses themselves.

    Raises:
        UsageError: `loss` is no loss, or cannot be traced.

    Example:
        >>> found = decompose(vae, x, model(x))  # doctest: +SKIP
        >>> found.terms["kl"](x, model(x))  # doctest: +SKIP
        <tf.Tensor: shape=(32,), dtype=float32, …>
    """
    from lossdoctor.engine import decompose_object

    return Decomposition.with_terms(*decompose_object(loss, y_true, y_pred, settings=settings_of(seed, magnitude)))


def isolate(
    loss: Any,
    y_true: Any = None,
    y_pred: Any = None,
    *,
    symptom: str | None = None,
    formula: Any = None,
    reference: Any = None,
    run_dir: str | Path | None = None,
    seed: int = 0,
    magnitude: float = 1e4,
) -> Isolation:
    """Find what of a loss is to blame: the term, the line, and the smallest input and graph that still show it.

    Args:
        loss, y_true, y_pred, seed, magnitude: as for `check`. On arrays, the symptom is looked for at these.
        symptom: "no-gradient", "dead-gradient", "nonfinite-value", "nonfinite-gradient", "wrong-sign",
            "precision-loss", "differs" or "divergence"; the first that shows by default, the last two only if asked.
        formula, reference: what the loss should be, as for `verify`; where it differs is what is looked for.
        run_dir: of an experiment, whose trainings that went wrong are repeated with single terms.

    Returns:
        The result: `culprit` is None where nothing shows a symptom.

    Raises:
        UsageError: `loss` is no loss, or cannot be traced, or another argument is unusable.

    Example:
        >>> isolate(total, x, predictions).culprit.term  # doctest: +SKIP
        'kl'
    """
    from lossdoctor.engine import isolate_object

    wanted: Any = {"symptom": symptom, "formula": formula, "reference": reference}
    wanted["run_dir"] = None if run_dir is None else Path(run_dir)
    return Isolation.of(isolate_object(loss, y_true, y_pred, settings=settings_of(seed, magnitude), wanted=wanted))


def experiment(
    loss: Any,
    y_true: Any = None,
    y_pred: Any = None,
    *,
    thorough: bool = False,
    run_dir: str | Path | None = None,
    limit: float | None = None,
    model: Any = None,
    x: Any = None,
    y: Any = None,
    task: str = "",
    seed: int = 0,
) -> Experiment:
    """Train small models with a loss on synthetic data whose answer is known, beside the standard loss.

    Args:
        loss, y_true, y_pred, seed: as for `check`; of arrays only shapes, dtypes and kinds are used.
        thorough: also other learning rates, optimizers, batch sizes and scales of the targets.
        run_dir: where results are kept as they come, and taken from if they are there.
        limit: seconds after which no further training begins.
        model: a model of Keras, or a function without arguments that builds one, instead of our small models.
        x, y: its inputs and targets, as for `fit`; needed with `model`.
        task: the synthetic task, such as "outliers" or "survival"; what specs and loss suggest otherwise.

    Returns:
        The result: `verdict` is "trains", "trains wrongly" or "not judged".

    Raises:
        UsageError: `loss` is no loss, or cannot be traced, or model and data do not fit each other.

    Example:
        >>> experiment(my_loss).verdict  # doctest: +SKIP
        'trains'
    """
    from lossdoctor.engine import experiment_object
    from lossdoctor.experiments.outcomes import Own

    if (model is None) != (x is None or y is None):
        lacking = "model" if model is None else "x" if x is None else "y"
        raise UsageError(f"Invalid value for `{lacking}`. Expected model, x and y together. Received: None")
    if model is not None and task:
        raise UsageError(f"Invalid value for `task`. Expected none beside model, x and y. Received: {task!r}")
    found = experiment_object(
        loss,
        y_true,
        y_pred,
        settings=settings_of(seed, 1e4),
        thorough=thorough,
        folder=None if run_dir is None else Path(run_dir),
        limit=limit,
        own=None if model is None else Own(model, {"x": x, "y": y}),
        task=task,
    )
    return Experiment.of(found)
