"""A loss that cannot even be made: its constructor raises, or the file uses what this Keras does not have."""

from __future__ import annotations

from textwrap import dedent

from lossdoctor.engine.examine import Job
from lossdoctor.engine.place import Places
from lossdoctor.findings import Finding, Gap, LossReport
from lossdoctor.rules.exceptions import missing_symbol
from lossdoctor.rules.registry import all_rules
from lossdoctor.search.reproduce import relative
from lossdoctor.session import Loaded, Raised, Session, SessionError
from lossdoctor.targets import TargetRef, parse_target


def report_of_construction(job: Job, session: Session, problem: SessionError) -> LossReport | None:
    """The finding, if Keras refuses the loss and a script meets the same; None where the fault is none of the loss's.

    An exception while the file is imported counts only where it names something that Keras or TensorFlow lacks; one
    of the constructor also where Keras raises it, inside `super().__init__`, or where no author raises it on purpose.
    """
    raised = problem.raised
    reference = parse_target(job.load)
    if raised is None or not raised.calls or reference.name is None or reference.path is None:
        return None
    symbol = missing_symbol(raised)
    keras = "super(" in raised.calls[-1].text
    if not symbol and not keras and not _mistaken(raised):
        return None
    code = _script(reference, raised)
    if session.replay(code).status != 1:
        return None
    code = relative(code, reference.path)
    who = "Keras" if keras else "its constructor"
    what = f"`{symbol}` does not exist in this version" if symbol else f"{who} raises {raised.type}: {raised.message}"
    return _report(job, reference, raised, f"the loss cannot be made: {what}", code)


def _mistaken(raised: Raised) -> bool:
    """Whether the constructor raised what is a mistake of its code, not a refusal of its arguments."""
    last = raised.calls[-1]
    return (
        last.function.endswith("__init__")
        and raised.type in ("AttributeError", "NameError", "UnboundLocalError", "TypeError")
        and not last.text.lstrip().startswith("raise ")
    )


def _script(reference: TargetRef, raised: Raised) -> str:
    assert reference.path is not None
    loader = dedent(f"""\
        import importlib.util
        import os
        import sys

        sys.path.insert(0, os.path.dirname({reference.path!r}))
        _spec = importlib.util.spec_from_file_location("_user", {reference.path!r})
        _module = importlib.util.module_from_spec(_spec)
        sys.modules[_spec.name] = _module
        """)
    made = f"_module.{reference.name}{reference.arguments or ''}"
    return (
        f"# The loss cannot be made: {reference.name}\n"
        "# Exit status: 1 while the fault stands, 0 once it is mended, 2 if it could not be examined.\n"
        + loader
        + dedent(f"""\

        try:
            _spec.loader.exec_module(_module)
            made = {made}
            made() if isinstance(made, type) else made
        except Exception as error:
            print(f"{{type(error).__name__}}: {{' '.join(str(error).split())[:200]}}")
            raise SystemExit(1 if type(error).__name__ == {raised.type!r} else 2)
        print("it can be made")
        """)
    )


def _report(job: Job, reference: TargetRef, raised: Raised, message: str, code: str) -> LossReport:
    rule = next(rule for rule in all_rules() if rule.name == "cannot-be-made")
    span = raised.calls[-1]
    loaded = Loaded(
        target=job.target, name=reference.name or "", kind="class", path=span.path, line=span.line,
        parameters=("y_true", "y_pred"), span=span, loader="",
    )  # fmt: skip
    places = Places(loaded, job.folder)
    location, function = places.locate(raised.calls)
    contract = job.contracts[0] if job.contracts else None
    return LossReport(
        target=job.target,
        path=places.path(span.path),
        line=span.line,
        y_true=contract.shown[0] if contract else "",
        y_pred=contract.shown[1] if contract else "",
        origin=contract.origin if contract else "inferred",
        assumptions=contract.assumptions if contract else (),
        verdict="broken",
        findings=(
            Finding(
                rule=rule.code,
                name=rule.name,
                family=rule.family,
                severity=rule.severity,
                evidence="witnessed",
                when=("eager", "graph"),
                message=message,
                location=location,
                function=function,
                reproduce=code,
                url=f"https://lossdoctor.readthedocs.io/rules/{rule.code}",
            ),
        ),
        facts=(),
        gaps=(Gap("nothing was examined after that", places.path(span.path), location.line, "all"),),
    )
