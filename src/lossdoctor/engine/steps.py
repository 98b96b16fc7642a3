"""`lossdoctor.check_step(train_step, *batch)`: a training step of the user's own on one batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lossdoctor.engine.diagnose import findings_of, places_of, span_of_line
from lossdoctor.engine.order import verdict
from lossdoctor.engine.run import report_of, selector
from lossdoctor.engine.scene import Scene
from lossdoctor.engine.whose import blame
from lossdoctor.findings import Fact, Gap, LossReport, Report, UsageError
from lossdoctor.readings.step import StepRun
from lossdoctor.session import Settings


def check_step(step: Any, batch: Sequence[Any], *, settings: Settings | None = None, target: str = "") -> Report:
    """Run a training step on a batch and say what is wrong with it; see `lossdoctor.check_step`.

    Raises:
        UsageError: it cannot be called, or not with so many arguments.
    """
    import inspect

    from lossdoctor.trials.step import run_step
    from lossdoctor.worker.state import preserved

    settings = settings or Settings()
    if not callable(step):
        raise UsageError(f"Invalid value for `step`. Expected a function. Received: {type(step).__name__}")
    function = getattr(step, "python_function", step)
    try:
        inspect.signature(function).bind(*batch)
    except TypeError as problem:
        raise UsageError(
            f"Invalid value for `batch`. Expected the arguments of the step. Received: {problem}"
        ) from None
    except ValueError:  # no signature to be had
        pass
    with preserved(settings.seed):
        run = run_step(step, batch)
    return report_of([report_of_step(target or run.name, run, settings, Path.cwd())], settings)


def report_of_step(target: str, run: StepRun, settings: Settings, folder: Path) -> LossReport:
    """What the reading of a step comes to."""
    here = run.definition[-1] if run.definition else span_of_line("", 1)
    scene = Scene(here.path, fallback=here)
    places = places_of(scene, folder)
    notes: list[str] = []
    told = findings_of({StepRun: run}, scene, places, selector(settings, None, None), notes, None)
    found = tuple(one.finding for one in told)
    ran = run.raised is None and not notes and (bool(run.gradients) or run.test)
    gaps = [Gap(note, "", 1, "internal") for note in notes]
    if run.raised is None and not run.gradients and not run.test:
        gaps.append(Gap("no call of tape.gradient was seen", places.path(here.path), here.line, "gradient"))
    return LossReport(
        target=target,
        path=places.path(here.path) if here.path else "",
        line=here.line,
        y_true="",
        y_pred="",
        origin="data",
        assumptions=(),
        verdict=verdict(found, complete=ran),
        findings=found,
        facts=tuple(_facts(run)),
        gaps=tuple(gaps),
        seconds=run.seconds,
        blame=blame(told, (), None),
    )


def _facts(run: StepRun) -> list[Fact]:
    facts: list[Fact] = []
    for call in run.gradients:
        if call.sources and not call.none and not call.nonfinite:
            said = f"`{call.target_text or 'the loss'}` gives each of {len(call.sources)} variables a finite gradient"
            facts.append(Fact("gradient", said, "witnessed", ("eager",)))
    if run.changed and run.raised is None:
        facts.append(Fact("moves", f"one step changes {len(run.changed)} trainable variables", "witnessed", ("eager",)))
    return facts
