"""The verbs for Python: live losses in this process, and results that show themselves."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from lossdoctor import findings
from lossdoctor.experiments import reading as experiments
from lossdoctor.readings import trace as traces
from lossdoctor.standards import reading
from lossdoctor.symbols import reading as symbols

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console, ConsoleOptions, RenderResult

    from lossdoctor.readings.lines import Tensor
    from lossdoctor.readings.model import Sample
    from lossdoctor.runtime.replayed import Replayed
    from lossdoctor.session import Settings

_WIDTH = 80
# A page of its own, or a part of one: nothing is loaded from elsewhere.
_HTML = "<pre style=\"font-family:Menlo,Consolas,'DejaVu Sans Mono',monospace;line-height:1.3\">{code}</pre>"


class Report(findings.Report):
    """The result of `check`. It is shown in colours by rich and by IPython, as HTML in a notebook, and as text
    elsewhere; `findings`, `facts`, `losses` and `errors` hold what it says."""

    __slots__ = ()

    @property
    def blame(self) -> findings.Blame | None:
        """Whose fault it is, of a model or a training step; None of losses alone."""
        return next((loss.blame for loss in self.losses if loss.blame is not None), None)

    @classmethod
    def of(cls, report: findings.Report) -> Report:
        """The same report, able to show itself."""
        return cls(report.versions, report.seed, report.losses, report.errors)

    def text(self, *, width: int = _WIDTH, color: bool = False, verbose: bool = False) -> str:
        """The report as `lossdoctor check` prints it."""
        return self._rendered(width, color, "utf-8", verbose)

    def to_json(self) -> str:
        """The report as one JSON document; the schema is in the package, as `report/schema.json`."""
        from lossdoctor.report import View, json

        return json.render(self, View())

    def _rendered(self, width: int, color: bool, encoding: str, verbose: bool = False) -> str:
        from lossdoctor.report import View, terminal

        return terminal.render(self, View(width=width, color=color, encoding=encoding, verbose=verbose))

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        width = shutil.get_terminal_size((_WIDTH, 24)).columns if sys.stdout.isatty() else _WIDTH
        return self._rendered(
            min(max(width, 40), 120), False, getattr(sys.stdout, "encoding", None) or "utf-8"
        ).rstrip()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        text = self._rendered(options.max_width, console.color_system is not None, options.encoding)
        yield Text.from_ansi(text.rstrip("\n"))

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from io import StringIO

        from rich.console import Console

        console = Console(
            record=True, file=StringIO(), width=100, color_system="truecolor", force_terminal=True, force_jupyter=False
        )
        console.print(self)
        return console.export_html(inline_styles=True, code_format=_HTML)


class Comparison(reading.Comparison):
    """The result of `compare`; as text it shows the conclusion and a table."""

    __slots__ = ()

    @classmethod
    def of(cls, found: reading.Comparison) -> Comparison:
        """The same comparison, able to show itself."""
        return cls(**{field.name: getattr(found, field.name) for field in fields(found)})

    def to_json(self) -> str:
        """The comparison as one JSON document."""
        from lossdoctor.engine.run import versions
        from lossdoctor.report.parts.comparison import as_json

        return as_json(self, versions())

    def __str__(self) -> str:
        from lossdoctor.report import View
        from lossdoctor.report.parts.comparison import render

        return render(self, View(width=_WIDTH))

    def __repr__(self) -> str:
        return str(self).rstrip()


class Trace(traces.TraceResult):
    """The result of `trace`; as text it shows each line of the loss with what it makes."""

    __slots__ = ()

    @classmethod
    def of(cls, found: traces.TraceResult) -> Trace:
        """The same trace, able to show itself."""
        return cls(**{field.name: getattr(found, field.name) for field in fields(found)})

    def __getitem__(self, key: str | int) -> tuple[Tensor, ...]:
        """The tensors that are assigned to a name ("return" for what is returned), or those of a line of the loss's
        file.

        Raises:
            KeyError: there are none.
        """
        if isinstance(key, int):
            found = tuple(row.tensor for row in self.rows if row.line == key and row.path == self.path)
        else:
            found = tuple(row.tensor for row in self.rows if key in (row.name, row.tensor.text))
        if not found:
            raise KeyError(key)
        return found

    def text(self, *, width: int = _WIDTH, color: bool = False) -> str:
        """The trace as `lossdoctor trace` prints it."""
        from lossdoctor.report import View
        from lossdoctor.report.parts.trace import render

        return render(self, View(width=width, color=color))

    def to_json(self) -> str:
        """The trace as one JSON document."""
        from lossdoctor.engine.run import versions
        from lossdoctor.report.parts.trace import as_json

        return as_json(self, versions())

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return str(self).rstrip()


class Explanation(symbols.Explanation):
    """The result of `explain`; as text it shows formula, terms, properties, examples and curves."""

    __slots__ = ()

    @classmethod
    def of(cls, found: symbols.Explanation) -> Explanation:
        """The same explanation, able to show itself."""
        return cls(**{field.name: getattr(found, field.name) for field in fields(found)})

    @property
    def formula(self) -> str:
        """The formula as text; `statement` has it in LaTeX and in the grammar of `verify` as well."""
        return self.statement.text

    @property
    def latex(self) -> str:
        """The formula in LaTeX."""
        return self.statement.latex

    def plot(self, path: str | Path) -> None:
        """Draw the curves into a .png, .svg or .pdf file.

        Raises:
            UsageError: matplotlib is missing, or there is nothing to draw.
        """
        from pathlib import Path

        from lossdoctor.report.parts.plot import draw

        draw(self, Path(path))

    def to_json(self) -> str:
        """The explanation as one JSON document."""
        from lossdoctor.engine.run import versions
        from lossdoctor.report.parts.explanation import as_json

        return as_json(self, versions())

    def _repr_latex_(self) -> str:
        """What a notebook shows."""
        rows = [self.statement.latex, *(one.latex for one in self.statement.definitions)]
        return "$$\\begin{gathered}" + " \\\\ ".join(rows) + "\\end{gathered}$$"

    def __str__(self) -> str:
        from lossdoctor.report import View
        from lossdoctor.report.parts.explanation import render

        return render(self, View(width=_WIDTH))

    def __repr__(self) -> str:
        return str(self).rstrip()


class Decomposition(experiments.Decomposition):
    """The result of `decompose`; as text it shows the terms in a table, with their formulas and findings.

    Attributes:
        terms: each term as a loss, by name: `terms["kl"](y_true, y_pred)` is what it contributes, weight included, of
            the shape of the loss. Together they add up to the loss.
    """

    __slots__ = ("terms",)
    terms: dict[str, Any]

    @classmethod
    def of(cls, found: experiments.Decomposition, terms: dict[str, Any]) -> Decomposition:
        """The same decomposition, able to show itself."""
        made = cls(**{field.name: getattr(found, field.name) for field in fields(found)})
        object.__setattr__(made, "terms", terms)
        return made

    def to_json(self) -> str:
        """The decomposition as one JSON document."""
        from lossdoctor.engine.run import versions
        from lossdoctor.report.parts.decomposition import as_json

        return as_json(self, versions())

    def to_pandas(self) -> Any:
        """The terms as a table of pandas, a row a term.

        Raises:
            UsageError: pandas is not installed.
        """
        from lossdoctor.report.parts.decomposition import document

        return _table([{k: v for k, v in term.items() if k != "witness"} for term in document(self, {})["terms"]])

    def plot(self, path: str | Path) -> None:
        """Draw shares and conflict into a .png, .svg or .pdf file.

        Raises:
            UsageError: matplotlib is missing.
        """
        from pathlib import Path

        from lossdoctor.report.parts.plot_terms import draw

        draw(self, Path(path))

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return _html(str(self))

    def __str__(self) -> str:
        from lossdoctor.report import View
        from lossdoctor.report.parts.decomposition import render

        return render(self, View(width=_WIDTH))

    def __repr__(self) -> str:
        return str(self).rstrip()


def _html(text: str) -> str:
    """Plain text for a notebook."""
    from html import escape

    return _HTML.format(code=escape(text))


def _table(rows: list[dict[str, Any]]) -> Any:
    try:
        import pandas  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise findings.UsageError("A table needs pandas, which is not installed.\nTry: pip install pandas") from None
    return pandas.DataFrame(rows)


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
    in processes of their own. What the examination changes in TensorFlow, Keras and NumPy (seeds, settings) is put
    back.

    Args:
        loss: a function of (y_true, y_pred), a `keras.losses.Loss` instance or class, or a compiled Keras model,
            whose loss it is then, or whose `compute_loss`. Of a model with several losses, or a list or table of
            losses, each is examined; y_true and y_pred are then lists or tables with an entry for each.
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
        seed=_settings(seed, 1e4).seed,
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
    settings = _settings(seed, magnitude)
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

    return Comparison.of(compare_object(loss, other, y_true, y_pred, settings=_settings(seed, magnitude)))


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

    return Explanation.of(explain_object(loss, y_true, y_pred, settings=_settings(seed, magnitude)))


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

    return Decomposition.of(*decompose_object(loss, y_true, y_pred, settings=_settings(seed, magnitude)))


def replay(file: str | Path, loss: Any = None, *, mends: bool = True, seed: int = 0) -> Replayed:
    """Run the batch that broke a training through its loss: which samples, which line, what mends it.

    Args:
        file: a capture, as `Monitor` writes it.
        loss: a target such as "losses.py:dice", or the loss itself, which runs in this process; by default the loss
            that the capture names, in a process of its own.
        mends: whether to look for a mend.
        seed: of every random draw, at least 0.

    Returns:
        `status` ("stands", "mended", "elsewhere", "not-reproduced"), `statement`, `samples`, `findings`.

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
        is not finite. Printing it shows all.

    Raises:
        UsageError: `loss` is no loss, or cannot be traced.

    Example:
        >>> trace(my_mse, y_true, y_pred)["error"][0].values  # doctest: +SKIP
    """
    from lossdoctor.engine import trace_object

    return Trace.of(trace_object(loss, y_true, y_pred, settings=_settings(seed, 1e4), sample=sample, worst=worst))


def _settings(seed: int, magnitude: float) -> Settings:
    from lossdoctor.session import Settings

    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise findings.UsageError(f"Invalid value for `seed`. Expected an integer of at least 0. Received: {seed!r}")
    return Settings(seed=seed, magnitude=magnitude)


def _listed(rules: Iterable[str]) -> list[str]:
    """A single rule may be given as it is."""
    return [rules] if isinstance(rules, str) else list(rules)
