"""Scripts that show what is wrong with a model or a training step of a file, each run before it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

from lossdoctor.findings import Finding, LossReport
from lossdoctor.readings.model import Batch, ModelRun
from lossdoctor.readings.step import StepRun
from lossdoctor.search.reproduce import relative
from lossdoctor.session import SessionError

_SCRIPT = """\
# {name}: {target}
# Exit status: 1 while the fault stands, 0 once it is mended, 2 if it could not be examined.
import traceback

try:
{opening}except Exception:
    traceback.print_exc()
    raise SystemExit(2)


def fault():
{body}

try:
    raise SystemExit(int(fault()))
except Exception:
    traceback.print_exc()
    raise SystemExit(2)
"""
_GRADIENTS = """\
with tf.GradientTape() as tape:
    prediction = model(taken(x), training=True)
    total = model.compute_loss(x=taken(x), y=taken(y), y_pred=prediction, sample_weight=taken(sample_weight))
gradients = tape.gradient(total, [one.value for one in model.trainable_variables])
"""
_NONFINITE = (
    _GRADIENTS
    + """\
bad = sum(one is not None and not np.isfinite(tf.convert_to_tensor(one).numpy()).all() for one in gradients)
print(f"loss {float(total)}; {bad} of {len(gradients)} gradients are not finite")
return bad > 0 or not np.isfinite(float(total))
"""
)
_WITHOUT = (
    _GRADIENTS
    + """\
missing = [model.trainable_variables[place].path for place in PLACES if gradients[place] is None]
print(f"{len(missing)} variables have no gradient", *missing[:1])
return len(missing) > 0
"""
)
_STEPS = """\
values = []
for _ in range(30):
    with tf.GradientTape() as tape:
        prediction = model(taken(x), training=True)
        total = model.compute_loss(x=taken(x), y=taken(y), y_pred=prediction, sample_weight=taken(sample_weight))
        scaled = model.optimizer.scale_loss(total)
    gradients = tape.gradient(scaled, [one.value for one in model.trainable_variables])
    pairs = zip(gradients, model.trainable_variables)
    model.optimizer.apply_gradients([(one, to) for one, to in pairs if one is not None])
    values.append(float(total))
print(f"30 steps on this batch take the loss from {values[0]:.4g} to {np.median(values[-5:]):.4g}")
return not np.isfinite(values).all() or values[0] - np.median(values[-5:]) < 0.01 * abs(values[0])
"""
_RAISES = """\
try:
    prediction = model(taken(x), training=True)
    model.compute_loss(x=taken(x), y=taken(y), y_pred=prediction, sample_weight=taken(sample_weight))
except Exception as problem:
    print(type(problem).__name__, problem)
    return type(problem).__name__ == RAISED
return False
"""
_HOLDS = """\
wrong = []
for one in tf.nest.flatten(ROLE):
    one = np.asarray(one)
    wrong += list(np.argwhere(~np.isfinite(one))) if one.dtype.kind == "f" else []
print(f"{len(wrong)} values of ROLE are not finite", *wrong[:1])
return len(wrong) > 0
"""
_LABELS = """\
labels, classes = np.asarray(y), int(model(taken(x)).shape[-1])
wrong = np.argwhere(((labels < 0) | (labels >= classes)) & (labels != IGNORED))
print(f"{len(wrong)} labels are outside 0 to {classes - 1}", *wrong[:1])
return len(wrong) > 0
"""
_MOVES = """\
before = [one.numpy().copy() for one in variables]
try:
    step(*batch)
except Exception as problem:
    if type(problem).__name__ != RAISED:
        raise
    print(type(problem).__name__, problem)
    return True
moved = sum(not np.array_equal(one, to.numpy()) for one, to in zip(before, variables))
print(f"a step changes {moved} of {len(before)} trainable variables")
return moved WRONG
"""
_SPOILS = """\
step(*batch)
bad = sum(not np.isfinite(one.numpy()).all() for one in variables)
print(f"after a step {bad} of {len(variables)} trainable variables are not finite")
return bad > 0
"""
_OF_MODEL = {
    "nonfinite-input": _HOLDS.replace("ROLE", "x"),
    "nonfinite-target": _HOLDS.replace("ROLE", "y"),
    "label-out-of-range": _LABELS,
    "too-few-outputs": _LABELS,
    "nonfinite-layer": _NONFINITE,
    "loss-not-finite": _NONFINITE,
    "nonfinite-backward": _NONFINITE,
    "variable-without-gradient": _WITHOUT,
    "loss-without-gradient": _WITHOUT,
    "no-loss": _RAISES,
    "loss-raises": _RAISES,
    "model-raises": _RAISES,
    "index-out-of-range": _RAISES,
    "input-shape": _RAISES,
    "unscaled-input": _STEPS,
    "unscaled-target": _STEPS,
    "loss-does-not-move": _STEPS,
    "rate-too-high": _STEPS,
    "rate-too-low": _STEPS,
    "optimizer-not-finite": _STEPS,
}
_STANDS_STILL = _MOVES.replace("WRONG", "== 0")
_OF_STEP = {
    **dict.fromkeys(
        (
            "outside-tape", "unwatched-source", "gradients-not-applied", "tape-used-twice", "leaves-tensorflow",
            "loss-is-a-number", "made-in-step", "step-raises", "no-gradient-in-step",
        ),
        _STANDS_STILL,
    ),
    "step-not-finite": _SPOILS,
    "test-step-trains": _MOVES.replace("WRONG", "> 0"),
}  # fmt: skip


def shown(report: LossReport, program: Any, session: Any, paths: tuple[str, ...]) -> LossReport:
    """The report with a script for each finding that one can show, after the script has shown it.

    Args:
        program: what the worker gave (`trials.program.Program`).
        session: of a worker, to run the scripts.
        paths: the user's files that the scripts read.
    """
    tried: dict[str, bool] = {}
    findings: list[Finding] = []
    for finding in report.findings:
        body = _body(finding, program.batch, program.run, program.step)
        code = "" if body is None else _script(report.target, finding, program.opening, body, paths)
        if body is not None and body not in tried:
            try:
                tried[body] = session.replay(code).status == 1
            except SessionError:
                tried[body] = False
        findings.append(replace(finding, reproduce=code) if body is not None and tried[body] else finding)
    return replace(report, findings=tuple(findings))


def _script(target: str, finding: Finding, opening: str, body: str, paths: tuple[str, ...]) -> str:
    for path in paths:
        opening = relative(opening, path)
    name = finding.name.replace("-", " ").capitalize()
    target = Path(target).name if Path(target).is_absolute() else target
    return _SCRIPT.format(
        name=name, target=target, opening=indent(opening, "    "), body=indent(body.rstrip() + "\n", "    ")
    )


def _body(finding: Finding, batch: Batch | None, run: ModelRun | None, step: StepRun | None) -> str | None:
    if finding.evidence != "witnessed":
        return None
    if step is not None:
        return _filled(_OF_STEP.get(finding.name), {"RAISED": repr(step.raised.type if step.raised else "")})
    if run is None or batch is None:
        return None
    outputs = [output for output in batch.outputs if output.loss is not None]
    body = _OF_MODEL.get(finding.name)
    if body is _LABELS and (len(batch.outputs) != 1 or not outputs or outputs[0].loss is None):
        return None
    ignored = outputs[0].loss.ignored if outputs and outputs[0].loss is not None else None
    without = [place for place, variable in enumerate(run.variables) if variable.flow == "none"]
    return _filled(
        body,
        {
            "RAISED": repr(run.raised.type if run.raised else ""),
            "PLACES": repr(without),
            "IGNORED": "np.nan" if ignored is None else repr(ignored),
        },
    )


def _filled(body: str | None, values: Mapping[str, str]) -> str | None:
    if body is None:
        return None
    for name, value in values.items():
        body = body.replace(name, value)
    return dedent(body)
