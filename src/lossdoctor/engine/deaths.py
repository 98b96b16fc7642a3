"""A loss that takes its process with it: it hangs, exhausts memory, exits."""

from __future__ import annotations

from lossdoctor.engine.examine import Job, contracts_of
from lossdoctor.engine.place import Places
from lossdoctor.findings import Calling, ErrorItem, Finding, Gap, LossReport
from lossdoctor.graph.ir import Span
from lossdoctor.rules.registry import all_rules
from lossdoctor.search.reproduce import script
from lossdoctor.session import Died, Loaded, Session, SessionError
from lossdoctor.spec import Contract

_WHAT = {
    "time": "does not come back",
    "memory": "exhausts the memory",
    "exit": "ends the process",
    "signal": "kills the process",
}
# Seconds that a script which starts a process may take beside the call: two imports of TensorFlow on a busy machine.
_START = 60.0


def report_of_death(job: Job, session: Session, problem: SessionError) -> LossReport | ErrorItem:
    """The finding, if the same happens again when a child process calls the loss once; else an error item."""
    assert problem.died is not None
    died, calls = problem.died, problem.raised.calls if problem.raised is not None else ()
    try:
        loaded = session.load(job.load)
    except SessionError as again:
        if again.died is None:
            return ErrorItem(job.target, str(again))
        end = again.died
        frames = again.raised.calls if again.raised is not None else calls
        where = f", at line {frames[-1].line}" if frames else ""
        return ErrorItem(job.target, f"importing the file of `{job.target}` {_WHAT[end.reason]} ({end.detail}{where})")
    contract = contracts_of(job, loaded)[0]
    settings = job.settings
    code = script(loaded, "dies", None, contract, seconds=settings.time_limit, gibibytes=settings.memory_limit)
    try:
        replayed = session.replay(code, limit=3 * settings.time_limit + _START)
    except SessionError:
        replayed = None
    if replayed is None or replayed.status != 1:
        where = f" at line {calls[-1].line}" if calls else ""
        return ErrorItem(
            job.target,
            f"the examination was cut off{where} ({died.detail}), and calling the loss once is fine; "
            "a larger --time-limit or --memory-limit may help",
        )
    stage: Calling = "graph" if replayed.output.startswith("graph:") else "eager"
    return _report(job, loaded, contract, died, calls, code, stage)


def _report(
    job: Job, loaded: Loaded, contract: Contract, died: Died, calls: tuple[Span, ...], code: str, stage: Calling
) -> LossReport:
    rule = next(rule for rule in all_rules() if rule.name == "kills-process")
    places = Places(loaded, job.folder)
    location, function = places.locate(calls)
    finding = Finding(
        rule=rule.code,
        name=rule.name,
        family=rule.family,
        severity=rule.severity,
        evidence="witnessed",
        when=("eager", "graph") if stage == "eager" else ("graph",),
        message=f"calling the loss {_WHAT[died.reason]} ({died.detail})",
        location=location,
        function=function,
        reproduce=code,
        url=f"https://lossdoctor.readthedocs.io/rules/{rule.code}",
    )
    gap = Gap("nothing was examined after that", places.path(loaded.path), location.line, "all")
    return LossReport(
        target=job.target,
        path=places.path(loaded.path),
        line=loaded.line,
        y_true=contract.shown[0],
        y_pred=contract.shown[1],
        origin=contract.origin,
        assumptions=contract.assumptions,
        verdict="broken",
        findings=(finding,),
        facts=(),
        gaps=(gap,),
    )
