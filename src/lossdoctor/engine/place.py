"""Where in the user's files something is, in paths that a person can read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lossdoctor.findings import Link, Location
from lossdoctor.graph.ir import LossGraph, Span
from lossdoctor.session import Loaded

_LINKS_AT_MOST = 8


@dataclass(frozen=True)
class Places:
    """Turns spans into locations relative to `folder` (absolute outside it)."""

    loaded: Loaded
    folder: Path

    def path(self, path: str) -> str:
        return readable(path, self.folder)

    def locate(self, calls: Sequence[Span]) -> tuple[Location, str]:
        """The deepest user frame, or the definition of the target, and the function that holds it."""
        span = calls[-1] if calls else self.loaded.span
        location = Location(self.path(span.path), span.line, span.column, span.end_line, span.end_column)
        return location, span.function or self.loaded.name

    def chain(self, graph: LossGraph, nodes: Sequence[int]) -> tuple[Link, ...]:
        """The user's expressions along a chain of nodes, each once, from the fault to the loss or its gradient."""
        links: list[Link] = []
        for number in nodes:
            node = graph[number]
            calls = graph.calls(node)
            if not calls:
                continue
            span = calls[-1]
            backward = "gradient of " if node.role == "gradient" else ""
            link = Link(self.path(span.path), span.line, backward + " ".join(span.text.split()))
            if link not in links:
                links.append(link)
        if len(links) > _LINKS_AT_MOST:
            links = [*links[: _LINKS_AT_MOST - 1], links[-1]]
        return tuple(links)


def readable(path: str, folder: Path) -> str:
    """A path relative to a folder; absolute outside it."""
    try:
        return Path(os.path.realpath(path)).relative_to(os.path.realpath(folder)).as_posix()
    except ValueError:
        return str(Path(path))
