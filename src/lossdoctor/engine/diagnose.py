"""A model with a batch: run it, ask the rules of LD8xx, examine its losses, and say whose fault it is."""

from __future__ import annotations

import inspect
import time
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lossdoctor.engine.order import verdict
from lossdoctor.engine.place import Places
from lossdoctor.engine.scene import Scene
from lossdoctor.engine.whose import Told, blame
from lossdoctor.findings import Fact, Finding, Gap, LossReport, Witness
from lossdoctor.graph.ir import Span
from lossdoctor.readings.model import Array, Batch, ModelRun
from lossdoctor.rules.registry import Accused, Check, Rule, Suspicion, all_rules
from lossdoctor.session import Loaded
from lossdoctor.spec.arrays import from_array

URL = "https://lossdoctor.readthedocs.io/rules/"
Select = Callable[[Rule, str], bool]
_BARE = ("loss-raises", "model-raises")  # what any other error explains
_FEW = 16  # elements of a sample that a witness shows


def report_of_model(
    target: str,
    batch: Batch,
    run: ModelRun,
    losses: Sequence[LossReport],
    scene: Scene,
    *,
    selected: Select,
    folder: Path,
) -> LossReport:
    """What the readings of a model and a batch, and the reports of its losses, come to.

    Args:
        target: what to call the model.
        losses: the reports of the losses of the user's own.
        scene: where the parts of the program stand.
        selected: which rules are wanted.
        folder: what paths are relative to.
    """
    started = time.perf_counter()
    uses = {output.name: output.loss for output in batch.outputs if output.loss is not None}
    scene = replace(scene, layers=run.layers, losses=uses)
    places = places_of(scene, folder)
    notes: list[str] = []
    told = findings_of({Batch: batch, ModelRun: run}, scene, places, selected, notes, batch)
    found = tuple(one.finding for one in told)
    own = blame(told, losses, run)
    anchor = scene.span("model")
    y_true = {output.name or "y": _text(output.y_true, "y_true") for output in batch.outputs}
    y_pred = {output.name or "y": _text(output.y_pred, "y_pred") for output in batch.outputs}
    return LossReport(
        target=target,
        path=places.path(anchor.path) if anchor.path else "",
        line=anchor.line,
        y_true=_joined(y_true),
        y_pred=_joined(y_pred),
        origin="data",
        assumptions=tuple(_assumptions(batch)),
        verdict=verdict(found, complete=run.finite and not notes),
        findings=found,
        facts=tuple(_facts(batch, run)),
        gaps=tuple(Gap(note, "", 1, "internal") for note in notes),
        seconds={**run.seconds, "rules": time.perf_counter() - started},
        blame=own,
    )


def places_of(scene: Scene, folder: Path) -> Places:
    """Turns the spans of a scene into locations; what has none stands where the scene falls back to."""
    nowhere = scene.fallback
    loaded = Loaded("", "", "model", scene.path, max(nowhere.line, 1), ("y_true", "y_pred"), nowhere, "")
    return Places(loaded, folder)


def findings_of(
    readings: Mapping[Any, Any], scene: Scene, places: Places, selected: Select, notes: list[str], batch: Batch | None
) -> list[Told]:
    """The findings of the rules that need these readings and no other, the cause that matters most first."""
    told: list[Told] = []
    for rule in all_rules():
        if not selected(rule, ""):
            continue
        for check in rule.checks:
            wanted = _needs(check)
            if not wanted or not all(kind in readings for kind in wanted.values()):
                continue
            try:
                suspicions = list(check(**{name: readings[kind] for name, kind in wanted.items()}))
            except Exception as problem:  # a crash in one rule must not hide the others
                notes.append(
                    f"rule {rule.code} failed ({type(problem).__name__}: {problem}); this is a bug in lossdoctor"
                )
                continue
            told += [_told(one, scene, places, batch) for one in suspicions]
    kept = [one for one in told if selected(_rule(one.finding.rule), one.finding.location.path)]
    if any(one.finding.severity == "error" and one.finding.name not in _BARE for one in kept):
        kept = [one for one in kept if one.finding.name not in _BARE]
    order = ("error", "warning", "info")
    return sorted(kept, key=lambda one: (order.index(one.finding.severity), one.accused.rank, one.finding.rule))


def _told(one: Suspicion, scene: Scene, places: Places, batch: Batch | None) -> Told:
    accused = one.accused or Accused("model")
    span = scene.span(accused.what) if accused.what else (one.calls[-1] if one.calls else scene.fallback)
    location, function = places.locate((span,))
    if not span.path:
        location = replace(location, path="")
    finding = Finding(
        rule=one.rule.code,
        name=one.rule.name,
        family=one.family or one.rule.family,
        severity=one.severity or one.rule.severity,
        evidence=one.evidence,
        when=one.when,
        message=one.message,
        location=location,
        function=function,
        witness=_witness(batch, accused),
        fix=one.fix,
        url=f"{URL}{one.rule.code}",
    )
    return Told(finding, accused)


def _rule(code: str) -> Rule:
    return next(rule for rule in all_rules() if rule.code == code)


def _needs(check: Check) -> dict[str, Any]:
    hints = typing.get_type_hints(check)
    return {name: hints[name] for name in inspect.signature(check).parameters}


def _witness(batch: Batch | None, accused: Accused) -> Witness | None:
    """Target and prediction of the sample that shows the fault, where they are small."""
    if batch is None or not accused.index or len(batch.outputs) != 1 or accused.what == "x":
        return None
    output, row = batch.outputs[0], accused.index[0]
    true = None if output.y_true is None else output.y_true[row]
    predicted = None
    if output.y_pred is not None and row in batch.rows:
        predicted = output.y_pred[batch.rows.index(row)]
    return Witness(_listed(true), _listed(predicted))


def _listed(value: Any) -> object:
    if value is None or getattr(value, "size", 1) > _FEW:
        return None
    if getattr(value, "dtype", None) is not None and value.dtype.kind == "f":
        value = np.vectorize(lambda one: float(f"{one:.6g}"), otypes=[float])(value)
    listed = value.tolist() if hasattr(value, "tolist") else value
    return listed if isinstance(listed, list) else [listed]


def _text(array: Array | None, role: typing.Literal["y_true", "y_pred"]) -> str:
    """A spec of what is there; text and the like are told as such."""
    if array is None:
        return "none"
    try:
        return str(from_array(array, role))
    except Exception:
        return f"{'text' if array.dtype == object else array.dtype.name}[{','.join(['B', *map(str, array.shape[1:])])}]"


def _joined(parts: Mapping[str, str]) -> str:
    if len(parts) == 1:
        return next(iter(parts.values()))
    return "{" + ", ".join(f'"{name}": "{text}"' for name, text in parts.items()) + "}"


def _assumptions(batch: Batch) -> Iterator[str]:
    if len(batch.rows) < batch.size:
        yield f"{len(batch.rows)} of the {batch.size} samples ran; all were looked at"
    for output in batch.outputs:
        if output.loss is not None and output.loss.stock:
            where = f" of {output.name!r}" if output.name else ""
            yield f"the loss{where}, {output.loss.name}, is Keras's own and is taken to be right"


def _facts(batch: Batch, run: ModelRun) -> Iterator[Fact]:
    """What was run and was fine."""
    del batch
    if run.finite and run.variables:
        yield Fact(
            "finite-value", f"the loss of this batch is {run.value:.6g}", "witnessed", ("eager", "keras-compile")
        )
        fine = sum(variable.flow == "fine" for variable in run.variables)
        yield Fact(
            "gradient",
            f"{fine} of {len(run.variables)} trainable variables get a finite gradient that is not zero",
            "witnessed",
            ("eager",),
        )
    if run.curve is not None and run.curve.finite and run.curve.gain > 0:
        yield Fact(
            "overfits",
            f"{len(run.curve.values)} steps of {run.optimizer} at {run.curve.rate:.3g} on this batch take the loss "
            f"from {run.curve.start:.4g} to {run.curve.end:.4g}",
            "witnessed",
            ("graph",),
        )


def span_of_line(path: str, line: int) -> Span:
    """A whole line of a file, for what has no expression of its own."""
    import linecache

    text = linecache.getline(path, line).rstrip("\n") if path else ""
    indent = len(text) - len(text.lstrip())
    return Span(path, max(line, 1), indent + 1, max(line, 1), max(len(text), indent) + 1, text.strip())
