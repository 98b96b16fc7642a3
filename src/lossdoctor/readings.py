"""What the behavioural probes report: plain, picklable values that rules read; neither TensorFlow nor user code.

The probes `direction`, `gradient`, `dead`, `save_load` and `frozen` run in the worker and return these. A reading
states what was seen and on how many draws; whether that is a fault is for a rule to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lossdoctor.graph.ir import LossGraph, Span
from lossdoctor.session import Array, Evaluation, Execution, Guard, Pair, Raised, Value

# --- references -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReferenceInfo:
    """Another implementation: whether it is one of NumPy, else its graph where it could be traced."""

    numpy: bool
    graph: LossGraph | None


# --- the raw call ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EagerRun:
    """Value and gradient of the raw call, run eagerly at one ordinary input."""

    pair: Pair
    evaluation: Evaluation


@dataclass(frozen=True, slots=True)
class SwappedRun:
    """The raw call at one input, and at the same input with the two arrays exchanged."""

    evaluation: Evaluation
    other: Evaluation


# --- direction ------------------------------------------------------------------------------------------------

# How a prediction differs from the target: its opposite (other class, 1-t, -t), the target of another y_true,
# noise of the kind of y_pred, or one constant everywhere.
Wrong = Literal["opposite", "other", "random", "constant"]


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

    @property
    def worst_at_target(self) -> bool:
        """The target is the worst of all predictions tried, and the loss rises towards it: a score is minimised.

        Ties are left out (a score may be flat), and one draw in ten may say otherwise.
        """
        lower, higher = list(self.lower_elsewhere.values()), list(self.higher_elsewhere.values())
        return (
            self.draws >= 8
            and len(lower) >= 3
            and min(lower) >= 0.5
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
    def lowest_at_target(self) -> bool:
        """No wrong prediction that was tried is better than the target."""
        return self.draws >= 8 and not any(self.lower_elsewhere.values())


@dataclass(frozen=True, slots=True)
class Fall:
    """A ray of predictions `base + k * step` along which the mean loss falls without end."""

    ray: Literal["up", "down", "away", "towards", "random"]
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

    @property
    def wrong_label(self) -> tuple[float, Comparison] | None:
        """The label whose samples have their highest loss at the target, while those of the other have their lowest."""
        for (label, one), (_, other) in (self.labels, self.labels[::-1]) if len(self.labels) == 2 else ():
            if one.worst_at_target and other.lowest_at_target and other.falls >= 0.5:
                return label, one
        return None

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
        """Wrong as Keras calls it, right with the arguments the other way round."""
        if self.comparison is None or self.swapped is None:
            return False
        wrong = self.comparison.rather_high_at_target or bool(self.unbounded)
        return wrong and self.swapped.lowest_at_target and self.swapped.rises == 0.0 and self.swapped.falls >= 0.5


# --- gradient -------------------------------------------------------------------------------------------------


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


# --- dead gradient --------------------------------------------------------------------------------------------


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
    region: str = ""  # "|y_true - y_pred| > 1"; "" where it does not show along one coordinate
    pair: Pair | None = None
    better: Value = None  # a prediction with a lower loss for the same y_true
    entries: tuple[int, ...] | None = None  # flat indices of y_pred that are dead at `pair`; None: all
    value: float = float("nan")  # mean loss at `pair`
    better_value: float = float("nan")
    calls: tuple[Span, ...] = ()  # the operation where the gradient dies


# --- save and load --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SavedArgument:
    """One constructor argument, changed, saved and loaded again.

    outcome: kept (the loaded loss computes the same), lost (another value), raises (`raised` says what), or
    unjudged (`reason`: its change does not show in the value, or no other valid value was found).
    """

    name: str
    outcome: Literal["kept", "lost", "raises", "unjudged"]
    default: object = None
    changed: object = None
    before: float | None = None  # loss of the instance with the changed value
    after: float | None = None  # of the loaded one
    pair: Pair | None = None  # where before and after were computed
    through: Literal["", "from_config", "deserialize"] = ""  # which way shows it
    raised: Raised | None = None
    reason: str = ""
    at_default: bool = False  # this very loss holds the default, so that it loses nothing itself


@dataclass(frozen=True, slots=True)
class SaveLoad:
    """Whether a `Loss` instance survives get_config and from_config, and keras.losses.serialize and deserialize."""

    attempted: bool
    reason: str = ""
    arguments: tuple[SavedArgument, ...] = ()
    unchanged: Raised | None = None  # what saving and loading the instance as it is raises
    construction: Raised | None = None  # what constructing it again, or calling it, raises
    registered: str = ""  # "forecast>AsymmetricMSE", or "" for a class that Keras does not know
    overrides_get_config: bool = False
    saved_in_file: bool = False  # the file of the class saves or loads models
    of_library: bool = False  # the class belongs to an installed package
    span: Span | None = None  # the `class` line
    init_span: Span | None = None  # the `def __init__` line
    config_span: Span | None = None  # the `def get_config` line

    @property
    def meant_to_be_saved(self) -> bool:
        """Whether the author thought of saving: registered the class, wrote a get_config, saves or loads models."""
        return bool(self.registered) or self.overrides_get_config or self.saved_in_file

    @property
    def lost(self) -> tuple[SavedArgument, ...]:
        return tuple(argument for argument in self.arguments if argument.outcome == "lost")


# --- frozen state ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FrozenState:
    """A Python number that the loss reads, and that a compiled loss keeps as it was when traced.

    `mutated_at` is where code changes it after construction, None for a hyperparameter (then it is healthy).
    """

    name: str  # "self.epoch", "EPOCH", "STATE['epoch']"
    holder: Literal["attribute", "global", "item"]
    eager: tuple[float, float]  # mean loss before and after the change
    graph: tuple[float, float]
    values: tuple[object, object]  # of the state
    span: Span | None = None  # where the loss reads it
    mutated_at: Span | None = None
    in_call: bool = False  # the loss itself changes it when called


@dataclass(frozen=True, slots=True)
class FrozenDraw:
    """Randomness of Python or NumPy that is drawn once, when the loss is traced.

    Without `span`, eager calls differ for a reason that the source does not show (a list that grows, a file).
    """

    eager: tuple[float, float]  # two calls
    graph: tuple[float, float]
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class FrozenList:
    """A Python list to which the loss appends a tensor; under `fit` it does so once, with a symbolic tensor."""

    name: str  # "self.past"
    span: Span


@dataclass(frozen=True, slots=True)
class Frozen:
    """Python state of a loss under tf.function, as `fit` compiles it."""

    applicable: bool
    reason: str = ""
    states: tuple[FrozenState, ...] = ()
    draw: FrozenDraw | None = None
    examined: tuple[str, ...] = field(default=())  # names of the states that were changed
    grows: FrozenList | None = None

    @property
    def faults(self) -> tuple[FrozenState, ...]:
        """Those that code does change during training."""
        return tuple(state for state in self.states if state.mutated_at is not None or state.in_call)


@dataclass(frozen=True, slots=True)
class Kept:
    """A tensor that the loss keeps beyond the call, symbolic once the loss is traced.

    `read`: the loss reads it again; `raised` is what a second trace, for another batch size, then raises.
    """

    name: str  # "self.last", "LAST", "STATE['last']"
    span: Span
    read: bool
    raised: Raised | None = None


@dataclass(frozen=True, slots=True)
class SideEffects:
    """What the loss does beside computing, that happens only while it is traced, or at every trace."""

    prints: Span | None = None
    kept: Kept | None = None
    retraced: Span | None = None  # where a function is traced again by every eager call


# --- replicas ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Split:
    """A batch with one replica, and its two halves on two whose gradients are added up.

    `ratio` takes the gradient of one replica nearest to that of two, and `scatter` is what is left of the latter, as a
    share of it; both NaN where the gradient is zero or not finite.
    """

    one: float  # sum of the loss as it is handed to the optimizer
    two: tuple[float, float]
    ratio: float
    scatter: float

    @property
    def differs(self) -> bool:
        """Whether the step is another one, by more than rounding."""
        return abs(self.ratio - 1.0) > 0.02 or self.scatter > 0.02

    @property
    def multiplied(self) -> bool:
        """Whether it is the same step, times a factor."""
        return self.differs and self.scatter <= 0.02


@dataclass(frozen=True, slots=True)
class Replicas:
    """The loss under two replicas, and with a weight of zero.

    `keras` as `fit` runs it, `loop` the raw call in a training loop that differentiates what the loss returns. Both
    are None where nothing was measured, for `reason`; `zero_weight` is the gradient of a sample with sample_weight
    0, beside three with 1, relative to what it is with 1.
    """

    pair: Pair | None = None
    keras: Split | None = None
    loop: Split | None = None
    zero_weight: float | None = None
    reason: str = ""


# --- executions -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Difference:
    """An input at which two executions of the loss give different answers.

    With `symptom`, the second of them alone is not finite; else their values differ by more than rounding.
    """

    executions: tuple[Execution, Execution]
    pair: Pair
    first: Evaluation
    second: Evaluation
    symptom: Literal["", "nonfinite-value"] = ""
    span: Span | None = None  # the statement at which their ways part, where Python decides


@dataclass(frozen=True, slots=True)
class Dropped:
    """An assertion that stops the graph at an input and lets it pass under XLA."""

    guard: Guard
    pair: Pair
    value: float  # with which one of the arguments is filled


@dataclass(frozen=True, slots=True)
class Executions:
    """The loss under XLA, run with its gradient at inputs of one shape, and what sets it apart.

    `limit` says why it was not compiled; `refused` is what XLA raised where the graph runs.
    """

    pairs: tuple[Pair, ...] = ()  # that were run under XLA
    refused: Raised | None = None
    finite_value: bool = False  # at all pairs
    finite_gradient: bool = False
    differences: tuple[Difference, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    limit: str = ""

    @property
    def ran(self) -> bool:
        return bool(self.pairs) and self.refused is None


@dataclass(frozen=True, slots=True)
class HalfRounding:
    """An ordinary input at which a loss in half precision gives a finite value that its float32 twin does not."""

    dtype: str
    pair: Pair
    got: Array
    expected: Array  # of the same code in float32
    calls: tuple[Span, ...]  # of the first operation that is wrong
