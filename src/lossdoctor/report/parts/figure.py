"""Figures of matplotlib, which is optional and imported only when something is drawn."""

from __future__ import annotations

import importlib.util
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from lossdoctor.findings import LossdoctorError, UsageError

SUFFIXES = (".png", ".svg", ".pdf")
_DPI = 150
# The same picture every time: no random ids, and no date (`_DATES`).
_SETTINGS = {"svg.hashsalt": "lossdoctor", "font.size": 9, "font.family": "DejaVu Sans"}
_DATES = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}


def check_plot(path: Path) -> None:
    """Raise `UsageError` now if drawing into the file would fail later, after the work."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"Invalid value for `plot`. Expected a file that ends in {', '.join(SUFFIXES)}. Received: {path}"
        )
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError('Plots need matplotlib, which is not installed.\nTry: pip install "lossdoctor[plots]"')


@contextmanager
def figure(width: float, height: float, **settings: Any) -> Generator[Any]:
    """An empty figure of that size in inches, to draw into and to save; matplotlib's global state stays as it is."""
    # By name, since it may be absent, and has no types of its own.
    matplotlib: Any = import_module("matplotlib")
    with matplotlib.rc_context({**_SETTINGS, **settings}):
        made = import_module("matplotlib.figure").Figure(figsize=(width, height), layout="constrained")
        import_module("matplotlib.backends.backend_agg").FigureCanvasAgg(made)
        yield made


def save(made: Any, path: Path) -> None:
    """Write a figure in the format that the suffix names.

    Raises:
        LossdoctorError: the file could not be written.
    """
    try:
        made.savefig(path, dpi=_DPI, metadata=_DATES.get(path.suffix.lower(), {}))
    except OSError as error:
        raise LossdoctorError(f"{path} could not be written: {error.strerror}") from error


def image(made: Any, stream: Any) -> None:
    """Write a figure to a stream, as PNG."""
    made.savefig(stream, dpi=_DPI)
