"""`lossdoctor.check`: examining a live loss in this process, and the report that shows itself."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lossdoctor import findings

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

_WIDTH = 80
# A page of its own, or a part of one: nothing is loaded from elsewhere.
_HTML = "<pre style=\"font-family:Menlo,Consolas,'DejaVu Sans Mono',monospace;line-height:1.3\">{code}</pre>"


class Report(findings.Report):
    """The result of `check`. It is shown in colours by rich and by IPython, as HTML in a notebook, and as text
    elsewhere; `findings`, `facts`, `losses` and `errors` hold what it says."""

    __slots__ = ()

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


def check(
    loss: Any,
    y_true: Any = None,
    y_pred: Any = None,
    *,
    seed: int = 0,
    magnitude: float = 1e4,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
) -> Report:
    """Say what is wrong with a loss, on which line, with an input that proves it.

    The loss runs in this process, without limits on time and memory; `lossdoctor check` examines losses of files
    in processes of their own. What the examination changes in TensorFlow, Keras and NumPy (seeds, settings) is put
    back.

    Args:
        loss: a function of (y_true, y_pred), a `keras.losses.Loss` instance or class, or a compiled Keras model,
            whose loss it is then.
        y_true: what the loss is given: an array or tensor with the batch as first axis, or a spec such as
            "float32[B,4] real"; a tuple or table of these for structured inputs. Without it, the decorator
            `contract` counts, else what the code of the loss suggests.
        y_pred: likewise; either both or neither, both arrays or both specs.
        seed: of every random draw, at least 0.
        magnitude: largest magnitude of real values, above 1; larger values in the arrays widen it.
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
    settings = Settings(
        seed=seed,
        magnitude=magnitude,
        select=codes(_listed(select), "select"),
        ignore=codes(_listed(ignore), "ignore"),
    )
    return Report.of(check_object(loss, y_true, y_pred, settings=settings))


def _listed(rules: Iterable[str]) -> list[str]:
    """A single rule may be given as it is."""
    return [rules] if isinstance(rules, str) else list(rules)
