"""`isolate` and `experiment` for Python: live losses in this process, and results that show themselves."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from lossdoctor import findings
from lossdoctor.api import _WIDTH, _html, _settings, _table
from lossdoctor.experiments import outcomes
from lossdoctor.experiments import reading as experiments


class Isolation(experiments.Isolation):
    """The result of `isolate`: `culprit` has the term, the code, the smallest input, and a script of what is left."""

    __slots__ = ()

    @classmethod
    def of(cls, found: experiments.Isolation) -> Isolation:
        """The same result, able to show itself."""
        return cls(**{field.name: getattr(found, field.name) for field in fields(found)})

    def to_json(self) -> str:
        """The result as one JSON document."""
        from lossdoctor.engine.run import versions
        from lossdoctor.report.parts.isolation import as_json

        return as_json(self, versions())

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return _html(str(self))

    def __str__(self) -> str:
        from lossdoctor.report import View
        from lossdoctor.report.parts.isolation import render

        return render(self, View(width=_WIDTH))

    def __repr__(self) -> str:
        return str(self).rstrip()


class Experiment(outcomes.Experiment):
    """The result of `experiment`: `verdict`, `findings`, `comparison` with the standard loss, and all `outcomes`."""

    __slots__ = ()

    @classmethod
    def of(cls, found: outcomes.Experiment) -> Experiment:
        """The same result, able to show itself."""
        return cls(**{field.name: getattr(found, field.name) for field in fields(found)})

    def to_json(self) -> str:
        """The result as one JSON document."""
        from lossdoctor.engine.run import versions
        from lossdoctor.report.parts.trial import as_json

        return as_json(self, versions())

    def to_pandas(self) -> Any:
        """The trainings as a table of pandas, a row a training.

        Raises:
            UsageError: pandas is not installed.
        """
        from lossdoctor.report.parts.trial import document

        return _table([{k: v for k, v in run.items() if k != "curve"} for run in document(self, {})["runs"]])

    def plot(self, path: str | Path) -> None:
        """Draw training curves, errors and predictions into a .png, .svg or .pdf file.

        Raises:
            UsageError: matplotlib is missing.
        """
        from lossdoctor.report.parts.plot_experiment import draw

        draw(self, Path(path))

    def to_html(self) -> str:
        """A page that loads nothing from elsewhere."""
        from lossdoctor.report.parts.trial import as_html

        return as_html(self)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return _html(str(self))

    def __str__(self) -> str:
        from lossdoctor.report import View
        from lossdoctor.report.parts.trial import render

        return render(self, View(width=_WIDTH))

    def __repr__(self) -> str:
        return str(self).rstrip()


def isolate(
    loss: Any,
    y_true: Any = None,
    y_pred: Any = None,
    *,
    symptom: str | None = None,
    seed: int = 0,
    magnitude: float = 1e4,
) -> Isolation:
    """Find what of a loss is to blame: the term, the line, and the smallest input and graph that still show it.

    Args:
        loss, y_true, y_pred, seed, magnitude: as for `check`. On arrays, the symptom is looked for at these.
        symptom: "no-gradient", "dead-gradient", "nonfinite-value", "nonfinite-gradient" or "wrong-sign"; the first
            that shows by default.

    Returns:
        The result: `culprit` is None where nothing shows a symptom.

    Raises:
        UsageError: `loss` is no loss, or cannot be traced, or another argument is unusable.

    Example:
        >>> isolate(total, x, predictions).culprit.term  # doctest: +SKIP
        'kl'
    """
    from lossdoctor.engine import isolate_object
    from lossdoctor.engine.isolating import SYMPTOMS

    chosen: Any = symptom if symptom in SYMPTOMS else None
    if symptom is not None and chosen is None:
        expected = ", ".join(SYMPTOMS)
        raise findings.UsageError(f"Invalid value for `symptom`. Expected one of {expected}. Received: {symptom!r}")
    return Isolation.of(isolate_object(loss, y_true, y_pred, settings=_settings(seed, magnitude), symptom=chosen))


def experiment(
    loss: Any,
    y_true: Any = None,
    y_pred: Any = None,
    *,
    thorough: bool = False,
    run_dir: str | Path | None = None,
    limit: float | None = None,
    seed: int = 0,
) -> Experiment:
    """Train small models with a loss on synthetic data whose answer is known, beside the standard loss.

    Args:
        loss, y_true, y_pred, seed: as for `check`; of arrays only shapes, dtypes and kinds are used.
        thorough: also other learning rates, optimizers, batch sizes and scales of the targets.
        run_dir: where results are kept as they come, and taken from if they are there.
        limit: seconds after which no further training begins.

    Returns:
        The result: `verdict` is "trains", "trains wrongly" or "not judged".

    Raises:
        UsageError: `loss` is no loss, or cannot be traced.

    Example:
        >>> experiment(my_loss).verdict  # doctest: +SKIP
        'trains'
    """
    from lossdoctor.engine import experiment_object

    found = experiment_object(
        loss,
        y_true,
        y_pred,
        settings=_settings(seed, 1e4),
        thorough=thorough,
        folder=None if run_dir is None else Path(run_dir),
        limit=limit,
    )
    return Experiment.of(found)
