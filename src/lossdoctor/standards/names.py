"""What the name of a loss promises: the standard loss that it is named after."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Words that promise nothing by themselves.
_FILLERS = frozenset(
    {"loss", "losses", "fn", "func", "function", "custom", "my", "keras", "tf", "tensorflow", "the", "compute", "calc"}
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@dataclass(frozen=True, slots=True)
class Promise:
    """A family of standard losses.

    Attributes:
        title: in words.
        word: the name that promises it.
        names: of the members in the catalogue.
    """

    title: str
    word: str
    names: tuple[str, ...]


# The words of a name, without fillers, and what they promise. Any word beside them (weighted, masked, soft, dice_bce)
# promises something else, of which nothing is known.
_PROMISES: dict[tuple[str, ...], tuple[str, tuple[str, ...]]] = {
    ("huber",): ("the Huber loss", ("Huber",)),
    ("smooth", "l1"): ("the smooth L1 (Huber) loss", ("Huber",)),
    ("smooth", "l", "1"): ("the smooth L1 (Huber) loss", ("Huber",)),
    ("log", "cosh"): ("the log-cosh loss", ("LogCosh",)),
    ("logcosh",): ("the log-cosh loss", ("LogCosh",)),
    ("mse",): ("mean squared error", ("MeanSquaredError",)),
    ("mean", "squared", "error"): ("mean squared error", ("MeanSquaredError",)),
    ("mae",): ("mean absolute error", ("MeanAbsoluteError",)),
    ("mean", "absolute", "error"): ("mean absolute error", ("MeanAbsoluteError",)),
    ("mape",): ("mean absolute percentage error", ("MeanAbsolutePercentageError",)),
    ("mean", "absolute", "percentage", "error"): ("mean absolute percentage error", ("MeanAbsolutePercentageError",)),
    ("msle",): ("mean squared logarithmic error", ("MeanSquaredLogarithmicError",)),
    ("mean", "squared", "logarithmic", "error"): (
        "mean squared logarithmic error",
        ("MeanSquaredLogarithmicError",),
    ),
    ("bce",): ("binary cross-entropy", ("BinaryCrossentropy",)),
    ("binary", "crossentropy"): ("binary cross-entropy", ("BinaryCrossentropy",)),
    ("binary", "cross", "entropy"): ("binary cross-entropy", ("BinaryCrossentropy",)),
    ("categorical", "crossentropy"): ("categorical cross-entropy", ("CategoricalCrossentropy", "KLDivergence")),
    ("categorical", "cross", "entropy"): ("categorical cross-entropy", ("CategoricalCrossentropy", "KLDivergence")),
    ("hinge",): ("the hinge loss", ("Hinge", "SquaredHinge", "CategoricalHinge")),
    ("squared", "hinge"): ("the squared hinge loss", ("SquaredHinge",)),
    ("poisson",): ("the Poisson loss", ("Poisson",)),
    ("dice",): ("the Dice loss", ("Dice", "Tversky")),
    ("tversky",): ("the Tversky loss", ("Dice", "Tversky")),
    ("focal",): ("the focal loss", ("BinaryFocalCrossentropy", "CategoricalFocalCrossentropy")),
    ("binary", "focal"): ("the binary focal loss", ("BinaryFocalCrossentropy",)),
}
# Of one error: what they compute shows on a curve.
ELEMENTWISE = frozenset({"Huber", "LogCosh", "MeanSquaredError", "MeanAbsoluteError"})


def promised(name: str) -> Promise | None:
    """What a name such as "huber_loss", "SmoothL1" or "my_mse" promises; None where it promises nothing plain."""
    words = tuple(word.lower() for word in _WORD.findall(name))
    kept = tuple(word for word in words if word not in _FILLERS)
    found = _PROMISES.get(kept)
    return None if found is None else Promise(found[0], name, found[1])
