"""What the verbs of Python return: results that show themselves, as text, as JSON and in a notebook."""

from __future__ import annotations

import shutil
import sys
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from lossdoctor import findings
from lossdoctor.experiments import outcomes
from lossdoctor.experiments import reading as experiments
from lossdoctor.readings import trace as traces
from lossdoctor.standards import reading
from lossdoctor.symbols import reading as symbols

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

    from lossdoctor.readings.lines import Tensor

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


class Shown:
    """A value of an analysis that shows itself as the command line does."""

    __slots__ = ()
    _part: ClassVar[str]  # the module of `report.parts` that shows it

    @classmethod
    def of(cls, found: Any) -> Self:
        """The same value, able to show itself."""
        return cls(**{field.name: getattr(found, field.name) for field in fields(found)})

    def text(self, *, width: int = _WIDTH, color: bool = False) -> str:
        """The result as the command prints it."""
        from lossdoctor.report import View

        return self._shower().render(self, View(width=width, color=color))

    def to_json(self) -> str:
        """The result as one JSON document."""
        from lossdoctor.engine.run import versions
        from lossdoctor.report.json import dumps

        return dumps(self._shower().document(self, versions()))

    def _shower(self) -> Any:
        return import_module(f"lossdoctor.report.parts.{self._part}")

    def _repr_html_(self) -> str | None:
        """What a notebook shows."""
        from html import escape

        return _HTML.format(code=escape(str(self)))

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return str(self).rstrip()


class Comparison(Shown, reading.Comparison):
    """The result of `compare`; as text it shows the conclusion and a table."""

    __slots__ = ()
    _part = "comparison"


class Trace(Shown, traces.TraceResult):
    """The result of `trace`; as text it shows each line of the loss with what it makes."""

    __slots__ = ()
    _part = "trace"

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
            lines = [str(row.line) for row in self.rows if row.path == self.path]
            names = [row.name or row.tensor.text for row in self.rows]
            what, known = ("line", lines) if isinstance(key, int) else ("tensor", names)
            raise KeyError(f"{key!r}, which is no {what} of the trace. There are: {', '.join(dict.fromkeys(known))}")
        return found

    def to_html(self) -> str:
        """A page of the source with every tensor beneath its line, as `lossdoctor trace --format html` writes it."""
        from lossdoctor.report import View
        from lossdoctor.report.parts.trace_page import as_html

        return as_html(self, View())


class Explanation(Shown, symbols.Explanation):
    """The result of `explain`; as text it shows formula, terms, properties, examples and curves."""

    __slots__ = ()
    _part = "explanation"

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
        from lossdoctor.report.parts.plot import draw

        draw(self, Path(path))

    def _repr_latex_(self) -> str:
        """What a notebook shows."""
        rows = [self.statement.latex, *(one.latex for one in self.statement.definitions)]
        return "$$\\begin{gathered}" + " \\\\ ".join(rows) + "\\end{gathered}$$"

    def _repr_html_(self) -> None:
        """Nothing: the formula in LaTeX is shown."""


class Decomposition(Shown, experiments.Decomposition):
    """The result of `decompose`; as text it shows the terms in a table, with their formulas and findings.

    Attributes:
        terms: each term as a loss, by name: `terms["kl"](y_true, y_pred)` is what it contributes, weight included, of
            the shape of the loss. Together they add up to the loss.
    """

    __slots__ = ("terms",)
    _part = "decomposition"
    terms: dict[str, Any]

    @classmethod
    def with_terms(cls, found: experiments.Decomposition, terms: dict[str, Any]) -> Decomposition:
        """The same decomposition, able to show itself, with its terms as losses."""
        made = cls.of(found)
        object.__setattr__(made, "terms", terms)
        return made

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
        from lossdoctor.report.parts.plot_terms import draw

        draw(self, Path(path))


class Isolation(Shown, experiments.Isolation):
    """The result of `isolate`: `culprit` has the term, the code, the smallest input, and a script of what is left."""

    __slots__ = ()
    _part = "isolation"


class Experiment(Shown, outcomes.Experiment):
    """The result of `experiment`: `verdict`, `findings`, `comparison` with the standard loss, and all `outcomes`."""

    __slots__ = ()
    _part = "trial"

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

    def to_tensorboard(self, folder: str | Path) -> int:
        """Write each training as a run of TensorBoard with its hyperparameters; the number of runs.

        Raises:
            UsageError: tensorboard is not installed.
            LossdoctorError: the folder cannot be written.
        """
        from lossdoctor.report.parts.board import write

        return write(self, Path(folder))

    def to_html(self) -> str:
        """A page that loads nothing from elsewhere."""
        from lossdoctor.report.parts.trial import as_html

        return as_html(self)


def _table(rows: list[dict[str, Any]]) -> Any:
    try:
        import pandas  # pyright: ignore[reportMissingImports]  # optional
    except ImportError:
        raise findings.UsageError("A table needs pandas, which is not installed.\nTry: pip install pandas") from None
    return pandas.DataFrame(rows)
