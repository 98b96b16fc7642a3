"""Is the gradient that training uses the derivative of the value?

The tape gradient of sum(upstream * value), with upstream weights of either sign, is compared with central
differences along random directions. The weights differ from 1, so a gradient function that forgets its upstream
factor shows. Points at kinks, at jumps and in noise are dropped, never judged.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lossdoctor.probes.calls import Caller, Subject, caller
from lossdoctor.probes.custom_gradients import CustomGradients, custom_gradients
from lossdoctor.probes.draws import pair as draw_pair
from lossdoctor.probes.stops import opposed, unrest, unstopped
from lossdoctor.probes.weighted import Point, Weighted, moved
from lossdoctor.readings import GradientCheck, Mismatch
from lossdoctor.session import Array, Pair
from lossdoctor.spec import Contract

POINTS = 6  # smooth points to find
DRAWS = 12  # tries
DIRECTIONS = 2  # at each point


def probe(subject: Subject, contract: Contract, *, seed: int = 0) -> GradientCheck:
    """Compare tape gradients with differences at ordinary points."""
    rng = np.random.default_rng(seed)
    made = prepared(subject, contract, rng)
    if isinstance(made, GradientCheck):
        return made
    call, weighted = made
    found = custom_gradients(weighted.graph, subject, weighted.predictions)
    check = compare(call, weighted, contract, rng, found)
    if not (check.mismatches and found.custom and found.stop_spans):
        return check
    # Which of the two sets gradient and derivative apart? Without the one, the other is judged alone.
    with unstopped():
        made = prepared(subject, contract, rng)
        if isinstance(made, GradientCheck):
            return check
        alone = compare(*made, contract, rng, replace(found, stopped=False, stop_spans=()))
    return alone if alone.wrong else check


def prepared(subject: Subject, contract: Contract, rng: np.random.Generator) -> GradientCheck | tuple[Caller, Weighted]:
    """The loss, traced; or why it cannot be checked."""
    call = caller(subject, contract, rng)
    if call is None:
        return GradientCheck(False, "the loss does not accept ordinary inputs of its specs")
    first = draw_pair(contract, rng, call.sizes)
    failure = ""
    # In float64 where the loss takes it: differences of float32 values resolve three digits at best.
    for dtype in ("float64", None):
        try:
            weighted = Weighted.traced(call, first, dtype, rng)
            total, again = weighted.at(first).total, weighted.at(first).total
        except Exception as problem:  # the loss is the user's: anything may be raised
            failure = f"{type(problem).__name__}: {problem}".splitlines()[0]
            continue
        if total != again and np.isfinite(total):
            return GradientCheck(False, "two calls with the same input differ: the loss draws random numbers")
        if not weighted.connected:
            return GradientCheck(False, "no gradient reaches y_pred")
        return call, weighted
    return GradientCheck(False, f"the loss cannot be traced: {failure}")


def compare(
    call: Caller,
    weighted: Weighted,
    contract: Contract,
    rng: np.random.Generator,
    found: CustomGradients,
    *,
    enough: int = POINTS,
) -> GradientCheck:
    """Compare at drawn points, until `enough` of them are smooth."""
    checked = skipped = points = 0
    mismatches: list[Mismatch] = []
    ratios: list[float] = []
    centres: list[tuple[Pair, Point]] = []
    for _ in range(DRAWS):
        if points == enough:
            break
        pair = draw_pair(contract, rng, call.sizes)
        try:
            centre = weighted.at(pair)
        except Exception:  # an assertion of the user's: as below
            skipped += 1
            continue
        centres.append((pair, centre))
        smooth = True
        for _ in range(DIRECTIONS):
            along = [rng.normal(size=one.shape) for one in centre.gradients]
            try:
                judged = _judge(weighted, pair, centre, along)
            except Exception:  # a step out of the range that an assertion of the user's guards
                judged = None
            if judged is None:
                skipped += 1
                smooth = False
                continue
            checked += 1
            if judged.difference:
                ratios.append(judged.ratio)
            if abs(judged.tape - judged.difference) > judged.tolerance:
                mismatches.append(judged)
        points += smooth
    stopped = bool(mismatches and found.stop_spans)
    same = len(ratios) >= 4 and np.ptp(ratios) <= 0.02 * abs(np.mean(ratios))
    return GradientCheck(
        applicable=True,
        dtype=weighted.dtype or "as given",
        checked=checked,
        skipped=skipped,
        mismatches=tuple(sorted(mismatches, key=lambda one: -abs(one.tape - one.difference) / one.tolerance)),
        stopped=found.stopped,
        stop_spans=found.stop_spans,
        custom=found.custom,
        pass_through=found.pass_through,
        surrogate=found.surrogate,
        custom_spans=found.custom_spans,
        factor=float(np.mean(ratios)) if same and mismatches else None,
        opposed=opposed(weighted, centres) if stopped else None,
        unrest=unrest(weighted, contract, call.sizes, centres, rng) if stopped else None,
    )


def _judge(weighted: Weighted, pair: Pair, centre: Point, along: list[Array]) -> Mismatch | None:
    """Tape and difference along one direction, or None where the difference says nothing.

    With step h the rounding of the totals gives the one-sided quotients an error of about 4 eps size / h, and the
    curvature one of h f'' / 2; h = eps^(1/3) makes the sum of both small.
    """
    step = weighted.epsilon ** (1.0 / 3.0)
    values = [moved(weighted, pair, along, share * step).total for share in (-1.0, -0.5, 0.5, 1.0)]
    products = [gradient * one for gradient, one in zip(centre.gradients, along, strict=True)]
    tape = float(sum(np.sum(product) for product in products))
    reach = float(sum(np.sum(np.abs(product)) for product in products))
    if not np.all(np.isfinite([*values, centre.total, tape])):
        return None
    wide, narrow = (values[3] - values[0]) / (2.0 * step), (values[2] - values[1]) / step
    left, right = (centre.total - values[1]) / (0.5 * step), (values[2] - centre.total) / (0.5 * step)
    noise = 4.0 * weighted.epsilon * centre.size / (0.5 * step)
    scale = max(abs(tape), abs(narrow), 0.05 * reach)
    relative = 0.01 if weighted.epsilon < 1e-10 else 0.05
    # A kink or a jump between the points: the one-sided derivatives differ.
    if abs(right - left) > 0.5 * relative * max(abs(left), abs(right), 0.05 * reach) + noise:
        return None
    tolerance = relative * scale + noise + 4.0 * abs(wide - narrow)
    if tolerance > 0.2 * scale:
        return None
    return Mismatch(pair, tuple(along), weighted.upstream, tape, narrow, tolerance)
