"""Readings of what outlives a call: a saved loss, Python state that a compiled loss keeps, side effects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from lossdoctor.graph.ir import Span
from lossdoctor.session import Pair, Raised


@dataclass(frozen=True, slots=True)
class SavedArgument:
    """One constructor argument, changed, saved and loaded again.

    outcome: kept (the loaded loss computes the same), lost (another value), raises (`raised` says what), ignored
    (the instance does not hold what it was given; of `reduction` only), or unjudged (`reason`: its change does not
    show in the value, or no other valid value was found).
    """

    name: str
    outcome: Literal["kept", "lost", "raises", "ignored", "unjudged"]
    default: object = None
    changed: object = None
    before: float | None = None  # loss of the instance with the changed value
    after: float | None = None  # of the loaded one
    pair: Pair | None = None  # where before and after were computed
    through: Literal["", "from_config", "deserialize"] = ""  # which way shows it
    raised: Raised | None = None
    reason: str = ""
    at_default: bool = False  # this very loss holds the default, so that it loses nothing itself
    among_kwargs: bool = False  # the constructor does not name it


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
    config_is: str | None = None  # what get_config returns in place of a table: "None", "a list"

    @property
    def meant_to_be_saved(self) -> bool:
        """Whether the author thought of saving: registered the class, wrote a get_config, saves or loads models."""
        return bool(self.registered) or self.overrides_get_config or self.saved_in_file

    @property
    def lost(self) -> tuple[SavedArgument, ...]:
        return tuple(argument for argument in self.arguments if argument.outcome == "lost")


@dataclass(frozen=True, slots=True)
class FrozenState:
    """A Python number that the loss reads, and that a compiled loss keeps as it was when traced.

    `mutated_at` is where code changes it after construction, None for a hyperparameter (then it is healthy).
    """

    name: str  # "self.epoch", "EPOCH", "STATE['epoch']"
    holder: Literal["attribute", "global", "item", "closure"]
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
