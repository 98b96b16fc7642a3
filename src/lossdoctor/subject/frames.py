"""Which frames are the user's, and where in the source they stand."""

from __future__ import annotations

import linecache
import os
import sysconfig
import traceback
from functools import cache

from lossdoctor.graph.ir import Span

# Packages whose frames are never the place of the user's fault.
_FRAMEWORKS = (
    "tensorflow",
    "keras",
    "tf_keras",
    "numpy",
    "absl",
    "optree",
    "tree",
    "wrapt",
    "ml_dtypes",
    "google",
    "lossdoctor",
)


@cache
def is_user_file(filename: str) -> bool:
    """Whether a frame's file is neither TensorFlow, Keras, NumPy, Python's own library nor lossdoctor.

    lossdoctor's bundled examples count as the user's.
    """
    if filename.startswith("<"):
        return filename.startswith(("<stdin>", "<ipython-input"))
    if os.path.basename(filename).startswith("__autograph_generated_file"):
        return False
    path = os.path.abspath(filename)
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if path.startswith(own + os.sep):
        return path.startswith(os.path.join(own, "examples") + os.sep)
    for folder in ("site-packages", "dist-packages"):
        _, found, inside = path.rpartition(f"{os.sep}{folder}{os.sep}")
        if found:
            return inside.split(os.sep)[0].removesuffix(".py") not in _FRAMEWORKS
    return not path.startswith(_standard_folders())


@cache
def _standard_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple(dict.fromkeys(os.path.realpath(paths[key]) + os.sep for key in ("stdlib", "platstdlib")))


def user_frames(error: BaseException, path: str | None = None) -> tuple[Span, ...]:
    """The user's frames of an exception, outermost first; those of the file `path` count whatever it is.

    A syntax error in a module that was being imported adds the place that is wrong.
    """
    spans = [
        _span(frame)
        for frame in traceback.TracebackException.from_exception(error, lookup_lines=False).stack
        if frame.filename == path or is_user_file(frame.filename)
    ]
    if isinstance(error, SyntaxError) and error.filename and error.lineno and is_user_file(error.filename):
        text = (error.text or "").strip()
        spans.append(Span(os.path.abspath(error.filename), error.lineno, 1, error.lineno, len(text) + 1, text))
    return tuple(spans)


def _span(frame: traceback.FrameSummary) -> Span:
    path = frame.filename if frame.filename.startswith("<") else os.path.abspath(frame.filename)
    line = frame.lineno or 1
    source = linecache.getline(frame.filename, line).rstrip("\n")
    indent = len(source) - len(source.lstrip())
    if frame.colno is None or frame.end_colno is None or frame.end_lineno is None:
        return Span(path, line, indent + 1, line, max(len(source), indent) + 1, source.strip(), frame.name)
    last = linecache.getline(frame.filename, frame.end_lineno).rstrip("\n")
    # Python counts columns in bytes of UTF-8.
    start = len(source.encode()[: frame.colno].decode(errors="ignore"))
    end = len(last.encode()[: frame.end_colno].decode(errors="ignore"))
    if frame.end_lineno == line:
        text = source[start:end]
    else:
        between = [linecache.getline(frame.filename, number) for number in range(line + 1, frame.end_lineno)]
        text = source[start:] + "\n" + "".join(between) + last[:end]
    return Span(path, line, start + 1, frame.end_lineno, end + 1, text, frame.name)
