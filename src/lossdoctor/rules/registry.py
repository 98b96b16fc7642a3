"""What a rule is, and the list of all of them.

A rule is two neighbours in `rules/<group>/`: `ldNNN_<name>.py` with the check, `ldNNN_<name>.md` with everything
that a person reads. A check is a generator of suspicions; the types of its parameters say which readings it
needs, and the engine computes those once and only when asked for. A rule does no tracing, no input or output and
no rendering.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from lossdoctor.findings import Calling, Evidence, Family, Fix, Severity
from lossdoctor.graph.ir import Node, Span, Stage
from lossdoctor.readings.model import Party
from lossdoctor.session import Pair

Check = Callable[..., Iterator["Suspicion"]]
# What a reproduction script has to show before a suspicion may become an error.
Symptom = Literal[
    "nonfinite-value",  # NaN or Inf in the loss
    "nonfinite-gradient",  # finite loss, NaN or Inf in the gradient
    "no-gradient",  # the gradient is None
    "no-term-gradient",  # a term's gradient is None (shown at `node`'s expression; see reproduce)
    "dead-gradient",  # the gradient is exactly zero while the loss is lower at `better`
    "constant",  # value and gradient are the same, and zero, at `others`
    "raises",  # raises under `when[0]`
    "raises-at",  # value or gradient raises at an input of the search, and computes at others
    "batch-mismatch",  # the loss of a batch differs from the losses of its samples
    "scales-with-batch",  # loss and gradient grow with the batch, or shrink
    "complex-loss",  # the loss is a complex number
    "execution-mismatch",  # eager and graph differ
    "decreases-away",  # the loss is lower at `away` than at the target
    "unbounded",  # the loss falls without end
    "wrong-gradient",  # the gradient used differs from the derivative of the value
    "save-load",  # a reloaded loss differs
    "not-a-tensor",  # the loss returns something else
    "dies",  # calling the loss ends or hangs its process
    "expected",  # the value, or the gradient, is not the number that is known to be right
    "retrace-raises",  # a second trace, for another batch size, raises
    "frozen",  # a changed attribute leaves the compiled loss unchanged
    "weight-ignored",  # a sample of weight 0 has a gradient through Keras, or weights fail
    "lowest-number",  # the loss is next to the largest or lowest number of its dtype
    "rank-of-one",  # a batch of one has a loss of another rank
    "order-matters",  # the loss changes with its arguments exchanged
    "scores-exchanged",  # the loss does not change with the scores of the classes reversed
    "not-shift-invariant",  # a number added to all scores of a place changes the loss
    "label-without-gradient",  # no gradient where y_true is `label`
    "fractions-alike",  # the loss does not change with y_true rounded down
    "padding-counts",  # entries that are masked are counted by the mean: `value` masks, along `axes` of both arguments
    "perfect-costs",  # the loss of y_pred = y_true is not zero
    "grows-squared",  # the largest tensor grows with the square of the batch
    "vector-through-keras",  # what Keras gives the optimizer is no single number
    "mask-not-applied",  # a masked time step changes the loss, or the mask fails
    "factory-called",  # the factory `name` gives no number for (y_true, y_pred)
    "pixels-exchanged",  # the loss changes with all places of a sample put into another order, or is a sum over them
    "targets-exchanged",  # the loss does not change with the targets of the batch given to other samples
    "places-coupled",  # what one place of `axis` costs depends on the others
    "clipped-scores",  # scores outside of [0, 1] can be moved further out without any change
    "classes-alike",  # two classes, `first` and `second`, give the same loss
    "operations-left",  # the graph has at least `count` operations of `types`
    "operation-on-shapes",  # the graph has an operation of `types` whose inputs have the `shapes`
    "in-double",  # the graph has operations in float64
    "share-rounded",  # the graph has a mean or quotient in integers that is used as a float
    "cast-to-integer",  # the graph has at least `count` casts of floats to integers
    "seeded-alike",  # the graph has random numbers of a constant seed
    "traced-again",  # a further call with the same shapes traces again
    "setting-unused",  # the loss made by two expressions, `makes`, is the same
    "setting-lost",  # the loss made with `value` for `argument` has another
    "drawn-at-import",  # the defaults of `function` change with the file read again
    "list-grows",  # calls lengthen the list `name` of `holder`
]


@dataclass(frozen=True, slots=True)
class Accused:
    """Who is to blame for what a rule of LD8xx found, and where that stands.

    Attributes:
        party: loss, data, model, optimisation or loop.
        what: "x", "y", "y:OUTPUT", "sample_weight", "layer:NAME", "compile", "optimizer", "loss:OUTPUT"; "" where the
            suspicion's own calls say it.
        index: of the sample or element that shows it; () where all do.
    """

    party: Party
    what: str = ""
    index: tuple[int, ...] = ()
    rank: int = 50  # the cause that explains the others has the lowest


@dataclass(frozen=True, slots=True)
class Suspicion:
    """One place where a rule suspects its fault.

    With `node`, the engine searches for an input at which that node is the first to go wrong; with `pair`, it
    takes that input; with neither the claim is a fact of the graph. In each case an error must be replayed by the
    script for `symptom`, else it is dropped.
    """

    rule: Rule
    message: str
    calls: tuple[Span, ...]  # the user's frames, outermost first; () means the definition of the target
    evidence: Evidence = "suspected"
    symptom: Symptom | None = None
    node: int | None = None
    stage: Stage = "traced"
    pair: Pair | None = None
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])  # for the reproduction script
    when: tuple[Calling, ...] = ()
    severity: Severity | None = None  # instead of the rule's own
    family: Family | None = None
    fix: Fix | None = None
    at_most: float = math.inf  # magnitude of the numbers of an input that shows the fault
    # What becomes of a warning that the script does not show: dropped, or a fact that stands without a script.
    replay: Literal["needed", "welcome"] = "needed"
    accused: Accused | None = None  # of a rule that reads a model, a batch or a training step


@dataclass(frozen=True)
class Rule:
    code: str
    name: str
    family: Family
    severity: Severity
    checks: list[Check] = field(default_factory=list[Check], compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.code in _RULES:
            raise ValueError(f"rule {self.code} is defined twice")
        _RULES[self.code] = self

    def check(self, function: Check) -> Check:
        """Register a check over graph, domain and probe readings."""
        self.checks.append(function)
        return function

    def at(self, node: Node | None, message: str, *, calls: tuple[Span, ...] = (), **facts: Any) -> Suspicion:
        """A suspicion at a node (its own frames unless `calls` says others)."""
        return Suspicion(
            rule=self,
            message=message,
            calls=calls or (node.calls if node else ()),
            node=node.id if node else None,
            **facts,
        )

    @property
    def page(self) -> Path:
        """The Markdown page of the rule; raises `StopIteration` if it has none."""
        return next(Path(__file__).parent.glob(f"*/{self.code.lower()}_*.md"))


_RULES: dict[str, Rule] = {}


@cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule, by code. Imports all rule modules."""
    import lossdoctor.rules as package

    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
    return tuple(_RULES[code] for code in sorted(_RULES))
