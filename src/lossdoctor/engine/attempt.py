"""One attempt at a mend: the text of a file with it, and how its findings compare with those of the original."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lossdoctor.engine.copies import Copy
from lossdoctor.engine.readings import Readings
from lossdoctor.findings import Finding, LossReport, at_or_above
from lossdoctor.graph.ir import LossGraph, Span
from lossdoctor.rewrite import Change, Proposal, Source
from lossdoctor.rewrite.proposal import Site
from lossdoctor.rewrite.text import moved
from lossdoctor.session import Loaded
from lossdoctor.targets import parse_target

if TYPE_CHECKING:
    from lossdoctor.engine.examine import Job

Key = tuple[str, str, int]  # rule, file, line


@dataclass(frozen=True)
class Step:
    """A text of the file: the original one, or one with mends in it."""

    source: Source
    path: str  # of the file with that text
    loaded: Loaded
    graph: LossGraph | None
    changes: tuple[Change, ...] = ()  # of the original text
    proposals: tuple[Proposal, ...] = ()
    report: LossReport | None = None
    seconds: float | None = None  # of one training step, where that was measured


def again(finding: Finding, left: Finding, proposal: Proposal, after: Step, folder: Path) -> bool:
    """Whether what a mend left is the same fault, at the very expression that it wrote; paths are relative to
    `folder`."""
    paths = {os.path.realpath(folder / item.location.path) for item in (finding, left)}
    if left.rule != finding.rule or len(paths) > 1:
        return False
    place, source = left.location, after.source
    start, end = source.offset(place.line, place.column), source.offset(place.end_line, place.end_column)
    for change in proposal.changes:
        low = moved(change.start, proposal.changes)
        if start < low + len(change.text) and low < end:
            return True
    return False


def file_of(source: Source) -> str:
    return os.path.realpath(source.module.path)


def site_of(step: Step, finding: Finding, readings: Readings) -> Site:
    place = finding.location
    span = Span(step.path, place.line, place.column, place.end_line, place.end_column)
    return Site(step.source, step.path, step.source.at(span), step.graph, finding, step.loaded, readings.contract)


def target_of(job: Job, copy: Copy) -> str:
    reference = parse_target(job.load)
    return f"{copy.target}:{reference.name}{reference.arguments or ''}"


def restored(finding: Finding, copy: Copy) -> Finding:
    """The finding with the user's file in the place of its copy."""
    location = replace(finding.location, path=copy.original(finding.location.path))
    inner = tuple(restored(item, copy) for item in finding.consequences)
    return replace(finding, location=location, consequences=inner)


def flat(findings: Sequence[Finding]) -> Iterator[Finding]:
    for finding in findings:
        yield finding
        yield from flat(finding.consequences)


def wanted(finding: Finding) -> bool:
    return at_or_above(finding.severity, "warning") and finding.evidence != "suspected"


def has_edits(finding: Finding) -> bool:
    """Whether there is more than advice."""
    return finding.fix is not None and bool(finding.fix.edits)


def key_of(finding: Finding, path: str) -> Key:
    return finding.rule, path, finding.location.line
