"""Places in source: exact expressions of frames and tracebacks, statements of lines, clean messages."""

from __future__ import annotations

import linecache
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from lossdoctor.graph import spans
from lossdoctor.graph.ir import Span

SOURCE = """\
import sys

def here(x):
    return x + probe(sys._getframe())

def probe(frame):
    return RECORD(frame)

def fails(é, y):
    é = "ünïcode"; return (é,
        [][y])

class Loss:
    def call(self):
        return here(1) + fails(
            "a", 3)
"""


def load(folder: Path, record: object) -> dict[str, object]:
    path = folder / "user.py"
    path.write_text(SOURCE, encoding="utf-8")
    linecache.checkcache(str(path))
    scope: dict[str, object] = {"RECORD": record}
    exec(compile(SOURCE, str(path), "exec"), scope)
    return scope


def test_a_frame_gives_its_expressions_outermost_first(tmp_path: Path) -> None:
    seen: list[tuple[Span, ...]] = []

    def record(frame: FrameType) -> int:
        seen.append(spans.frames(frame, sys._getframe(1), lambda path: path.startswith(str(tmp_path)), {}))
        return 0

    scope = load(tmp_path, record)
    scope["here"](1)  # type: ignore[operator]
    (span,) = seen[0]
    assert span.text == "sys._getframe()" or span.text == "probe(sys._getframe())"
    assert (span.line, span.function) == (4, "here")


def test_a_traceback_gives_columns_in_characters_not_bytes(tmp_path: Path) -> None:
    scope = load(tmp_path, lambda _: 0)
    try:
        scope["Loss"]().call()  # type: ignore[operator]
    except IndexError as error:
        raised = spans.raised(error, lambda path: path.startswith(str(tmp_path)))
    assert raised.type == "IndexError"
    assert [s.function for s in raised.calls] == ["Loss.call", "fails"]
    outer, inner = raised.calls
    assert (outer.line, outer.end_line, outer.column) == (15, 16, 26)
    assert outer.text == 'fails(\n            "a", 3)'
    assert (inner.line, inner.column, inner.end_column, inner.text) == (11, 9, 14, "[][y]")


def test_only_the_users_files_count(tmp_path: Path) -> None:
    assert spans.is_user(str(tmp_path / "losses.py"))
    assert not spans.is_user(linecache.__file__)
    assert not spans.is_user(spans.__file__)
    assert not spans.is_user("<string>")
    package = str(Path(linecache.__file__).parent)
    assert spans.user_files(package)(linecache.__file__)


def test_a_line_gives_its_innermost_statement(tmp_path: Path) -> None:
    load(tmp_path, None)
    path = str(tmp_path / "user.py")
    assert spans.statement_span(path, 16).text == 'return here(1) + fails(\n            "a", 3)'
    assert spans.statement_span(path, 13).text == "class Loss:"
    assert spans.statement_span(path, 99).text == ""


def test_messages_lose_the_frameworks_noise() -> None:
    text = (
        "{{function_node __wrapped__Mul_device_/job:localhost/replica:0/task:0/device:CPU:0}} Incompatible shapes: "
        "[2] vs. [3] [Op:Mul] name: "
    )
    assert spans.clean_message(ValueError(text)) == "Incompatible shapes: [2] vs. [3]"
    graph = (
        'Graph execution error:\n\nDetected at node Reshape defined at (most recent call last):\n  File "a.py"\n'
        "\n"
        "Input to reshape is a tensor with 4 values, but the requested shape has 6\n\t [[{{node Reshape}}]] [Op:__f]"
    )
    assert spans.clean_message(ValueError(graph)) == (
        "Input to reshape is a tensor with 4 values, but the requested shape has 6"
    )


CALLS = """\
import enum

def made(y_true, y_pred, scale=2.0):
    return enum.Enum(y_true, y_pred)

def unset(y_true, y_pred, weight=None, *, bias=None):
    return weight * y_pred

class Loss:
    def call(self, y_true, y_pred, mask=None):
        return self.weighted(y_true, mask)

    def weighted(self, value, factor):
        return value * factor

def given(y_true, y_pred, weight=None):
    weight = None if weight is None else weight
    return len(y_pred) / y_true
"""


def test_what_the_failing_expression_calls_and_which_parameter_nobody_gave(tmp_path: Path) -> None:
    path = tmp_path / "user.py"
    path.write_text(CALLS, encoding="utf-8")
    scope: dict[str, Any] = {}
    exec(compile(CALLS, str(path), "exec"), scope)
    told = []
    for loss in (scope["made"], scope["unset"], scope["Loss"]().call, scope["given"]):
        try:
            loss(0, [1.0])
        except Exception as error:
            raised = spans.raised(error, lambda path: path.startswith(str(tmp_path)))
            told.append((raised.callee, raised.left_out))
    assert told == [("enum.Enum.__init__", ""), ("", "weight"), ("", "mask"), ("", "")]
