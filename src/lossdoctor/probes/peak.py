"""Whether the target is a peak of the loss: a term of wrong sign that counts near the target only."""

from __future__ import annotations

import numpy as np

from lossdoctor.probes import targets
from lossdoctor.probes.calls import Caller
from lossdoctor.probes.draws import draw
from lossdoctor.readings import Counterexample
from lossdoctor.session import Pair
from lossdoctor.spec import Contract, Spec

_KINDS = ("real", "positive", "unit")  # around whose targets there are predictions on both sides
_DRAWS = 6
_STEPS = (0.01, 0.05, 0.2)  # of the standard deviation of the targets
_DEPTH = 1e-3  # of what the loss differs by between predictions


def peak(call: Caller, contract: Contract, known: targets.Meaning, rng: np.random.Generator) -> Counterexample | None:
    """A prediction near the target with a lower loss than the target has, where in every draw the loss falls in both
    directions from there; None otherwise.

    A loss that is not quite minimal at the target, as one with a penalty of the prediction or one that scales it, falls
    in one direction and rises in the other.
    """
    true, spec = contract.y_true, contract.y_pred
    if not isinstance(true, Spec) or not isinstance(spec, Spec) or true.kind != spec.kind or spec.kind not in _KINDS:
        return None
    for step in _STEPS:
        found: list[Counterexample] = []
        for _ in range(_DRAWS):
            example = _both_lower(call, spec, known, step, rng)
            if example is None:
                break
            found.append(example)
        else:
            return max(found, key=lambda one: one.margin)
    return None


def _both_lower(
    call: Caller, spec: Spec, known: targets.Meaning, step: float, rng: np.random.Generator
) -> Counterexample | None:
    y_true = draw(call.contract.y_true, rng, call.sizes)
    if spec.kind == "unit":
        y_true = (0.25 + 0.5 * y_true).astype(y_true.dtype)
    target = targets.as_prediction(known.targets[0](y_true), spec)
    size = step * float(np.std(target)) * rng.choice((-1.0, 1.0), size=target.shape)
    if spec.kind == "positive":
        size = size * np.minimum(1.0, target)  # both sides stay positive
    # In no special direction, and in one that no normalisation by the batch turns into another.
    moves = [sign * move for move in (size, step * target) for sign in (1.0, -1.0)]
    sides = [targets.as_prediction(target + move, spec) for move in moves]
    others = [targets.as_prediction(draw(spec, rng, call.sizes), spec) for _ in range(2)]
    at_target, *near, first, second = (call.mean(Pair(y_true, one)) for one in (target, *sides, *others))
    if not np.all(np.isfinite([at_target, *near, first, second])):
        return None
    spread = max(abs(first - at_target), abs(second - at_target))
    if max(near) >= at_target - max(_DEPTH * spread, 1e-5 * abs(at_target)):
        return None
    lowest = int(np.argmin(near))
    margin = (at_target - near[lowest]) / spread if spread else float("inf")
    return Counterexample("near", Pair(y_true, sides[lowest]), target, at_target, near[lowest], margin)
