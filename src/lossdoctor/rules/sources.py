"""Places of the source text as the spans that a suspicion points at."""

from __future__ import annotations

import ast

from lossdoctor.graph.ir import Span
from lossdoctor.source.module import SourceModule


def span_of(module: SourceModule, node: ast.expr | ast.stmt | ast.arg) -> Span:
    """The text of a node of the module, with 1-based columns in characters (ast counts UTF-8 bytes from 0)."""
    end_line, end = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
    return Span(
        module.path,
        node.lineno,
        _characters(module.lines[node.lineno - 1], node.col_offset) + 1,
        end_line,
        _characters(module.lines[end_line - 1], end) + 1,
        module.segment(node),
    )


def _characters(line: str, offset: int) -> int:
    return len(line.encode()[:offset].decode(errors="replace"))
