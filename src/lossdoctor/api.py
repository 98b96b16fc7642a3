"""The verbs for Python: live losses, models and training steps in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from lossdoctor import findings
from lossdoctor.results import Comparison, Explanation, Report, Trace

if TYPE_CHECKING:
    from pathlib import Path

    from lossdoctor.findings import Sample
    from lossdoctor.runtime.replayed import Replayed
    from lossdoctor.session import Settings


def check(
    loss: Any,
    y_true: Any = None,
    y_pred: Any = None,
    *,
    x: Any = None,
    y: Any = None,
    sample_weight: Any = None,
    seed: int = 0,
    magnitude: float = 1e4,
    dtype: str | None = None,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
) -> Report:
    """Say what is wrong with a loss, on which line, with an input that proves it.

    The loss runs in this process, without limits on time and memory; `lossdoctor check` examines losses of files
    in processes of their own, where it tries mends as well. What the examination changes in TensorFlow, Keras and
    NumPy (seeds, settings) is put back.

    Args:
        loss: a function of (y_true, y_pred), a `keras.losses.Loss` instance or class or the name of one of Keras, or a
            compiled Keras model, whose loss it is then, or whose `compute_loss`. Of a model with several losses, or a
            list or table of losses, each is examined; y_true and y_pred are then lists or tables with an entry for
            each.
        y_true: what the loss is given: an array or tensor with the batch as first axis, or a spec such as
            "float32[B,4] real"; a tuple or table of these for structured inputs. Without it, the decorator
            `contract` counts, else what the code of the loss suggests.
        y_pred: likewise; either both or neither, both arrays or both specs.
        x: the inputs of a compiled model, as `fit` takes them; then the model runs on this batch, and the report
            begins with whose fault it is: loss, data, model or optimisation. A data set or generator of (x, y) may
            stand for both; its first batch counts.
        y, sample_weight: the targets and weights of the batch, as `fit` takes them.
        seed: of every random draw, at least 0.
        magnitude: largest magnitude of real values, above 1; larger values in the arrays widen it.
        dtype: "float16" or "bfloat16": examine the loss with y_true and y_pred in this dtype as well, for what only
            half precision spoils.
        select: only these rules: codes, beginnings of codes, names, families.
        ignore: not these rules.

    Returns:
        The report. A loss that could not be examined is in its `errors`.

    Raises:
        UsageError: `loss` is no loss, or another argument is unusable.

    Example:
        >>> report = check(my_loss, y_true=batch_y, y_pred=model(batch_x))  # doctest: +SKIP
        >>> report.findings[0].message  # doctest: +SKIP
        '`ops.log(y_pred)` receives [0, 1]; log(0) is -inf'
    """
    from lossdoctor.cli.selection import codes
    from lossdoctor.engine import check_object
    from lossdoctor.session import Settings

    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise findings.UsageError(f"Invalid value for `seed`. Expected an integer of at least 0. Received: {seed!r}")
    if dtype not in (None, "float16", "bfloat16"):
        raise findings.UsageError(f"Invalid value for `dtype`. Expected float16 or bfloat16. Received: {dtype!r}")
    settings = Settings(
        seed=seed,
        magnitude=magnitude,
        dtype=dtype,
        select=codes(_listed(select), "select"),
        ignore=codes(_listed(ignore), "ignore"),
    )
    if x is None and y is None and sample_weight is None:
        return Report.of(check_object(loss, y_true, y_pred, settings=settings))
    from lossdoctor.engine.models import check_model
    from lossdoctor.subject.kinds import is_model

    if y_true is not None or y_pred is not None or x is None:
        raise findings.UsageError(
            "Invalid value for `x`. Expected x and y for a model, or y_true and y_pred for a loss. Received: "
            + ("y without x" if x is None else "some of both")
        )
    if not is_model(loss):
        raise findings.UsageError(
            f"Invalid value for `loss`. Expected a compiled Keras model beside x. Received: {type(loss).__name__}"
        )
    return Report.of(check_model(loss, x, y, sample_weight, settings=settings, place=_caller()))


def _caller() -> tuple[str, int]:
    """File and line of the user's call of `check`."""
    frame = sys._getframe(2)
    return frame.f_code.co_filename, frame.f_lineno


def check_step(step: Any, *batch: Any, seed: int = 0, select: Iterable[str] = (), ignore: Iterable[str] = ()) -> Report:
    """Run a training step of your own on one batch and say what is wrong with it, on which line.

    The step runs eagerly, twice; models, optimizers and metrics that it reaches (globals, closure, `self`) are put
    back.

    Args:
        step: the function that makes one step, also under `tf.function`, or a method such as `model.train_step`.
        *batch: its arguments: arrays, tensors or structures of them.
        seed, select, ignore: as for `check`.

    Returns:
        The report; `blame` says whose fault it is.

    Raises:
        UsageError: `step` cannot be called with this batch.

    Example:
        >>> check_step(train_step, x_batch, y_batch).findings  # doctest: +SKIP
        ()
    """
    from lossdoctor.cli.selection import codes
    from lossdoctor.engine.steps import check_step
    from lossdoctor.session import Settings

    settings = Settings(
        seed=settings_of(seed, 1e4).seed,
        select=codes(_listed(select), "select"),
        ignore=codes(_listed(ignore), "ignore"),
    )
    return Report.of(check_step(step, batch, settings=settings))


def rank_samples(
    model: Any,
    data: Any,
    y: Any = None,
    *,
    top: int = 10,
    batch_size: int = 64,
    progress: Callable[[int], None] | None = None,
) -> list[Sample]:
    """Find the samples of a data set with the worst loss, what is not finite first. Batches are not kept.

    Args:
        model: compiled with one loss.
        data: x beside y, or a `tf.data` set, a generator or a sequence of batches of (x, y).
        y: the targets of arrays.
        top: how many samples to keep.
        batch_size: of arrays.
        progress: called with the number of samples that were seen, after each batch.

    Returns:
        The worst samples, each with `index` (place in the data), `loss` and `gradient` (norm of the gradient of its
        loss to its prediction), the worst first.

    Raises:
        UsageError: the model has several losses, or the data no targets.

    Example:
        >>> rank_samples(model, x, y, top=3)[0].index  # doctest: +SKIP
        1729
    """
    from lossdoctor.trials.ranking import rank

    if top < 1 or batch_size < 1:
        raise findings.UsageError(
            f"Invalid value for `top`. Expected numbers of at least 1. Received: {top} and {batch_size}"
        )
    return rank(model, data, y, top=top, batch_size=batch_size, progress=progress)


def verify(
    loss: Any,
    y_true: Any = None,
    y_pred: Any = None,
    *,
    formula: Any = None,
    gradient: Any = None,
    reference: Any = None,
    seed: int = 0,
    magnitude: float = 1e4,
) -> Report:
    """Compare a loss, value and gradient, with what it is meant to compute.

    Without formula, gradient and reference the decorator `contract` counts, else a section "Formula:" of the
    docstring.

    Args:
        loss, y_true, y_pred, seed, magnitude: as for `check`.
        formula: text in Python's notation over y_true (t) and y_pred (p), LaTeX, or an expression of SymPy over the
            symbols y_true (t, y) and y_pred (p, yhat). It is never evaluated as code.
        gradient: a formula of the gradient of the summed loss, of the shape of y_pred.
        reference: a function of NumPy or TensorFlow or a loss of Keras, or the name of one such as "Huber".

    Returns:
        The report: `facts` say what was verified and at how many inputs, `findings` show the plainest input at which
        the two differ, with both values, the line, and what holds instead.

    Raises:
        UsageError: there is nothing to verify against, or an argument is unusable.

    Example:
        >>> verify(my_mse, formula="mean((t - p)**2, axis=-1)").findings  # doctest: +SKIP
        ()
    """
    from lossdoctor.engine import check_object
    from lossdoctor.formula.notation import read_formula

    for one in (formula, gradient):
        if one is not None:
            read_formula(one)  # the caller's own mistake is raised, not reported
    settings = settings_of(seed, magnitude)
    report = check_object(
        loss,
        y_true,
        y_pred,
        settings=settings,
        formula=formula,
        gradient=gradient,
        reference=reference,
        purpose="verify",
    )
    return Report.of(report)


def compare(
    loss: Any,
    other: Any = None,
    y_true: Any = None,
    y_pred: Any = None,
    *,
    seed: int = 0,
    magnitude: float = 1e4,
) -> Comparison:
    """Say which standard loss a loss is, or which is nearest, and whether it is the same as another one.

    Args:
        loss, y_true, y_pred, seed, magnitude: as for `check`.
        other: another loss, or the name of a loss of Keras.

    Returns:
        The comparison: `conclusion` in words, `other` and `standards` as rows with scale, offset, reduction and the
        cosine of the gradients; printing it shows a table.

    Raises:
        UsageError: `loss` is no loss, or cannot be traced.

    Example:
        >>> compare(my_mse).conclusion  # doctest: +SKIP
        ('it is mean squared error (MeanSquaredError)',)
    """
    from lossdoctor.engine import compare_object

    return Comparison.of(compare_object(loss, other, y_true, y_pred, settings=settings_of(seed, magnitude)))


def explain(
    loss: Any,
    y_true: Any = None,
    y_pred: Any = None,
    *,
    seed: int = 0,
    magnitude: float = 1e4,
) -> Explanation:
    """Say what a loss computes: its formula, additive terms, properties, and curves of value and slope.

    Args:
        loss, y_true, y_pred, seed, magnitude: as for `check`.

    Returns:
        The explanation: `statement` is the formula as text, in LaTeX and in the grammar of `verify`, and `agrees` says
        whether the formula, evaluated exactly, equals the loss at `checked` inputs; `properties`, `terms`, `examples`
        and `curves` as their names say. Printing it shows all; `plot` draws the curves.

    Raises:
        UsageError: `loss` is no loss, or cannot be traced.

    Example:
        >>> explain(my_mse).formula  # doctest: +SKIP
        'mean((y_true − y_pred)², last axis)'
    """
    from lossdoctor.engine import explain_object

    return Explanation.of(explain_object(loss, y_true, y_pred, settings=settings_of(seed, magnitude)))


def replay(file: str | Path, loss: Any = None, *, mends: bool = True, seed: int = 0) -> Replayed:
    """Run the batch that broke a training through its loss: which samples, which line, what mends it.

    Args:
        file: a capture, as `Monitor` writes it.
        loss: a target such as "losses.py:dice", or the loss itself, which runs in this process; by default the loss
            that the capture names, in a process of its own.
        mends: whether to look for a mend.
        seed: of every random draw, at least 0.

    Returns:
        `status` ("stands", "mended", "finite", "elsewhere", "not-reproduced"), `statement`, `samples`, `findings`.

    Raises:
        UsageError: it is no capture, or the loss cannot be loaded or traced.

    Example:
        >>> replay("runs/x/capture-000317.npz").statement  # doctest: +SKIP
        'the value of the loss is not finite for sample 12 of 32, also alone'
    """
    from lossdoctor import engine
    from lossdoctor.session import Settings

    settings = Settings(seed=seed, mends=mends)
    if loss is None or isinstance(loss, str):
        return engine.replay(file, loss, settings=settings)
    return engine.replay_object(file, getattr(loss, "loss", loss), settings=settings)


def trace(
    loss: Any,
    y_true: Any = None,
    y_pred: Any = None,
    *,
    sample: int | None = None,
    worst: int = 0,
    seed: int = 0,
) -> Trace:
    """Run a loss on one batch and look at every tensor that its lines make, and at the gradient with respect to it.

    Args:
        loss, y_true, y_pred, seed: as for `check`; arrays are the batch, specs (or nothing) have one drawn.
        sample: show the values of this sample only.
        worst: rank the samples, each alone in its batch, and keep the worst so many.

    Returns:
        The trace: `trace["logits"]` are the tensors assigned to that name, `trace[12]` those of line 12 of the loss's
        file, each with `value` and `gradient` (summaries), `values` and `slopes` (arrays); `blamed` is the first that
        is not finite. Printing it shows all. Of a loss that raises, `raised` says what and where, and the trace is what
        it made until then, without gradients.

    Raises:
        UsageError: `loss` is no loss, or takes nothing that could be given to it.

    Example:
        >>> trace(my_mse, y_true, y_pred)["error"][0].values  # doctest: +SKIP
    """
    from lossdoctor.engine import trace_object

    return Trace.of(trace_object(loss, y_true, y_pred, settings=settings_of(seed, 1e4), sample=sample, worst=worst))


def settings_of(seed: int, magnitude: float) -> Settings:
    """The settings of a call. Raises UsageError for a seed that is none."""
    from lossdoctor.session import Settings

    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise findings.UsageError(f"Invalid value for `seed`. Expected an integer of at least 0. Received: {seed!r}")
    return Settings(seed=seed, magnitude=magnitude)


def _listed(rules: Iterable[str]) -> list[str]:
    """A single rule may be given as it is."""
    return [rules] if isinstance(rules, str) else list(rules)
