"""From outcomes to verdicts: by the known answer and the measure of the task, never by the loss's own value alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lossdoctor.experiments.outcomes import BATCH, Comparison, First, Harder, Outcome, Run, Swept

# Share of the standard loss's progress that a sound loss makes on a task that can be learned in these few steps.
ENOUGH = 0.6
LEARNED = 0.5  # of its own error that the standard loss has to lose for the task to judge anything
FELT = 0.2  # of the error before, that another batch size or scale of the targets may cost beside the standard loss
SCALE = 1e3  # how many times larger or smaller than the standard loss's a gradient may be
_T = {2: 12.7, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36}  # Student's t, 97.5 %, by number of seeds
BROKEN = 10.0  # stands for an error that is not finite
Kind = Literal[
    "no-gradient",
    "dead",
    "non-finite",
    "diverges",
    "wrong-direction",
    "pairs",
    "large",
    "small",
    "worse",
    "still",
    "sensitive",
]


@dataclass(frozen=True, slots=True)
class Charge:
    """One thing that an experiment found wrong."""

    kind: Kind
    message: str


def charges(firsts: Sequence[First], outcomes: Sequence[Outcome]) -> tuple[list[Charge], Comparison | None]:
    """What is wrong with a loss, the cause before its consequences, and how it compares with the standard loss."""
    tested = [one for one in outcomes if one.run.loss == "tested" and not (one.problem or one.run.varied)]
    found = [charge for charge in (_gradient(firsts), _pairs(firsts), _direction(firsts)) if charge is not None]
    loose = sees_no_scale(firsts)
    comparison = compared(outcomes, loose)
    if not any(charge.kind in ("no-gradient", "dead") for charge in found):
        found += list(_training(firsts, tested, outcomes, comparison, loose))
    if not found and comparison is not None:
        found += list(sensitivities(outcomes, loose))
    return found, comparison


def _gradient(firsts: Sequence[First]) -> Charge | None:
    kinds = [first.gradient for first in firsts]
    if kinds and all(kind == "none" for kind in kinds):
        return Charge("no-gradient", "no gradient reaches the predictions: training changes nothing")
    if kinds and all(kind == "zero" for kind in kinds):
        return Charge("dead", "the gradient at the predictions of a fresh model is exactly zero: training cannot begin")
    return None


def _direction(firsts: Sequence[First]) -> Charge | None:
    """A worse prediction with a lower loss than the known answer, for every seed."""
    known = [first.values for first in firsts if "answer" in first.values]
    if not known:
        return None
    worse = [beating(values) for values in known]
    common = set.intersection(*worse) if worse else set[str]()
    if not common:
        return None
    name = min(common, key=lambda one: known[0][one])
    return Charge(
        "wrong-direction",
        f"the known answer does not minimise it: {known[0]['answer']:.4g} for the answer, "
        f"{known[0][name]:.4g} for {name}",
    )


def beating(values: Mapping[str, float]) -> set[str]:
    """The predictions that have a lower loss than the answer, though they are worse."""
    return {name for name, value in values.items() if not name.startswith("fresh") and _below(value, values)} - {
        "answer"
    }


def barely_beating(firsts: Sequence[First]) -> tuple[str, float, float] | None:
    """A worse prediction whose loss is below the answer's by too little to be held against the loss: its name, its loss
    and the answer's; None where the answer's is the lowest for every seed."""
    for first in firsts:
        answer = first.values.get("answer", math.nan)
        for name, value in first.values.items():
            if not name.startswith("fresh") and value < answer - max(1e-5 * abs(answer), 1e-9):
                return name, value, answer
    return None


def _below(value: float, values: Mapping[str, float]) -> bool:
    answer = values["answer"]
    if not math.isfinite(answer):
        return math.isfinite(value)
    span = max((abs(v - answer) for v in values.values() if math.isfinite(v)), default=0.0)
    return value < answer - max(1e-5 * abs(answer), 0.02 * span, 1e-9)


def _pairs(firsts: Sequence[First]) -> Charge | None:
    """The same loss with the targets of other samples: predictions are not compared with their own targets."""
    pairs = [
        (first.values["fresh"], first.values["fresh, targets of other samples"], first.values.get("answer"))
        for first in firsts
        if first.task not in ("free", "embedding") and "fresh, targets of other samples" in first.values
    ]
    if not pairs or any(first.gradient in ("none", "zero") for first in firsts):
        return None
    if all(math.isfinite(a) and abs(a - b) <= 1e-5 * max(abs(a), abs(b), 1e-12) for a, b, _ in pairs):
        return Charge(
            "pairs",
            "it does not change when every sample gets the target of another one: predictions are not compared with "
            "their own targets",
        )
    return None


def sees_no_scale(firsts: Sequence[First]) -> bool:
    """Whether twice the known answer is as good as the answer, as for a correlation."""
    known = [first.values for first in firsts if "twice the answer" in first.values]
    return bool(known) and all(
        abs(values["twice the answer"] - values["answer"]) <= 1e-4 * max(abs(values["answer"]), 1e-3)
        for values in known
    )


def _ends(outcome: Outcome, loose: bool) -> tuple[float, float]:
    return (outcome.loose_start, outcome.loose_end) if loose else (outcome.start, outcome.end)


def _best(outcomes: Sequence[Outcome], loss: str, seed: int, loose: bool) -> float | None:
    """The lowest error over the learning rates."""
    ends = [
        _ends(one, loose)[1]
        for one in outcomes
        if one.run.loss == loss and one.run.seed == seed and _plain(one) and not one.problem
    ]
    return min((end if math.isfinite(end) else BROKEN for end in ends), default=None)


def _plain(outcome: Outcome) -> bool:
    run = outcome.run
    return run.optimizer == "adam" and not (run.one_batch or run.varied) and run.scale == 1.0 and run.batch == BATCH


def compared(outcomes: Sequence[Outcome], loose: bool = False) -> Comparison | None:
    """Error of the tested loss against the standard one, over the seeds that both have."""
    seeds = sorted({one.run.seed for one in outcomes if _plain(one)})
    pairs = [(_best(outcomes, "tested", seed, loose), _best(outcomes, "standard", seed, loose)) for seed in seeds]
    both = np.array([(a, b) for a, b in pairs if a is not None and b is not None])
    if len(both) < 2 or np.any(np.isnan(both)):
        return None
    middle, low, high = _interval(both[:, 0] - both[:, 1])
    return Comparison(float(both[:, 0].mean()), float(both[:, 1].mean()), middle, low, high, len(both))


def _interval(differences: NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean and 95 % confidence interval, by Student's t."""
    half = _T.get(len(differences), 2.1) * float(differences.std(ddof=1)) / math.sqrt(len(differences))
    middle = float(differences.mean())
    return middle, middle - half, middle + half


def sweeps(outcomes: Sequence[Outcome], loose: bool) -> list[Swept]:
    """What becomes of the loss with other weights of its terms, at the usual learning rate."""
    runs = [one for one in outcomes if one.run.term and not one.problem]
    plain = {
        one.run.seed: one
        for one in reversed(outcomes)
        if one.run.loss == "tested" and _plain(one) and runs and one.run.rate == runs[0].run.rate
    }
    found: list[Swept] = []
    for term, factor in dict.fromkeys((one.run.term, one.run.factor) for one in runs):
        own = [one for one in runs if (one.run.term, one.run.factor) == (term, factor)]
        ends = [_finite_end(one, loose) for one in own]
        pairs = [
            end - _finite_end(plain[one.run.seed], loose)
            for one, end in zip(own, ends, strict=True)
            if one.run.seed in plain
        ]
        nothing = (math.nan,) * 3
        middle, low, high = _interval(np.array(pairs)) if len(pairs) > 1 else nothing
        finite = all(one.finite for one in own)
        found.append(Swept(term, factor, float(np.mean(ends)), middle, low, high, finite))
    return found


def _finite_end(outcome: Outcome, loose: bool) -> float:
    end = _ends(outcome, loose)[1]
    return BROKEN if math.isinf(end) or (math.isnan(end) and not outcome.finite) else end


def _training(
    firsts: Sequence[First],
    tested: Sequence[Outcome],
    outcomes: Sequence[Outcome],
    comparison: Comparison | None,
    loose: bool,
) -> Iterator[Charge]:
    plain = [one for one in tested if _plain(one)]
    if not plain:
        return
    rates = {one.run.rate for one in plain}
    broken = [one for one in plain if not one.finite]
    if all(any(not one.finite for one in plain if one.run.rate == rate) for rate in rates):
        seeds = len({one.run.seed for one in broken})
        yield Charge("non-finite", f"training becomes NaN or infinite, for {seeds} seeds at every learning rate tried")
        return
    if not any(one.moved for one in plain):
        yield Charge("still", "training changes no weight: the steps that its gradient makes are too small")
    scale = _scale(firsts, tested)
    if scale is not None:
        yield scale
    if comparison is None:
        yield from _falls(plain)
        return
    if not learnable(outcomes, comparison, loose):
        return
    start = _start(plain, loose)
    learned = start - comparison.standard
    lost = [
        (start - end) / learned
        for seed in sorted({one.run.seed for one in plain})
        if (end := _best(outcomes, "tested", seed, loose)) is not None
    ]
    share = float(np.mean(lost))
    if share >= ENOUGH:
        return
    rising = [
        one
        for one in plain
        if one.finite and one.curve and one.curve[-1] < one.curve[0] and _ends(one, loose)[1] > 1.2 * start
    ]
    if len(rising) > len(plain) / 2:
        yield Charge(
            "diverges",
            f"the loss falls and the predictions get worse: error {start:.2g} before and "
            f"{np.mean([_ends(one, loose)[1] for one in rising]):.2g} after",
        )
        return
    batches = [one for one in tested if one.run.one_batch]
    overfit = [_ends(one, loose) for one in batches]
    alone = bool(overfit) and float(np.mean([end for _, end in overfit])) > 0.4 * float(
        np.mean([s for s, _ in overfit])
    )
    yield Charge(
        "worse",
        f"a small model ends with an error of {comparison.tested:.2g}, "
        f"with the standard loss {comparison.standard:.2g} "
        f"(difference {comparison.difference:.2g}, 95 % confidence {comparison.low:.2g} to {comparison.high:.2g}, "
        f"{comparison.seeds} seeds){'; it does not even fit one batch' if alone else ''}",
    )


def learnable(outcomes: Sequence[Outcome], comparison: Comparison, loose: bool) -> bool:
    """Whether the standard loss learns enough of the task for it to judge another."""
    start = _start([one for one in outcomes if one.run.loss == "tested" and not one.problem and _plain(one)], loose)
    return start - comparison.standard >= LEARNED * start


def _start(plain: Sequence[Outcome], loose: bool) -> float:
    return float(np.nanmean([_ends(one, loose)[0] for one in plain]))


def _scale(firsts: Sequence[First], tested: Sequence[Outcome]) -> Charge | None:
    """A gradient so far from the standard loss's that ordinary learning rates fail."""
    ratios = [first.norm / first.standard_norm for first in firsts if first.standard_norm > 0 and first.norm > 0]
    if not ratios:
        return None
    ratio = float(np.exp(np.mean(np.log(ratios))))
    if 1 / SCALE < ratio < SCALE:
        return None
    words = f"{ratio:.0e} times" if ratio > 1 else f"1/{1 / ratio:.0e} of"
    fate = "diverge" if ratio > 1 else "stall"
    return Charge(
        "large" if ratio > 1 else "small",
        f"its gradient is {words} that of the standard loss: ordinary learning rates {fate}",
    )


def _falls(plain: Sequence[Outcome]) -> Iterator[Charge]:
    """Without a known answer: whether the loss can be lowered at all."""
    drops = []
    for one in plain:
        if one.curve:
            head, tail = float(np.mean(one.curve[:3])), float(np.mean(one.curve[-6:]))
            drops.append(head - tail > 1e-4 * max(abs(head), 1e-6))
    if drops and not any(drops):
        yield Charge("still", "the loss does not go down in any training")


def sensitivities(outcomes: Sequence[Outcome], loose: bool) -> Iterator[Charge]:
    """Batch sizes and scales of the targets at which the loss does worse, and the standard loss does not."""
    plain = [one for one in outcomes if _plain(one) and not one.problem]
    if not plain:
        return
    usual = plain[0].run
    start = _start(plain, loose)
    others = [one for one in outcomes if replace(one.run, loss=usual.loss, seed=usual.seed, one_batch=False) != usual]
    settings = dict.fromkeys((one.run.batch, one.run.scale) for one in others if one.run.rate == usual.rate)
    for batch, scale in settings:
        if (batch == usual.batch) == (scale == usual.scale):
            continue
        costs = {loss: _costs(outcomes, replace(usual, loss=loss, batch=batch, scale=scale), loose)
                 for loss in ("tested", "standard")}  # fmt: skip
        both = sorted(costs["tested"].keys() & costs["standard"].keys())
        if len(both) < 2:
            continue
        more = np.array([costs["tested"][seed] - costs["standard"][seed] for seed in both])
        middle, low, high = _interval(more)
        if low > 0 and middle > FELT * start:
            what = f"batches of {batch}" if batch != usual.batch else f"targets {scale:g} times as large"
            yield Charge(
                "sensitive",
                f"with {what} a small model ends with an error larger by {np.mean(list(costs['tested'].values())):.2g} "
                f"than usual; that is {middle:.2g} more than the standard loss loses (95 % confidence {low:.2g} to "
                f"{high:.2g}, {len(both)} seeds)",
            )


def _costs(outcomes: Sequence[Outcome], wanted: Run, loose: bool) -> dict[int, float]:
    """By seed, how much more error than usual a loss ends with in another setting."""
    found: dict[int, float] = {}
    ends = {one.run: _finite_end(one, loose) for one in outcomes if not one.problem}
    for seed in dict.fromkeys(run.seed for run in ends):
        other = ends.get(replace(wanted, seed=seed))
        usual = ends.get(replace(wanted, seed=seed, batch=BATCH, scale=1.0))
        if other is not None and usual is not None:
            found[seed] = other - usual
    return found


def harder(outcomes: Sequence[Outcome]) -> list[Harder]:
    """How the loss and the standard loss fare on harder data for the same specs."""
    found: list[Harder] = []
    for task in dict.fromkeys(one.run.task for one in outcomes if one.run.task and not one.problem):
        ends = {
            loss: {
                one.run.seed: _finite_end(one, False)
                for one in outcomes
                if one.run.task == task and one.run.loss == loss and not one.problem
            }
            for loss in ("tested", "standard")
        }
        both = sorted(ends["tested"].keys() & ends["standard"].keys())
        if len(both) < 2:
            continue
        pairs = np.array([(ends["tested"][seed], ends["standard"][seed]) for seed in both])
        middle, low, high = _interval(pairs[:, 0] - pairs[:, 1])
        tested, standard = (float(part) for part in pairs.mean(axis=0))
        found.append(Harder(task, Comparison(tested, standard, middle, low, high, len(both))))
    return found


def sensitive(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """What the thorough trainings say of learning rate, batch size and scale of the targets, in sentences."""
    usual = next((one.run.rate for one in outcomes if _plain(one)), None)
    for loss in ("tested", "standard"):
        own = [
            one for one in outcomes if one.run.loss == loss and not (one.problem or one.run.one_batch or one.run.varied)
        ]
        whose = "the loss" if loss == "tested" else "the standard loss"
        rates = _means(own, lambda one: one.run.rate if _plain(one) else None)
        if len(rates) > 2:
            best = min(rates, key=lambda rate: rates[rate])
            yield f"{whose} ends best with Adam at a learning rate of {best:g} ({_listed(rates)})"
        plain = _means(own, lambda one: one.run.rate if one.run.optimizer == "sgd" else None)
        if plain:
            yield f"{whose} under plain gradient descent: {_listed(plain)}"
        batches = _means(
            own,
            lambda one: (
                one.run.batch
                if one.run.rate == usual and one.run.scale == 1.0 and one.run.optimizer == "adam"
                else None
            ),
        )
        if len(batches) > 1:
            yield f"{whose} by batch size: {_listed(batches)}"
        scales = _means(
            own,
            lambda one: (
                one.run.scale
                if one.run.rate == usual and one.run.batch == BATCH and one.run.optimizer == "adam"
                else None
            ),
        )
        if len(scales) > 1:
            yield f"{whose} by scale of the targets: {_listed(scales)}"


def _means(outcomes: Sequence[Outcome], by: Callable[[Outcome], float | None]) -> dict[float, float]:
    groups: dict[float, list[float]] = {}
    for one in outcomes:
        value = by(one)
        if value is not None:
            groups.setdefault(value, []).append(one.end if math.isfinite(one.end) else BROKEN)
    return {value: float(np.mean(ends)) for value, ends in sorted(groups.items())}


def _listed(means: dict[float, float]) -> str:
    return ", ".join(f"{value:g}: {error:.2g}" for value, error in means.items())
