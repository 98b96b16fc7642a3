"""A loss that takes its process with it: it hangs, exhausts memory, exits."""

from __future__ import annotations

from lossdoctor.engine.examine import Job, inferred
from lossdoctor.engine.place import Places
from lossdoctor.findings import ErrorItem, Finding, Gap, LossReport
from lossdoctor.rules.registry import all_rules
from lossdoctor.search.reproduce import script
from lossdoctor.session import Died, Session, SessionError
from lossdoctor.spec import format_structure

_WHAT = {
    "time": "does not come back",
    "memory": "exhausts the memory",
    "exit": "ends the process",
    "signal": "kills the process",
}


def report_of_death(job: Job, session: Session, died: Died) -> LossReport | ErrorItem:
    """The finding, if the same happens again when a child process calls the loss once; else an error item."""
    rule = next(rule for rule in all_rules() if rule.name == "kills-process")
    try:
        loaded = session.load(job.load)
        contract = (job.contracts or inferred(loaded, job.settings))[0]
        limit = min(job.settings.time_limit, 20.0)
        code = script(loaded, "dies", None, contract, limit=limit)
        replayed = session.replay(code)
    except SessionError as again:
        what = (again.died or died).detail
        return ErrorItem(job.target, f"importing the file of `{job.target}` {_WHAT[died.reason]} ({what})")
    places = Places(loaded, job.folder)
    location, function = places.locate(())
    gap = Gap(f"the worker {_WHAT[died.reason]}: {died.detail}", location.path, location.line, "all")
    finding = Finding(
        rule=rule.code,
        name=rule.name,
        family=rule.family,
        severity=rule.severity,
        evidence="witnessed",
        when=("eager",),
        message=f"calling the loss {_WHAT[died.reason]} ({died.detail})",
        location=location,
        function=function,
        reproduce=code,
    )
    if replayed.status != 1:
        return ErrorItem(job.target, f"the examination was cut off ({died.detail}), and calling the loss alone is fine")
    return LossReport(
        target=job.target,
        path=places.path(loaded.path),
        line=loaded.line,
        y_true=format_structure(contract.y_true),
        y_pred=format_structure(contract.y_pred),
        origin=contract.origin,
        assumptions=contract.assumptions,
        verdict="broken",
        findings=(finding,),
        facts=(),
        gaps=(gap,),
    )
