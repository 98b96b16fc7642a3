"""The losses of Keras and their known relatives, as formulas.

Formulas compute one number a sample from arrays whose last axis is that of the outputs or classes; `{name}` stands
for a parameter. A test holds each against Keras's own, so that a new version of Keras cannot change one unnoticed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product

from lossdoctor.spec import Contract, Spec

# Kinds of y_pred under which a loss makes sense.
REALS = ("real", "positive", "unit", "logit", "sign")
UNITS = ("unit", "probability", "positive")
SCORES = ("logit", "real")


@dataclass(frozen=True, slots=True)
class Standard:
    """A standard loss.

    Attributes:
        name: of the class in `keras.losses`, or of a relative that is not there, in the same style.
        title: in words.
        formula: with `{parameter}` where it has some.
        true, pred: kinds of the two specs; () means any.
        defaults: values of the parameters that Keras uses.
        derived: parameters that take their values from the constants of the code under examination.
        keras: whether `keras.losses` has it.
        least: fewest axes of y_pred.
        shared: both arguments have the same shape.
    """

    name: str
    title: str
    formula: str
    true: tuple[str, ...] = ()
    pred: tuple[str, ...] = ()
    defaults: Mapping[str, float] = field(default_factory=dict[str, float])
    keras: bool = True
    least: int = 1
    shared: bool = True
    arguments: str = ""  # of the constructor, beside the parameters
    folds: bool = False  # sums over `axis`, by default over all axes

    def text(self, parameters: Mapping[str, float], classes: int = 2, axes: tuple[int, ...] | None = None) -> str:
        """The formula.

        Args:
            parameters: their values; others have their defaults.
            classes: size of the last axis of y_pred.
            axes: that a loss which folds sums over; None means all.
        """
        values = {name: f"({value!r})" for name, value in {**self.defaults, **parameters}.items()}
        fold = "" if axes is None else f", axis={axes}"
        return self.formula.format(**values, classes=classes, axes=fold)

    def code(self, parameters: Mapping[str, float], axes: tuple[int, ...] | None = None) -> str:
        """How it is made, such as "Huber(delta=2)"; "Huber" with the defaults."""
        changed = [f"{name}={value:.6g}" for name, value in parameters.items() if value != self.defaults[name]]
        inside = [*([self.arguments] if self.arguments else []), *changed]
        inside += [f"axis={axes}"] if axes is not None else []
        return f"{self.name}({', '.join(inside)})" if inside else self.name

    def accepts(self, contract: Contract) -> bool:
        """Whether the specs are ones that it is made for."""
        true, pred = contract.y_true, contract.y_pred
        if not isinstance(true, Spec) or not isinstance(pred, Spec) or true.missing or pred.missing:
            return False
        if (self.true and true.kind not in self.true) or (self.pred and pred.kind not in self.pred):
            return False
        if len(pred.dims) <= self.least - 1 or (self.least > 1 and pred.dims[-1] == 1):
            return False
        if not self.shared:
            return len(true.dims) == len(pred.dims) - 1
        return true.dims == pred.dims and true.kind != "label"

    def variants(self, constants: tuple[float, ...], limit: int = 36) -> Iterator[dict[str, float]]:
        """Other values of its parameters, each among the constants of the code."""
        names = list(self.defaults)
        options = [tuple(dict.fromkeys((self.defaults[name], *constants))) for name in names]
        count = 0
        for values in product(*options):
            chosen = dict(zip(names, values, strict=True))
            if names and chosen != dict(self.defaults) and _sensible(chosen):
                count += 1
                if count > limit:
                    return
                yield chosen


def _sensible(chosen: Mapping[str, float]) -> bool:
    """Whether parameters lie where they are defined: positive, and weights and smoothing within (0, 1)."""
    return (
        all(
            0 < value < 1 if name in ("alpha", "beta", "quantile", "q", "label_smoothing") else 0 <= value <= 1e3
            for name, value in chosen.items()
        )
        and chosen.get("delta", 1.0) > 0
    )


_BCE = "(-({t})*log(p) - (1-({t}))*log(1-p))"
_BCE_LOGITS = "(softplus(p) - ({t})*p)"
_FOCAL = "where(t > 0.5, -{alpha}*(1-p)**{gamma}*log(p), -(1-{alpha})*p**{gamma}*log(1-p))"
_PLAIN_FOCAL = "where(t > 0.5, -(1-p)**{gamma}*log(p), -p**{gamma}*log(1-p))"
_LABELS = ("binary", "unit")
_CLASSES = ("onehot", "probability")
_SMOOTH = "(t*(1 - {label_smoothing}) + {label_smoothing}/sum(0*p + 1, axis=-1, keepdims=True))"
_NO_SMOOTHING = {"label_smoothing": 0.0}

STANDARDS: tuple[Standard, ...] = (
    Standard("MeanSquaredError", "mean squared error", "mean((t - p)**2, axis=-1)"),
    Standard("MeanAbsoluteError", "mean absolute error", "mean(abs(t - p), axis=-1)"),
    Standard(
        "MeanAbsolutePercentageError",
        "mean absolute percentage error",
        "100*mean(abs(t - p)/maximum(abs(t), 1e-7), axis=-1)",
    ),
    Standard(
        "MeanSquaredLogarithmicError",
        "mean squared logarithmic error",
        "mean((log(1 + t) - log(1 + p))**2, axis=-1)",
        ("positive", "unit", "binary"),
        ("positive", "unit"),
    ),
    Standard(
        "Huber",
        "Huber loss",
        "mean(where(abs(t-p) <= {delta}, (t-p)**2/2, {delta}*abs(t-p) - {delta}**2/2), axis=-1)",
        defaults={"delta": 1.0},
    ),
    Standard("LogCosh", "log-cosh loss", "mean(abs(p-t) + softplus(-2*abs(p-t)) - log(2), axis=-1)"),
    Standard(
        "BinaryCrossentropy",
        "binary cross-entropy",
        "mean(" + _BCE.format(t="t*(1 - {label_smoothing}) + {label_smoothing}/2") + ", axis=-1)",
        _LABELS,
        ("unit",),
        _NO_SMOOTHING,
    ),
    Standard(
        "BinaryCrossentropy",
        "binary cross-entropy from logits",
        "mean(" + _BCE_LOGITS.format(t="t*(1 - {label_smoothing}) + {label_smoothing}/2") + ", axis=-1)",
        _LABELS,
        SCORES,
        _NO_SMOOTHING,
        arguments="from_logits=True",
    ),
    Standard(
        "BinaryFocalCrossentropy",
        "binary focal cross-entropy",
        f"mean({_PLAIN_FOCAL}, axis=-1)",
        ("binary",),
        ("unit",),
        {"gamma": 2.0},
    ),
    Standard(
        "BinaryFocalCrossentropy",
        "balanced binary focal cross-entropy",
        f"mean({_FOCAL}, axis=-1)",
        ("binary",),
        ("unit",),
        {"alpha": 0.25, "gamma": 2.0},
        arguments="apply_class_balancing=True",
    ),
    Standard(
        "BinaryFocalCrossentropy",
        "binary focal cross-entropy from logits",
        "mean(where(t > 0.5, sigmoid(-p)**{gamma}*softplus(-p), sigmoid(p)**{gamma}*softplus(p)), axis=-1)",
        ("binary",),
        SCORES,
        {"gamma": 2.0},
        arguments="from_logits=True",
    ),
    Standard(
        "BinaryFocalCrossentropy",
        "balanced binary focal cross-entropy from logits",
        "mean(where(t > 0.5, {alpha}*sigmoid(-p)**{gamma}*softplus(-p), "
        "(1-{alpha})*sigmoid(p)**{gamma}*softplus(p)), axis=-1)",
        ("binary",),
        SCORES,
        {"alpha": 0.25, "gamma": 2.0},
        arguments="apply_class_balancing=True, from_logits=True",
    ),
    Standard(
        "CategoricalCrossentropy",
        "categorical cross-entropy",
        f"-sum({_SMOOTH}*log(p/sum(p, axis=-1, keepdims=True)), axis=-1)",
        _CLASSES,
        ("probability", "unit"),
        _NO_SMOOTHING,
        least=2,
    ),
    Standard(
        "CategoricalCrossentropy",
        "categorical cross-entropy from logits",
        f"-sum({_SMOOTH}*log_softmax(p), axis=-1)",
        _CLASSES,
        SCORES,
        _NO_SMOOTHING,
        least=2,
        arguments="from_logits=True",
    ),
    Standard(
        "SparseCategoricalCrossentropy",
        "sparse categorical cross-entropy",
        "-sum(one_hot(t, {classes})*log(p/sum(p, axis=-1, keepdims=True)), axis=-1)",
        ("label",),
        ("probability", "unit"),
        least=2,
        shared=False,
    ),
    Standard(
        "SparseCategoricalCrossentropy",
        "sparse categorical cross-entropy from logits",
        "logsumexp(p, axis=-1) - sum(one_hot(t, {classes})*p, axis=-1)",
        ("label",),
        SCORES,
        least=2,
        shared=False,
        arguments="from_logits=True",
    ),
    Standard(
        "CategoricalFocalCrossentropy",
        "categorical focal cross-entropy",
        "-sum(t*{alpha}*(1-p)**{gamma}*log(p), axis=-1)",
        _CLASSES,
        ("probability",),
        {"alpha": 0.25, "gamma": 2.0},
        least=2,
    ),
    Standard(
        "CategoricalFocalCrossentropy",
        "categorical focal cross-entropy from logits",
        "-sum(t*{alpha}*(1-softmax(p))**{gamma}*log_softmax(p), axis=-1)",
        _CLASSES,
        SCORES,
        {"alpha": 0.25, "gamma": 2.0},
        least=2,
        arguments="from_logits=True",
    ),
    Standard(
        "KLDivergence",
        "Kullback-Leibler divergence",
        "sum(where(t > 0, t*log(maximum(t, 1e-7)/maximum(p, 1e-7)), 0), axis=-1)",
        _CLASSES,
        ("probability", "unit"),
        least=2,
    ),
    Standard("Poisson", "Poisson loss", "mean(p - t*log(p), axis=-1)", ("positive", "unit", "binary"), UNITS),
    Standard("Hinge", "hinge loss", "mean(maximum(1 - t*p, 0), axis=-1)", ("sign",)),
    Standard("SquaredHinge", "squared hinge loss", "mean(maximum(1 - t*p, 0)**2, axis=-1)", ("sign",)),
    Standard(
        "Hinge", "hinge loss of labels 0 and 1", "mean(maximum(1 - (2*t - 1)*p, 0), axis=-1)", ("binary",), SCORES
    ),
    Standard(
        "SquaredHinge",
        "squared hinge loss of labels 0 and 1",
        "mean(maximum(1 - (2*t - 1)*p, 0)**2, axis=-1)",
        ("binary",),
        SCORES,
    ),
    Standard(
        "CategoricalHinge",
        "categorical hinge loss",
        "maximum(max((1 - t)*p, axis=-1) - sum(t*p, axis=-1) + 1, 0)",
        ("onehot",),
        least=2,
    ),
    Standard(
        "CosineSimilarity",
        "cosine similarity",
        "-sum(t*p, axis=-1)/sqrt(sum(t**2, axis=-1)*sum(p**2, axis=-1))",
        ("real", "positive", "probability", "logit"),
        least=2,
    ),
    Standard(
        "Dice",
        "Dice loss",
        "1 - 2*sum(t*p{axes})/(sum(t{axes}) + sum(p{axes}))",
        ("binary", "onehot", "unit"),
        UNITS,
        folds=True,
    ),
    Standard(
        "Tversky",
        "Tversky loss",
        "1 - sum(t*p{axes})/(sum(t*p{axes}) + {alpha}*sum(t*(1-p){axes}) + {beta}*sum((1-t)*p{axes}))",
        ("binary", "onehot", "unit"),
        UNITS,
        {"alpha": 0.5, "beta": 0.5},
        folds=True,
    ),
    Standard(
        "CategoricalGeneralizedCrossEntropy",
        "generalized cross-entropy",
        "(1 - sum(one_hot(t, {classes})*p, axis=-1)**{q})/{q}",
        ("label",),
        ("probability",),
        {"q": 0.5},
        least=2,
        shared=False,
    ),
)
