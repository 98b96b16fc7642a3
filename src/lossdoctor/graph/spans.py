"""Where in the user's source something happens: exact columns from CPython's position tables.

A running frame and a traceback entry know the instruction they are at, and since Python 3.11 the code object knows
line and column of every instruction, so that each of the operations of one line gets its own expression.
"""

from __future__ import annotations

import ast
import linecache
import re
import site
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import Any, get_args

from lossdoctor.graph import generated
from lossdoctor.graph.failing import callee, left_out
from lossdoctor.graph.ir import Span
from lossdoctor.session import Raised
from lossdoctor.source.parsed import nodes_of, parsed

IsUser = Callable[[str], bool]
# (generated file, line) -> (file, line, function): how AutoGraph says where its code comes from.
SourceMap = Mapping[tuple[str, int], tuple[str, int, str]]
_BLAMED = re.compile(r"\{\{node ([^}\s]+)\}\}|Detected at node '?([^\s']+)'? defined at")
_CONVERTED_CALL = "converted_call"  # TensorFlow's function that has AutoGraph convert what it calls
_DEFINED_AT = "defined at (most recent call last):"
_IN_USER_CODE = "in user code:"
_BODY_MAKER = "func_graph_from_py_func"  # TensorFlow's function that traces one
_OWN = str(Path(__file__).resolve().parents[1])
_MESSAGE = 400  # characters of a message to keep


def is_user(path: str) -> bool:
    """Whether a file is the user's: not of an installed package, the standard library or lossdoctor."""
    if path.startswith("<"):  # a notebook cell or text given to `exec` that registered its lines counts
        return not path.startswith("<frozen") and bool(linecache.getlines(path))
    return not path.startswith(_library_prefixes())


def user_files(*paths: str) -> IsUser:
    """`is_user` that also takes these files or folders, wherever they lie (a target inside an installed package)."""
    own = tuple(str(Path(path)) for path in paths)

    @lru_cache(maxsize=4096)
    def predicate(path: str) -> bool:
        return path in own or path.startswith(tuple(p.rstrip("/\\") + "/" for p in own)) or is_user(path)

    return predicate


@lru_cache(maxsize=1)
def _library_prefixes() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    folders = {paths["stdlib"], paths["platstdlib"], paths["purelib"], paths["platlib"], *site.getsitepackages()}
    folders |= {str(Path(__file__).resolve().parents[1])}
    folders |= {str(Path(folder).resolve()) for folder in folders}
    folders |= {folder for folder in sys.path if folder.endswith(("site-packages", "dist-packages"))}
    return tuple(folder.rstrip("/\\") + "/" for folder in folders)


def frames(frame: FrameType | None, until: FrameType | None, accept: IsUser, mapped: SourceMap) -> tuple[Span, ...]:
    """The user's frames from `frame` outwards, up to but without `until`; outermost first."""
    found: list[Span] = []
    body = False  # whether what was called is the body of a loop or branch of TensorFlow's
    while frame is not None and frame is not until:
        body = body or frame.f_code.co_name == _BODY_MAKER
        span = _span_at(frame.f_code, frame.f_lasti, frame.f_lineno, accept, mapped)
        if span is not None:
            # One that Python runs is a function of its own in AutoGraph's code, and none in the user's.
            if body or not (found and _runs_a_body(frame.f_code, frame.f_lasti, frame.f_lineno, mapped)):
                found.append(span)
            body = False
        frame = frame.f_back
    return tuple(reversed(found))


def loops(
    frame: FrameType | None, until: FrameType | None, accept: IsUser, mapped: SourceMap
) -> tuple[tuple[str, Any], ...]:
    """The texts and numbers that the targets of the user's Python loops hold, outermost frame first."""
    found: list[tuple[str, Any]] = []
    while frame is not None and frame is not until:
        path, line = frame.f_code.co_filename, frame.f_lineno or 0
        path, line, _ = mapped.get((path, line), (path, line, ""))
        names = _loop_targets(path, line) if accept(path) else ()
        if names:
            held = frame.f_locals
            found += [(name, held[name]) for name in names if isinstance(held.get(name), str | int | float)]
        frame = frame.f_back
    return tuple(reversed(found))


@lru_cache(maxsize=65536)
def _loop_targets(path: str, line: int) -> tuple[str, ...]:
    """The names that loops and comprehensions around a line assign, innermost first."""
    found: list[tuple[int, str]] = []
    for node in _loops(path):
        if node.lineno <= line <= (node.end_lineno or node.lineno):
            targets = [node.target] if isinstance(node, ast.For) else [part.target for part in node.generators]
            names = [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]
            found += [(node.lineno, name) for name in reversed(names)]
    return tuple(name for _, name in sorted(found, key=lambda item: -item[0]))


_Loop = ast.For | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@lru_cache(maxsize=64)
def _loops(path: str) -> tuple[_Loop, ...]:
    try:
        tree = parsed("".join(linecache.getlines(path)))
    except (SyntaxError, ValueError):
        return ()
    return nodes_of(tree, *get_args(_Loop))


def _frames(traceback: TracebackType | None, accept: IsUser) -> list[tuple[FrameType, Span]]:
    found: list[tuple[FrameType, Span]] = []
    mapped: dict[tuple[str, int], tuple[str, int, str]] = {}
    body = False  # whether what comes next is the body of a loop or branch
    while traceback is not None:
        frame = traceback.tb_frame
        mapped.update(_converted(frame))
        at = frame.f_code, traceback.tb_lasti, traceback.tb_lineno
        span = _span_at(*at, accept, mapped)
        if span is not None:
            if body:
                found.pop()
            found.append((frame, span))
            body = _runs_a_body(*at, mapped)
        traceback = traceback.tb_next
    return found


def _converted(frame: FrameType) -> SourceMap:
    """Where the code comes from that AutoGraph runs from this frame."""
    if frame.f_code.co_name != _CONVERTED_CALL:
        return {}
    known = getattr(frame.f_locals.get("converted_f"), "ag_source_map", {})
    return {
        (made.filename, made.lineno): (origin.loc.filename, origin.loc.lineno, origin.function_name)
        for made, origin in known.items()
    }


def before_autograph(error: BaseException) -> BaseException:
    """The exception itself, of which AutoGraph makes another that tells the user's frames in its message."""
    while (
        (inner := error.__context__) is not None and hasattr(inner, "ag_error_metadata") and _IN_USER_CODE in str(error)
    ):
        error = inner
    return error


def _span_at(code: CodeType, lasti: int, line: int | None, accept: IsUser, mapped: SourceMap) -> Span | None:
    path = code.co_filename
    origin = mapped.get((path, line or 0))
    if origin is not None:
        return _original_span(code, path, lasti, origin) if accept(origin[0]) else None
    if not accept(path) or line is None:
        return None
    return _span_of(code, code.co_filename, lasti, line)


@lru_cache(maxsize=65536)
def _original_span(code: CodeType, made: str, lasti: int, origin: tuple[str, int, str]) -> Span:
    """The expression of the user's from which an instruction of AutoGraph's code comes, or else the statement."""
    path, line, function = origin
    statement = statement_span(path, line, function)
    place = _place(code, lasti)
    if place is None:
        return statement
    found = generated.original(made, place, path, (statement.line, statement.end_line))
    return statement if found is None else make(path, found[:2], found[2:], function)


def _runs_a_body(code: CodeType, lasti: int, line: int | None, mapped: SourceMap) -> bool:
    if (code.co_filename, line or 0) not in mapped:
        return False
    place = _place(code, lasti)
    return place is not None and generated.is_structure(code.co_filename, place)


@lru_cache(maxsize=65536)
def _place(code: CodeType, lasti: int) -> generated.Place | None:
    """Where an instruction stands, in 1-based lines and 0-based columns; None where Python does not know."""
    first, last, start, end = next(islice(code.co_positions(), lasti // 2, None), (None,) * 4)
    if first is None or last is None or start is None or end is None:  # -X no_debug_ranges, code without columns
        return None
    return first, start, last, end


@lru_cache(maxsize=65536)
def _span_of(code: CodeType, path: str, lasti: int, line: int) -> Span | None:
    # `path` is there for the cache, as `made` above: equal code of two files is equal.
    place = _place(code, lasti)
    if place is None:
        return statement_span(path, line, code.co_qualname)
    return make(path, place[:2], place[2:], _short(code.co_qualname))


def make(path: str, start: tuple[int, int], end: tuple[int, int], function: str = "") -> Span:
    """A span from 1-based lines and 0-based columns in UTF-8 bytes, as `ast` and code objects give them."""
    lines = linecache.getlines(path)
    if len(lines) < end[0]:
        return Span(path, start[0], start[1] + 1, end[0], end[1] + 1, "", function)
    first, last = lines[start[0] - 1].encode(), lines[end[0] - 1].encode()
    column = len(first[: start[1]].decode(errors="replace"))
    end_column = len(last[: end[1]].decode(errors="replace"))
    region = [line.rstrip("\r\n") for line in lines[start[0] - 1 : end[0]]]
    region[-1] = region[-1][:end_column]
    region[0] = region[0][column:]
    return Span(str(path), start[0], column + 1, end[0], end_column + 1, "\n".join(region), function)


@lru_cache(maxsize=4096)
def statement_span(path: str, line: int, function: str = "") -> Span:
    """The innermost statement (for a compound one, its head) that holds a line; where only the line is known."""
    lines = linecache.getlines(path)
    best: ast.stmt | None = None
    for statement in _statements(path):
        last = _head_end(statement)
        if statement.lineno <= line <= last and (best is None or statement.lineno >= best.lineno):
            best = statement
    if best is not None:
        head = _head_end(best)
        if head == (best.end_lineno or best.lineno):
            return make(path, (best.lineno, best.col_offset), (head, best.end_col_offset or 0), function)
        return make(
            path, (best.lineno, best.col_offset), (head, len(lines[head - 1].rstrip("\r\n").encode())), function
        )
    if 0 < line <= len(lines):
        text = lines[line - 1].rstrip("\r\n")
        start = len(text) - len(text.lstrip())
        return Span(path, line, start + 1, line, len(text) + 1, text.strip(), function)
    return Span(path, line, 1, line, 1, "", function)


def _head_end(statement: ast.stmt) -> int:
    body: Sequence[ast.stmt] = getattr(statement, "body", ())
    end = statement.end_lineno or statement.lineno
    return max(statement.lineno, min(end, body[0].lineno - 1)) if body else end


@lru_cache(maxsize=64)
def _statements(path: str) -> tuple[ast.stmt, ...]:
    try:
        tree = parsed("".join(linecache.getlines(path)))
    except (SyntaxError, ValueError):
        return ()
    return nodes_of(tree, ast.stmt)


def _short(qualname: str) -> str:
    """`dice` of `factory.<locals>.dice`, but `Dice.call` stays."""
    return qualname.rpartition("<locals>.")[2]


def raised(error: BaseException, accept: IsUser = is_user) -> Raised:
    """An exception as plain data: its type, one clean line, the user's frames and what they were about."""
    error = before_autograph(error)
    frames = _frames(error.__traceback__, accept)
    called, missing = "", ""
    defined = _defined(error, accept)
    if defined:
        return Raised(type(error).__name__, clean_message(error), defined)
    if frames:
        (outer, first), (inner, last) = frames[0], frames[-1]
        called, missing = callee(inner, last.text), left_out(outer, first.text)
    return Raised(type(error).__name__, clean_message(error), tuple(span for _, span in frames), called, missing)


def _defined(error: BaseException, accept: IsUser) -> tuple[Span, ...]:
    """The user's frames in which the graph operation was made that TensorFlow's message blames, outermost first."""
    _, _, told = str(getattr(error, "message", "")).partition(_DEFINED_AT)
    told = told.partition(_DEFINED_AT)[0]  # of several operations that of the first
    places = re.findall(r'(?m)^\s*File "([^"\n]+)", line (\d+), in (\S+)', told)
    # What has us call the loss is no part of it; a bundled example is the user's.
    called = [place for place, (path, _, _) in enumerate(places, 1) if path.startswith(_OWN) and not accept(path)]
    inner = places[called[-1] if called else 0 :]
    return tuple(statement_span(path, int(line), name) for path, line, name in inner if accept(path))


def names(error: BaseException, accept: IsUser = is_user) -> dict[str, Any]:
    """What the names of the innermost of the user's frames of an exception stand for."""
    found = _frames(before_autograph(error).__traceback__, accept)
    return dict(found[-1][0].f_locals) if found else {}


def failed_nodes(error: BaseException) -> tuple[str, ...]:
    """The names of the graph operations that TensorFlow's message blames, in its order."""
    return tuple(first or second for first, second in _BLAMED.findall(str(error)))


def of_compiler(error: BaseException) -> bool:
    """Whether XLA refused to compile, which does not depend on the values of the input."""
    return re.search(r"\btf2xla\b|\bXLA\b", str(error)) is not None


def clean_message(error: BaseException) -> str:
    """One line that says what went wrong, without TensorFlow's node names, device paths and stack dumps."""
    text = str(getattr(error, "message", None) or error)
    ends = r"\n\s*(?:Stack trace for op definition|The op is created at|Arguments received by|Call arguments)"
    text = re.split(ends, text)[0]
    text = re.split(r"\s*Traceback \(most recent call last\):", text)[0] or text  # of what Python raised in the graph
    text = text.replace("<stack traces unavailable>", "")
    text = re.sub(r"Exception encountered when calling [^\n]*\n+", "", text)
    text = re.sub(r"Detected at node[^\n]*\n(?:[ \t][^\n]*\n|\n)*", "", text)
    text = text.replace("<stack traces unavailable>", "")
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    text = re.sub(r"'\{\{node [^}]*\}\} = (\w+)\[[^\]]*\]\([^)]*\)'", r"\1", text)
    text = re.sub(r"\{\{[^}]*\}\}\s*", "", text)
    text = re.sub(r"\s*\[Op:[^\]]*\](?: name:\s*\S*)?", "", text)
    text = re.sub(r"\s*\[\[[^\]]*\]\]", "", text)
    text = re.sub(r"\bgraph __\w+\[[^\]]*\]", "the graph", text)
    text = re.sub(r"Graph execution error:\s*", "", text)
    text = re.sub(rf"(?m)^\s*{_IN_USER_CODE}\s*$", "", text)
    line = " ".join(text.split())
    line = line or type(error).__name__
    return line if len(line) <= _MESSAGE else line[: _MESSAGE - 1] + "…"
