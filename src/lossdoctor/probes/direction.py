"""Is the loss lowest at the target, and bounded below?

For several y_true the mean loss at the prediction that states y_true is compared with the loss at predictions
that clearly do not, and on the way between them. A loss need not be zero or exactly minimal at the target
(entropy terms, label smoothing, margins); a score that is returned instead of one minus the score has its highest
value there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from lossdoctor.probes import targets
from lossdoctor.probes.arrangement import arranged
from lossdoctor.probes.calls import Caller, Live, Subject, caller, quick
from lossdoctor.probes.draws import Sizes, draw
from lossdoctor.probes.peak import peak
from lossdoctor.readings import Comparison, Counterexample, Direction, Fall, Ray, Wrong
from lossdoctor.session import Array, Pair
from lossdoctor.source.names import is_gain_name
from lossdoctor.spec import Contract, Spec

BATCHES = 5  # y_true draws for the comparison
SWAPPED_BATCHES = 3
ALIKE_BATCHES = 4
ARRANGED_BATCHES = 10
RAY_BATCHES = 3
RAY_POINTS = 5
# Below this exponent a fall may be the logarithm of a density, which grows without bound but ever slower.
LEAST_GROWTH = 0.3
STEEP = 1.5  # exponent of a fall between linear and quadratic


def probe(
    subject: Subject, contract: Contract, *, seed: int = 0, as_traced: bool = False, live: Live | None = None
) -> Direction:
    """Compare the loss at the target with the loss elsewhere, and follow it along rays.

    Args:
        as_traced: whether the loss is known to compute eagerly what the traced graph computes.
        live: the traced loss, if it is there.
    """
    rng = np.random.default_rng(seed)
    call = caller(subject, contract, rng, batch=1 if targets.needs_batch_of_one(contract) else None)
    if call is None:
        return Direction(False, "the loss does not accept ordinary inputs of its specs")
    call = quick(call, rng, live, as_traced=as_traced)
    known = targets.meaning(contract, call.sizes)
    gain = targets.gains(contract, call.sizes) if isinstance(known, str) and earns(subject) else None
    known = known if gain is None else gain
    falls, rays = _rays(call, contract, None if isinstance(known, str) else known, rng)
    if isinstance(known, str):
        placed = arranged(subject, call, rng)
        if placed is None:
            return Direction(False, known, unbounded=falls, rays=rays)
        found = Direction(
            False,
            known,
            unbounded=falls,
            rays=rays,
            arranged=_compare_arranged(call, placed.pairs, rng),
            together=placed.what,
        )
        if placed.scattered is None or found.exchanged:
            return found
        other = replace(found, arranged=_compare_arranged(call, placed.scattered, rng))
        return other if other.exchanged else found
    comparison, best = _compare(call, contract, known, rng, BATCHES)
    if comparison.draws < 8:
        return Direction(False, "the loss is not a number at the target", unbounded=falls, rays=rays)
    swapped = None
    if (comparison.not_lowest_at_target or falls) and _same_dims(contract) and gain is None:
        backwards = replace(call, function=lambda y_true, y_pred: subject.call(y_pred, y_true), cast=True)
        if not _rays(backwards, contract, known, rng)[0]:
            swapped, _ = _compare(backwards, contract, known, rng, SWAPPED_BATCHES)
    timid = comparison.timid and comparison.worst_at_target
    decided = (comparison.rather_high_at_target and not timid) or falls
    alone = () if decided else _of_each_label(call, contract, known, rng)
    alike = alike_swapped = None
    if swapped is None and _measures(contract):
        alike, _ = _compare(call, contract, known, rng, ALIKE_BATCHES, alike=True)
        if alike.beaten_far_out:
            backwards = replace(call, function=lambda y_true, y_pred: subject.call(y_pred, y_true), cast=True)
            alike_swapped, _ = _compare(backwards, contract, known, rng, BATCHES, alike=True)
    sound = gain is None and not comparison.rather_high_at_target and not falls
    return Direction(
        True,
        "",
        best,
        comparison,
        swapped,
        falls,
        rays,
        alone,
        alike,
        alike_swapped,
        gain=gain is not None,
        peak=peak(call, contract, known, rng) if sound else None,
    )


def earns(subject: Subject) -> bool:
    """Whether the loss is named after what decisions earn (`sharpe_loss`, `ProfitLoss`)."""
    return is_gain_name(subject.loaded.name)


def _of_each_label(
    call: Caller, contract: Contract, known: targets.Meaning, rng: np.random.Generator
) -> tuple[tuple[float, Comparison], ...]:
    """The comparison for batches of one label only: in a mixed batch the other label hides a term of wrong sign."""
    labels = contract.y_true
    if not isinstance(labels, Spec) or labels.kind not in ("binary", "sign"):
        return ()
    values = (0.0 if labels.kind == "binary" else -1.0, 1.0)
    return tuple((value, _compare(call, contract, known, rng, SWAPPED_BATCHES, value)[0]) for value in values)


def _measures(contract: Contract) -> bool:
    """Whether both are one number a sample, of the same kind, so that a batch may have the same target everywhere. A
    vector of equal entries is a special one: correlations and ratios have no meaning there."""
    true, pred = contract.y_true, contract.y_pred
    same = isinstance(true, Spec) and isinstance(pred, Spec) and true.kind == pred.kind and true.dims == pred.dims
    single = isinstance(pred, Spec) and all(dim == 1 for dim in pred.dims[1:])
    return same and single and isinstance(true, Spec) and true.kind in ("real", "positive", "unit")


def _same_dims(contract: Contract) -> bool:
    true, pred = contract.y_true, contract.y_pred
    return isinstance(true, Spec) and isinstance(pred, Spec) and true.dims == pred.dims


@dataclass
class _Tally:
    """Counts of comparisons and steps."""

    lower: dict[Wrong, int] = field(default_factory=dict[Wrong, int])
    higher: dict[Wrong, int] = field(default_factory=dict[Wrong, int])
    all: dict[Wrong, int] = field(default_factory=dict[Wrong, int])
    rises: int = 0
    falls: int = 0
    steps: int = 0
    examples: dict[Wrong, Counterexample] = field(default_factory=dict[Wrong, Counterexample])

    def count(
        self,
        wrong: Wrong,
        order: int | None,
        pair: Pair,
        target: Array,
        at_target: float,
        at_wrong: float,
        spread: float,
    ) -> None:
        """One wrong prediction (of `pair`), whose loss is below (-1), equal to or above that at the target."""
        if order is None:
            return
        self.all[wrong] = self.all.get(wrong, 0) + 1
        if order > 0:
            self.higher[wrong] = self.higher.get(wrong, 0) + 1
        elif order < 0:
            self.lower[wrong] = self.lower.get(wrong, 0) + 1
            margin = (at_target - at_wrong) / spread if spread else float("inf")
            if wrong not in self.examples or self.examples[wrong].margin < margin:
                self.examples[wrong] = Counterexample(wrong, pair, target, at_target, at_wrong, margin)

    def comparison(self) -> Comparison:
        counted = list(self.all)
        return Comparison(
            draws=sum(self.all.values()),
            lower_elsewhere={wrong: self.lower.get(wrong, 0) / self.all[wrong] for wrong in counted},
            higher_elsewhere={wrong: self.higher.get(wrong, 0) / self.all[wrong] for wrong in counted},
            rises=self.rises / max(1, self.steps),
            falls=self.falls / max(1, self.steps),
            counterexamples=tuple(sorted(self.examples.values(), key=lambda example: -example.margin)),
        )


def _compare(
    call: Caller,
    contract: Contract,
    known: targets.Meaning,
    rng: np.random.Generator,
    batches: int,
    label: float | None = None,
    *,
    alike: bool = False,
) -> tuple[Comparison, float]:
    spec = contract.y_pred
    assert isinstance(spec, Spec)
    tally = _Tally()
    best_values: list[float] = []
    chosen: set[int] = set()
    for _ in range(batches):
        y_true = draw(contract.y_true, rng, call.sizes)
        if label is not None:
            y_true = np.full_like(y_true, label)
        elif alike:
            y_true = np.full_like(y_true, y_true.flat[0])
        candidates = [targets.as_prediction(target(y_true), spec) for target in known.targets]
        losses = [call.mean(Pair(y_true, candidate)) for candidate in candidates]
        if np.all(np.isnan(losses)):
            continue
        best = int(np.nanargmin(losses))
        at_target, target = losses[best], candidates[best]
        best_values.append(at_target)
        chosen.add(best)
        # What is wrong is as certain as the target: a surer answer costs more where the sign is wrong.
        wrongs = _wrong_predictions(contract, known.alone(best), target, call.sizes, rng, known.scale(best))
        at_wrong = [call.mean(Pair(y_true, prediction)) for _, prediction in wrongs]
        spread = _spread([*losses, *at_wrong])
        for (wrong, prediction), value in zip(wrongs, at_wrong, strict=True):
            order = _order(value, at_target, spread)
            tally.count(wrong, order, Pair(y_true, prediction), target, at_target, value, spread)
        for place in (0, -1):
            (_, prediction), value = wrongs[place], at_wrong[place]
            if _order(value, at_target, spread) == 0:
                continue  # as good as the target, which then is no end of the way
            _walk(call, y_true, prediction, target, spread, tally, spec)
    timid = bool(known.scales) and chosen == {int(np.argmin(known.scales))}
    return replace(tally.comparison(), timid=timid), float(np.mean(best_values)) if best_values else float("nan")


def _compare_arranged(
    call: Caller, pairs: Callable[[np.random.Generator], tuple[Pair, Array]], rng: np.random.Generator
) -> Comparison:
    """The loss where vectors are arranged as they should be, against what is not."""
    tally = _Tally()
    for _ in range(ARRANGED_BATCHES):
        pair, right = pairs(rng)
        at_right, at_wrong = call.mean(Pair(pair.y_true, right)), call.mean(pair)
        spread = abs(at_right - at_wrong)
        tally.count("opposite", _order(at_wrong, at_right, spread), pair, right, at_right, at_wrong, spread)
    return tally.comparison()


def _wrong_predictions(
    contract: Contract, known: targets.Meaning, target: Array, sizes: Sizes, rng: np.random.Generator, scale: float
) -> list[tuple[Wrong, Array]]:
    """Predictions that differ from the target; the first is its opposite, the last is noise."""
    spec = contract.y_pred
    assert isinstance(spec, Spec)
    other = known.targets[0](draw(contract.y_true, rng, sizes))
    found: list[tuple[Wrong, Array]] = []
    found.append(("opposite", known.opposite(target)))
    found.append(("other", other))
    found.extend(("constant", constant(target.shape)) for constant in known.constants)
    found.extend(("random", scale * draw(spec, rng, sizes)) for _ in range(2))
    predictions: list[tuple[Wrong, Array]] = []
    for wrong, values in found:
        prediction = targets.as_prediction(values, spec)
        if not np.array_equal(prediction, target):
            predictions.append((wrong, prediction))
    return predictions


def _walk(call: Caller, y_true: Array, start: Array, target: Array, spread: float, tally: _Tally, spec: Spec) -> None:
    """Count the steps at which the loss rises and falls on the straight way from `start` to `target`."""
    points = [start + share * (target - start) for share in (0.0, 0.4, 0.8, 1.0)]
    losses = [call.mean(Pair(y_true, targets.as_prediction(point, spec))) for point in points]
    for before, after in pairwise(losses):
        order = _order(after, before, spread)
        if order is not None:
            tally.steps += 1
            tally.rises += order > 0
            tally.falls += order < 0


def _spread(losses: list[float]) -> float:
    finite = [loss for loss in losses if np.isfinite(loss)]
    return float(np.std(finite)) if finite else 0.0


def _order(value: float, reference: float, spread: float) -> int | None:
    """-1, 0 or +1 as `value` is below, equal to or above `reference`; equal within rounding, None for NaN.

    float32 sums carry a relative error of a few 2^-24; 2e-6 leaves room for a hundred terms.
    """
    if np.isnan(value) or np.isnan(reference):
        return None
    if np.isinf(value) or np.isinf(reference):
        return int(np.sign(value - reference)) if value != reference else 0
    difference = value - reference
    return 0 if abs(difference) <= 1e-3 * spread + 2e-6 * abs(reference) else int(np.sign(difference))


def _rays(
    call: Caller, contract: Contract, known: targets.Meaning | None, rng: np.random.Generator
) -> tuple[tuple[Fall, ...], int]:
    """Rays along which the loss falls without end in every draw, and how many kinds of rays were tried."""
    spec = contract.y_pred
    if not isinstance(spec, Spec) or spec.kind not in ("real", "logit", "positive") or contract.magnitude < 100.0:
        return (), 0
    seen: dict[str, list[Fall | None]] = {}
    for _ in range(RAY_BATCHES):
        y_true = draw(contract.y_true, rng, call.sizes)
        ordinary = [targets.as_prediction(draw(spec, rng, call.sizes), spec) for _ in range(3)]
        base, steps = _steps(y_true, ordinary[0], known, spec, rng)
        at_base = call.mean(Pair(y_true, base))
        spread = _spread([at_base, *(call.mean(Pair(y_true, prediction)) for prediction in ordinary)])
        for ray, step in steps.items():
            if ray in seen and seen[ray][-1] is None:
                continue  # bounded in an earlier draw
            fall = _fall(call, y_true, base, step, ray, spread)
            seen.setdefault(ray, []).append(fall)
    endless = [falls[0] for falls in seen.values() if all(falls) and falls[0] is not None]
    return tuple(endless or _of_one_class(call, contract, rng)), len(seen)


def _fall(call: Caller, y_true: Array, base: Array, step: Array, ray: Ray, spread: float) -> Fall | None:
    """The loss along a ray, if it falls without end."""
    spec = call.contract.y_pred
    assert isinstance(spec, Spec)
    at_base = call.mean(Pair(y_true, base))
    factors = np.geomspace(1.0, call.contract.magnitude, RAY_POINTS)
    points = [targets.as_prediction(base + factor * step, spec) for factor in factors]
    losses = [call.mean(Pair(y_true, point)) for point in points]
    growth = _growth(factors, at_base, losses, spread)
    if growth is None:
        return None
    pair = Pair(y_true, points[-1])
    return Fall(ray, pair, base, tuple(map(float, factors)), tuple(losses), at_base, growth)


def _of_one_class(call: Caller, contract: Contract, rng: np.random.Generator) -> list[Fall]:
    """Falls in a batch of one class only, which the other class hides in a mixed one (a push without a margin).

    Steeper than linear: a linear fall is what critics have by design.
    """
    labels, spec = contract.y_true, contract.y_pred
    if not isinstance(labels, Spec) or not isinstance(spec, Spec) or labels.kind not in ("binary", "sign"):
        return []
    found: list[Fall] = []
    for value in (0 if labels.kind == "binary" else -1, 1):
        y_true = np.full_like(draw(labels, rng, call.sizes), value)
        ordinary = [targets.as_prediction(draw(spec, rng, call.sizes), spec) for _ in range(4)]
        spread = _spread([call.mean(Pair(y_true, prediction)) for prediction in ordinary])
        falls = [_fall(call, y_true, base, np.ones(base.shape), "up", spread) for base in ordinary[:2]]
        if falls[0] is not None and all(fall is not None and fall.growth >= STEEP for fall in falls):
            found.append(falls[0])
    return found


def _steps(
    y_true: Array, ordinary: Array, known: targets.Meaning | None, spec: Spec, rng: np.random.Generator
) -> tuple[Array, dict[Ray, Array]]:
    """Where the rays of one draw begin, and their steps, of order one in every element."""
    ones = np.ones(ordinary.shape)
    random = np.abs(rng.normal(size=ordinary.shape)) if spec.kind == "positive" else rng.normal(size=ordinary.shape)
    steps: dict[Ray, Array] = {"up": ones, "random": random}
    if known is None:
        base = ordinary
    else:
        base = targets.as_prediction(known.targets[-1](y_true), spec)
        if spec.kind != "positive":
            steps["away"] = np.sign(known.opposite(base) - base)
            if len(known.targets) > 1:
                steps["towards"] = np.sign(base)
    if spec.kind != "positive":
        steps["down"] = -ones
    return base, steps


def _growth(factors: Array, at_base: float, losses: list[float], spread: float) -> float | None:
    """The exponent of an endless fall, or None if the loss does not fall on and on."""
    finite = [(factor, loss) for factor, loss in zip(factors, losses, strict=True) if np.isfinite(loss)]
    # +inf or NaN on the way is another fault; -inf at the end is the same fall, overflowed.
    if len(finite) < 4 or any(np.isnan(loss) or loss == np.inf for loss in losses):
        return None
    (k1, first), (k2, second), (k3, third) = finite[-3:]
    if not first > second > third or third > at_base - 10.0 * max(spread, 1e-6 * abs(at_base)):
        return None
    growth = float(np.log((second - third) / (first - second)) / np.log(k3 / k2))
    return growth if growth >= LEAST_GROWTH and k1 < k2 < k3 else None
