"""Offer mends: each is applied to a copy, loaded, traced and examined like any loss, and offered only if it holds.

It holds if the finding is gone, no error or warning is new, and the loss computes what it did where it was healthy.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from lossdoctor.engine.agreement import Baseline, baseline
from lossdoctor.engine.attempt import (
    Key,
    Step,
    again,
    file_of,
    flat,
    has_edits,
    key_of,
    restored,
    site_of,
    target_of,
    wanted,
)
from lossdoctor.engine.copies import Copy, copied
from lossdoctor.engine.readings import Readings
from lossdoctor.engine.witnesses import Witnesses
from lossdoctor.findings import Edit, Finding, Fix, Gap, LossReport, UsageError
from lossdoctor.probes.pace import BATCH
from lossdoctor.rewrite import Change, Proposal, Source, propose
from lossdoctor.rewrite.text import apply, composed, moved
from lossdoctor.session import Session, SessionError
from lossdoctor.source.module import SourceModule, read_module

if TYPE_CHECKING:
    from lossdoctor.engine.examine import Job
    from lossdoctor.findings import ErrorItem

Examine = Callable[["Job", Session], "LossReport | ErrorItem"]
_OUT_OF_TIME = "more proposals of mends; the time for them ran out"

_PROPOSALS = 6  # a finding
_STEPS = 3  # mends that one fix may be made of: two logarithms on one line, a fault behind a fault
# After which no other proposal for a finding, and for a loss, is tried: at least these seconds, and on a busy machine
# (or for a slow loss) as many examinations as a quiet one has time for.
_SECONDS = 1.5
_SECONDS_A_LOSS = 8.0
_EXAMINATIONS = 3.0
_EXAMINATIONS_A_LOSS = 10.0
_LONGEST = 60.0  # seconds a loss; nobody waits longer for a mend


@dataclass(frozen=True)
class Mended:
    """The findings of a loss with what mends were found, and what was not looked for any more."""

    findings: tuple[Finding, ...]
    gaps: tuple[Gap, ...] = ()


@dataclass
class Mender:
    """Looks for the mends of one loss. When it is done, the session has another loss loaded."""

    job: Job
    readings: Readings
    witnesses: Witnesses
    findings: tuple[Finding, ...]
    examine: Examine
    spent: float  # seconds that examining the loss took
    _baseline: Baseline | None = None
    _seconds: float | None = None  # of one training step of the loss, where findings are about efficiency
    _deadline: float = 0.0
    _started: float = field(default_factory=time.perf_counter)
    # What was tried, by the text and by how it was compared: several findings lead to the same mend.
    _tried: dict[tuple[object, ...], Step | None] = field(default_factory=dict[tuple[object, ...], "Step | None"])
    _ended: bool = False  # the time for the finding at hand ran out with proposals left

    @property
    def _limit(self) -> float:
        """Seconds after which no proposal for another finding is tried."""
        return max(_SECONDS_A_LOSS, min(_LONGEST, _EXAMINATIONS_A_LOSS * self.spent))

    def mended(self) -> Mended:
        """The findings, with a fix wherever one held; a gap for each whose proposals were not all tried."""
        results = list(self.findings)
        late: list[Finding] = []
        try:
            for index, finding in enumerate(results):
                if not wanted(finding) or has_edits(results[index]):
                    continue
                if time.perf_counter() - self._started > self._limit:
                    late.append(finding)
                    continue
                allowed = max(_SECONDS, _EXAMINATIONS * self.spent)
                self._deadline = min(time.perf_counter() + allowed, self._started + self._limit)
                self._ended = False
                found = self._fix(finding)
                if found is None:
                    late += [finding] if self._ended else []
                    continue
                fix, healed = found
                for other, candidate in enumerate(results):
                    if other == index or (candidate in healed and not has_edits(candidate)):
                        results[other] = replace(candidate, fix=fix)
        except SessionError as problem:
            # A mended loss that ends the process is no mend; what was found before stands.
            if problem.died is None:
                raise
        without = [f for f, result in zip(self.findings, results, strict=True) if not has_edits(result)]
        places = dict.fromkeys((f.location.path, f.location.line) for f in without if any(f is item for item in late))
        return Mended(tuple(results), tuple(Gap(_OUT_OF_TIME, path, line, "mends") for path, line in places))

    def _fix(self, finding: Finding) -> tuple[Fix, list[Finding]] | None:
        """A fix that holds, and the other findings that it mends as well."""
        path = os.path.realpath(self.job.folder / finding.location.path)
        if not os.path.isfile(path):
            return None
        try:
            source = Source(read_module(path))
        except UsageError:
            return None
        start = Step(source, path, self.readings.loaded, self.readings.traced.traced)
        end = self._search(start, finding, finding, source)
        if end is None:
            return None
        assert end.report is not None
        left = Counter(key_of(f, finding_path) for f, finding_path in self._located(end))
        healed: list[Finding] = []
        for other in self.findings:
            if other is finding or not wanted(other):
                continue
            key = self._mapped(other, path, source, end.changes)
            if left[key] == 0:
                healed.append(other)
        return self._as_fix(end, finding, source), healed

    def _search(self, step: Step, finding: Finding, cause: Finding, source: Source) -> Step | None:
        """The first proposal for `finding`, in the text of `step`, with which nothing of `cause` is left."""
        if os.path.realpath(self.job.folder / finding.location.path) != file_of(source):
            return None
        site = site_of(step, finding, self.readings)
        for number, proposal in enumerate(islice(propose(site), _PROPOSALS)):
            if number and time.perf_counter() > self._deadline:
                self._ended = True
                break
            tried = self._try(step, proposal, source)
            if tried is None:
                continue
            new, remaining = self._left(tried, cause, source)
            if not new and not remaining:
                return tried
            left = [*new, *remaining]
            if again(finding, left[0], proposal, tried, self.job.folder):
                continue  # the same guard around itself comes no further
            further = self._further(tried, left, cause, source)
            if further is not None:
                return further
        return None  # half a mend is none: the line would still go wrong

    def _further(self, step: Step, left: Sequence[Finding], cause: Finding, source: Source) -> Step | None:
        """Mend what the first mend left or brought to light."""
        if len(step.proposals) >= _STEPS:
            return None
        # A mend that holds so far is worth another moment.
        more = _STEPS * max(_SECONDS, _EXAMINATIONS / 2.0 * self.spent)
        if time.perf_counter() > min(self._deadline + more, self._started + max(self._limit, _LONGEST)):
            self._ended = True
            return None
        return self._search(step, left[0], cause, source)

    def _try(self, step: Step, proposal: Proposal, source: Source) -> Step | None:
        """Examine the loss with one more mend; None if it cannot be loaded, or computes something else."""
        try:
            changes = composed(step.changes, proposal.changes, source.text)
            text = apply(source.text, changes)
            compile(text, "mended", "exec")
        except (ValueError, SyntaxError):
            return None
        proposals = (*step.proposals, proposal)
        proposal = replace(proposal, rounding=next((item.rounding for item in proposals if item.rounding), ""))
        if len({item.agreement for item in proposals}) > 1:
            return None
        alters = any(item.changes_values for item in proposals)
        key = (file_of(source), text, alters, proposal.agreement, proposal.rounding)
        if key not in self._tried:
            self._tried[key] = self._examined(proposal, proposals, changes, text, source, alters=alters)
        known = self._tried[key]
        return None if known is None else replace(known, changes=changes, proposals=proposals)

    def _examined(
        self,
        proposal: Proposal,
        proposals: tuple[Proposal, ...],
        changes: tuple[Change, ...],
        text: str,
        source: Source,
        *,
        alters: bool,
    ) -> Step | None:
        """The loss with another text of one file, examined."""
        if self._baseline is None:
            self._baseline = baseline(self.readings, self.witnesses)
            self._seconds = self._pace()
        changed = file_of(source)
        target = os.path.realpath(self.readings.loaded.path)
        session = self.readings.session
        try:
            with copied(target, changed, text, self.job.folder) as copy:
                load = target_of(self.job, copy)
                loaded = session.load(load)
                traced = session.trace(self.readings.contract)
                graph = traced.traced
                if graph is None and self.readings.traced.traced is not None:
                    return None
                if not self._baseline.agrees(session, traced, proposal, changed=alters):
                    return None
                report = self.examine(self._job(load, copy), session)
                if not isinstance(report, LossReport):
                    return None
                new = Source(SourceModule(text, str(copy.changed)))
                seconds = self._pace()
                report = replace(report, findings=tuple(restored(f, copy) for f in report.findings))
                return Step(new, str(copy.changed), loaded, graph, changes, proposals, report, seconds)
        except (OSError, UsageError):
            return None
        except SessionError as problem:
            if problem.died is not None:
                raise
            return None

    def _pace(self) -> float | None:
        """The seconds of one training step of what the session has loaded, where findings are about efficiency."""
        if all(finding.family != "efficiency" for finding in self.findings):
            return None
        return self.readings.session.probe("pace", self.readings.contract)

    def _job(self, load: str, copy: Copy) -> Job:
        return replace(
            self.job,
            target=load,
            load=load,
            contracts=(self.readings.contract,),
            folder=copy.folder,
            settings=replace(self.job.settings, mends=False),
            progress=_silent,
        )

    def _left(self, step: Step, cause: Finding, source: Source) -> tuple[list[Finding], list[Finding]]:
        """Errors and warnings that the old loss did not have, and consequences of the cause that are still there."""
        path = file_of(source)
        others = Counter(
            self._mapped(f, path, source, step.changes)
            for f in flat(self.findings)
            if wanted(f) and f is not cause and not any(f is item for item in cause.consequences)
        )
        own = Counter(self._mapped(f, path, source, step.changes) for f in cause.consequences if wanted(f))
        new: list[Finding] = []
        remaining: list[Finding] = []
        for finding, place in self._located(step):
            key = key_of(finding, place)
            if others[key]:
                others[key] -= 1
            elif own[key]:
                own[key] -= 1
                remaining.append(finding)
            elif finding.severity == "error" or self.readings.traced.traced is not None:
                new.append(finding)  # what only a graph shows is no news where the old loss had none
        return new, remaining

    def _located(self, step: Step) -> Iterator[tuple[Finding, str]]:
        """The errors and warnings of a step with the user's files that they are in."""
        assert step.report is not None
        for finding in flat(step.report.findings):
            if wanted(finding):
                yield finding, os.path.realpath(self.job.folder / finding.location.path)

    def _mapped(self, finding: Finding, path: str, source: Source, changes: Sequence[Change]) -> Key:
        """Where a finding of the original text is once the changes are made."""
        place = os.path.realpath(self.job.folder / finding.location.path)
        line = finding.location.line
        if place == path:
            offset = moved(source.offset(line, finding.location.column), changes)
            line = apply(source.text, changes).count("\n", 0, offset) + 1
        return finding.rule, place, line

    def _as_fix(self, end: Step, finding: Finding, source: Source) -> Fix:
        edits = tuple(
            Edit(finding.location.path, source.position(c.start), source.position(c.end), c.text) for c in end.changes
        )
        title = "; ".join(dict.fromkeys(item.title for item in end.proposals))
        gain = ""
        if finding.family == "efficiency" and self._seconds and end.seconds:
            ratio = self._seconds / end.seconds
            gain = f"{ratio:.{0 if ratio >= 10 else 1}f} times as fast with {BATCH} samples"
        return Fix(
            f"{title} ({gain})" if gain else title,
            edits,
            verified=True,
            changes_values=any(item.changes_values for item in end.proposals),
            measured=gain,
        )


def _silent(target: str, stage: str) -> None:
    """No progress is shown while mends are tried."""


def mended(
    job: Job,
    readings: Readings,
    witnesses: Witnesses,
    findings: tuple[Finding, ...],
    examine: Examine,
    spent: float,
) -> Mended:
    """The findings with verified fixes; `spent` seconds went into examining the loss.

    Afterwards the session has another loss loaded.
    """
    if job.loaded is not None or not any(wanted(finding) for finding in findings):
        return Mended(findings)  # a live loss is not loaded from its file a second time
    if not Path(readings.loaded.path).is_file():
        return Mended(findings)
    return Mender(job, readings, witnesses, findings, examine, spent).mended()
