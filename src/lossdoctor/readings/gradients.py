"""Readings of the gradient: its direction, whether it is the derivative, where it is zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lossdoctor.graph.ir import Span
from lossdoctor.session import Array, Pair, Value

# How a prediction differs from the target: its opposite (other class, 1-t, -t), the target of another y_true,
# noise of the kind of y_pred, one constant everywhere, or a small step from it.
Wrong = Literal["opposite", "other", "random", "constant", "near"]


Ray = Literal["up", "down", "away", "towards", "random"]


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A clearly wrong prediction with a lower mean loss than the target; `margin` is the difference in units of
    the spread (standard deviation) of the loss over all predictions tried with the same y_true."""

    wrong: Wrong
    pair: Pair  # with the wrong prediction
    target: Array  # the prediction that states y_true
    at_target: float
    at_wrong: float
    margin: float


# Share of a class of wrong predictions that beat a target which is the same in the whole batch.
OFTEN = 0.3


@dataclass(frozen=True, slots=True)
class Comparison:
    """The loss at the target against the loss elsewhere.

    All shares are of the draws in which both losses are numbers or infinities. `lower_elsewhere` and
    `higher_elsewhere` are, by class of wrong prediction, the shares in which the wrong prediction has the lower or
    the higher loss by more than rounding; the rest are ties. `rises` and `falls` are the shares of steps on
    straight paths from wrong predictions to the target at which the loss rises and falls.
    """

    draws: int
    lower_elsewhere: Mapping[Wrong, float]
    higher_elsewhere: Mapping[Wrong, float]
    rises: float
    falls: float
    counterexamples: tuple[Counterexample, ...] = ()  # the clearest first, at most one for each class
    timid: bool = False  # of targets that say the same, the least certain is the best in every draw

    @property
    def worst_at_target(self) -> bool:
        """The target is the worst of all predictions tried, and the loss rises towards it: a score is minimised.

        Ties are left out (a score may be flat, or blind to the sign), and one draw in ten may say otherwise. Where none
        does, a kind of prediction may tie more often: of two labels, another sample's is often the same.
        """
        differ: list[Wrong] = [
            wrong
            for wrong, share in self.lower_elsewhere.items()
            if share > 0.1 or self.higher_elsewhere.get(wrong, 0.0) > 0.1
        ]
        lower = [self.lower_elsewhere[wrong] for wrong in differ]
        higher = [self.higher_elsewhere.get(wrong, 0.0) for wrong in differ]
        unanimous = self.falls == 0 and not any(higher)
        return (
            self.draws >= 8
            and len(lower) >= 3
            and min(lower) >= (0.25 if unanimous else 0.5)
            and sum(lower) / len(lower) >= 0.7
            and max(higher) <= 0.1
            and self.rises > 0.1
            and self.falls <= 0.1 * (self.rises + self.falls)
        )

    @property
    def not_lowest_at_target(self) -> bool:
        """Weaker: at least one class of clearly wrong predictions usually has the lower loss."""
        return self.draws >= 8 and any(share > 0.5 for share in self.lower_elsewhere.values())

    @property
    def rather_high_at_target(self) -> bool:
        """Most wrong predictions are better than the target, and the loss rises on most of the way to it. Less than
        that may be a term of the prediction alone (a penalty, a balance), which draws the minimum away."""
        lower = list(self.lower_elsewhere.values())
        return self.draws >= 8 and sum(lower) / len(lower) >= 0.5 and self.rises > self.falls

    @property
    def beaten_by_all(self) -> bool:
        """Whatever was tried of the size of targets is better than the target, on whatever way. A penalty of the
        prediction does not do that: another sample's target costs as much."""
        alike: tuple[Wrong, ...] = ("opposite", "other", "random")
        lower = [self.lower_elsewhere.get(wrong, 0.0) for wrong in alike]
        return self.draws >= 20 and min(lower) == 1.0 and self.lower_elsewhere.get("constant", 0.0) >= 0.5

    @property
    def beaten_far_out(self) -> bool:
        """A class of wrong predictions is often better than the target, by larger numbers than it; what is better for
        being small may owe it to a penalty."""
        if self.draws < 8 or not self.counterexamples or max(self.lower_elsewhere.values()) < OFTEN:
            return False
        best = self.counterexamples[0]
        return float(np.mean(np.abs(best.pair.y_pred))) > float(np.mean(np.abs(best.target)))

    @property
    def lowest_at_target(self) -> bool:
        """No wrong prediction that was tried is better than the target."""
        return self.draws >= 8 and not any(self.lower_elsewhere.values())


@dataclass(frozen=True, slots=True)
class Fall:
    """A ray of predictions `base + k * step` along which the mean loss falls without end."""

    ray: Ray
    pair: Pair  # y_pred is the farthest point of the ray
    base: Array  # where the ray begins: the target, or a random prediction
    factors: tuple[float, ...]  # k, rising
    losses: tuple[float, ...]  # at base + k * step
    at_base: float
    growth: float  # exponent of the fall: 1 linear, 2 quadratic

    @property
    def linear(self) -> bool:
        """The same slope all along the ray, from its base on."""
        slopes = [(loss - self.at_base) / factor for factor, loss in zip(self.factors, self.losses, strict=True)]
        return max(slopes) < 0.0 and max(slopes) - min(slopes) <= -0.01 * min(slopes)


@dataclass(frozen=True, slots=True)
class Direction:
    """Whether the loss is lowest at the target, and bounded below.

    `applicable` says whether the kinds of the two specs name a best prediction; else `reason` says why not and
    there is no `comparison`. Where something is wrong and both have the same dims, `swapped` is the comparison for
    `loss(y_pred, y_true)`, unless that falls without end. `unbounded` is examined for every y_pred of kind real,
    logit or positive.
    """

    applicable: bool
    reason: str = ""
    best_value: float = float("nan")  # mean loss at the target
    comparison: Comparison | None = None
    swapped: Comparison | None = None
    unbounded: tuple[Fall, ...] = ()  # at most one for each ray; only rays that fall in all draws
    rays: int = 0  # how many were examined
    labels: tuple[tuple[float, Comparison], ...] = ()  # batches of one label each, where the labels are two
    alike: Comparison | None = None
    alike_swapped: Comparison | None = None
    gain: bool = False  # named after what is earned: the "target" are the decisions that earn most
    arranged: Comparison | None = None  # where no target is known: vectors together that belong together, and not
    together: str = ""  # of `arranged`: what belongs together
    peak: Counterexample | None = None  # where the loss falls in both directions from the target, in every draw

    @property
    def exchanged(self) -> bool:
        """In nearly every draw the loss is lower where what belongs together is apart, and in none it is higher."""
        found = self.arranged
        if found is None or found.draws < 8 or any(found.higher_elsewhere.values()):
            return False
        return min(found.lower_elsewhere.values()) >= 0.9

    @property
    def wrong_label(self) -> tuple[float, Comparison] | None:
        """The label whose samples have their highest loss at the target, while those of the other have their lowest."""
        for (label, one), (_, other) in (self.labels, self.labels[::-1]) if len(self.labels) == 2 else ():
            if one.worst_at_target and other.lowest_at_target and other.falls >= 0.5:
                return label, one
        return None

    @property
    def says_the_opposite(self) -> bool:
        """The target is the worst of all predictions; for each of two labels, where that shows for uncertain scores
        only. What y_true says may be forbidden, or be a mask, and then one of the two costs nothing."""
        found = self.comparison
        if found is None or not found.worst_at_target:
            return False
        return not found.timid or all(one.worst_at_target for _, one in self.labels)

    @property
    def critic(self) -> bool:
        """The loss is label times score, with the sign that makes the score fall where the label is high.

        Which label a critic gives to real samples is a convention (1 or -1), so that the sign is no fault. Along
        `away` such a loss is linear from the target on and falls faster than along any fixed direction; and it cannot
        fall along opposite ones.
        """
        falls = {fall.ray: fall for fall in self.unbounded}
        away, fixed = falls.get("away"), [falls[ray] for ray in ("up", "down") if ray in falls]
        if away is None or not away.linear or len(fixed) == 2:
            return False
        return all(away.at_base - away.losses[-1] > 1.02 * (one.at_base - one.losses[-1]) for one in fixed)

    @property
    def arguments_swapped(self) -> bool:
        """The loss is lowest at the target if its arguments change places, and not otherwise."""
        if self.comparison is not None and self.swapped is not None:
            wrong = self.comparison.rather_high_at_target or bool(self.unbounded)
            if wrong and _settles(self.swapped):
                return True
        return self.alike_wrong

    @property
    def alike_wrong(self) -> bool:
        """The same for batches whose targets are all alike."""
        if self.alike is None or self.alike_swapped is None:
            return False
        return self.alike.beaten_far_out and _settles(self.alike_swapped)


def _settles(comparison: Comparison) -> bool:
    """The loss is lowest at the target and falls on the way to it."""
    return comparison.lowest_at_target and comparison.rises == 0.0 and comparison.falls >= 0.5


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A point at which the gradient that training uses is not the derivative of the value.

    Both are derivatives of sum(upstream * value) along `along` (same structure as y_pred).
    """

    pair: Pair
    along: tuple[Array, ...]  # one per y_pred input
    upstream: Array  # weights of the loss values, of either sign
    tape: float
    difference: float
    tolerance: float

    @property
    def ratio(self) -> float:
        """Gradient used / true derivative; infinite where the true one is zero."""
        return self.tape / self.difference if self.difference else float("inf")


@dataclass(frozen=True, slots=True)
class GradientCheck:
    """Tape gradient against central differences at points where the loss is smooth.

    `stopped`: the trace holds a StopGradient (by design, tape and difference then differ); `stop_spans` are the
    user's own calls of stop_gradient. `custom`: it holds a
    function with a gradient of its own, defined in the user's files; `custom_spans` are the places where those
    gradients are returned. `pass_through`: every such function returns its argument unchanged (gradient
    reversal, scaling or clipping layers) and `surrogate`: every such function has no useful derivative of its own
    (straight-through estimators of round or sign); in both the two differ by design.
    """

    applicable: bool
    reason: str = ""
    dtype: str = ""  # in which both were computed
    checked: int = 0  # comparisons made
    skipped: int = 0  # points dropped because of a kink, a jump, a non-finite value or noise
    mismatches: tuple[Mismatch, ...] = ()
    stopped: bool = False
    stop_spans: tuple[Span, ...] = ()
    custom: bool = False
    pass_through: bool = False
    surrogate: bool = False
    custom_spans: tuple[Span, ...] = ()
    factor: float | None = None  # tape / difference where it is the same in all comparisons and not 1
    # Share of the entries whose gradient has the sign opposite to the value's derivative, where the user's
    # stop_gradient sets them apart.
    opposed: float | None = None
    # The gradient at targets where the derivative of the value is zero, of the usual gradient, likewise.
    unrest: float | None = None

    @property
    def consistent(self) -> bool:
        """Enough was compared, and no comparison failed."""
        return self.applicable and self.checked >= 4 and not self.mismatches

    @property
    def by_design(self) -> bool:
        """What differs is cut or replaced on purpose."""
        return bool(self.stop_spans) or self.pass_through or self.surrogate

    @property
    def wrong(self) -> bool:
        """A gradient function of the user's contradicts the value. Mismatches without one are TensorFlow's own:
        conventions for symmetric matrices, or inputs that an operation does not define (CTC with blank labels)."""
        return bool(self.mismatches) and self.custom and not self.by_design


@dataclass(frozen=True, slots=True)
class JacobianCheck:
    """Every derivative of every value with respect to every entry of y_pred, at one input, in float64.

    `entries` were compared, `skipped` left out at kinks; `worst` is the largest difference, relative to the largest
    derivative of the same value. `per_sample`: a value depends on its own sample only, so that the other entries
    are zero.
    """

    applicable: bool
    reason: str = ""
    entries: int = 0
    skipped: int = 0
    worst: float = 0.0
    per_sample: bool = False

    def within(self, rtol: float) -> bool:
        return self.applicable and self.entries > 0 and self.worst <= rtol


@dataclass(frozen=True, slots=True)
class DeadGradient:
    """Whether the gradient is exactly zero where the loss could still fall.

    `share` is that of realistic draws: of whole samples, or of single entries (or rows of classes) with all others
    at their target, whichever is larger. Without `pair` nothing was found. With `region` a single entry decides,
    and the share follows from the spec alone; without, it depends on how the entries of a sample go together, which
    the spec does not say.
    """

    applicable: bool
    reason: str = ""
    draws: int = 0
    share: float = 0.0
    everywhere: bool = False  # no draw had a gradient that is not zero
    constant: bool = False  # no prediction tried, ordinary or extreme, changes the loss of any y_true drawn
    spurious: bool = False  # where it is constant: TensorFlow gives a gradient other than zero all the same
    region: str = ""  # "|y_true - y_pred| > 1"; "" where it does not show along one coordinate
    unaimed: bool = False  # of a few numbers a sample, whose best prediction is not known: nothing to walk away from
    pair: Pair | None = None
    better: Value = None  # a prediction with a lower loss for the same y_true
    others: tuple[Value, ...] = ()  # where it is constant: predictions whose loss is the same
    entries: tuple[int, ...] | None = None  # flat indices of y_pred that are dead at `pair`; None: all
    value: float = float("nan")  # mean loss at `pair`
    better_value: float = float("nan")
    calls: tuple[Span, ...] = ()  # the operation where the gradient dies
