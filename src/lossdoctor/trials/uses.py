"""Which loss a compiled model holds against which output, and what that loss expects."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lossdoctor.readings.model import LossUse, Targets, Wants
from lossdoctor.subject.kinds import is_keras_module, is_loss, wrapped_function

# By the name of Keras's function: what a loss expects of targets and predictions ("scores": by `from_logits`).
_EXPECTED: dict[str, tuple[Targets, Wants]] = {
    "categorical_crossentropy": ("onehot", "probability"),
    "categorical_focal_crossentropy": ("onehot", "probability"),
    "sparse_categorical_crossentropy": ("label", "probability"),
    "binary_crossentropy": ("binary", "unit"),
    "binary_focal_crossentropy": ("binary", "unit"),
    "kl_divergence": ("onehot", "probability"),
    "hinge": ("sign", ""),
    "squared_hinge": ("sign", ""),
    "categorical_hinge": ("onehot", ""),
    "poisson": ("positive", ""),
    "dice": ("binary", "unit"),
    "tversky": ("binary", "unit"),
    "mean_squared_error": ("same", ""),
    "mean_absolute_error": ("same", ""),
    "mean_absolute_percentage_error": ("same", ""),
    "mean_squared_logarithmic_error": ("same", ""),
    "huber": ("same", ""),
    "log_cosh": ("same", ""),
    "cosine_similarity": ("same", ""),
}
_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")  # KLDivergence -> kl_divergence
TITLES = {
    "categorical_crossentropy": "categorical cross-entropy",
    "sparse_categorical_crossentropy": "sparse categorical cross-entropy",
    "binary_crossentropy": "binary cross-entropy",
    "mean_squared_error": "mean squared error",
}


def losses_by_output(model: Any, names: Sequence[str]) -> dict[str, Any]:
    """The loss of each output by name, made from its name where it was given by one; None for an output without.

    Args:
        names: of the outputs; [""] for a single one.
    """
    given = getattr(model, "loss", None)
    if isinstance(given, Mapping):
        if list(names) == [""]:
            return {"": made(next(iter(given.values()), None))}
        return {name: made(given.get(name)) for name in names}
    if isinstance(given, list | tuple):
        return {name: made(given[place] if place < len(given) else None) for place, name in enumerate(names)}
    return {name: made(given) for name in names}


def made(loss: Any) -> Any:
    """The loss itself, where it was given by its name."""
    if not isinstance(loss, str):
        return loss
    import keras

    return keras.losses.get(loss)


def use_of(loss: Any) -> LossUse:
    """What a loss is called, whether it is Keras's own, and what it expects."""
    from lossdoctor.subject.locate import definition_of

    inner = wrapped_function(loss)
    owner = type(inner) if is_loss(inner) else inner
    stock = is_keras_module(getattr(owner, "__module__", None) or "")
    definition = definition_of(loss)
    if not stock:
        return LossUse(definition.name, False, path=definition.path, line=definition.line)
    name = getattr(inner, "__name__", "") or _WORDS.sub("_", type(inner).__name__).lower()
    targets, wants = _EXPECTED.get(name, ("", ""))
    config: dict[str, Any] = {}
    if is_loss(loss):
        try:
            config = loss.get_config()
        except Exception:  # a configuration of the user's
            config = {}
    if config.get("from_logits") and wants:
        wants = "logit"
    shown = type(loss).__name__ if is_loss(loss) and type(loss).__name__ != "LossFunctionWrapper" else name
    return LossUse(shown, True, wants, targets, config.get("ignore_class"))


def standard_for(activation: str, y_true: Any, y_pred: Any) -> tuple[Any, str]:
    """The standard loss for such targets and predictions, and its title; (None, "") where none is plain.

    Args:
        activation: of the last layer; "" if unknown.
        y_true, y_pred: arrays.
    """
    import keras
    import numpy as np

    if y_true.dtype.kind not in "biuf" or y_pred.ndim < 1:
        return None, ""
    numbers = y_true.astype(np.float64)
    finite = numbers[np.isfinite(numbers)]
    if not finite.size:
        return None, ""
    whole = bool((finite == np.rint(finite)).all())
    inside = bool((finite >= 0).all() and (finite <= 1).all())
    classes = y_pred.shape[-1] if y_pred.ndim >= 2 else 1
    sparse = classes >= 2 and whole and y_true.shape in (y_pred.shape[:-1], (*y_pred.shape[:-1], 1))
    logits = activation not in ("softmax", "sigmoid")
    if sparse and finite.min() >= 0 and finite.max() < classes and activation in ("softmax", "linear", ""):
        loss: Any = keras.losses.SparseCategoricalCrossentropy(from_logits=logits)
        return loss, TITLES["sparse_categorical_crossentropy"]
    if activation == "softmax" and inside and y_true.shape == y_pred.shape:
        return keras.losses.CategoricalCrossentropy(), TITLES["categorical_crossentropy"]
    binary = whole and inside and len(np.unique(finite)) <= 2
    if inside and (activation == "sigmoid" or (binary and activation == "linear")) and not sparse:
        if y_true.size == y_pred.size:
            return keras.losses.BinaryCrossentropy(from_logits=logits), TITLES["binary_crossentropy"]
        return None, ""
    if y_true.size == y_pred.size:
        return keras.losses.MeanSquaredError(), TITLES["mean_squared_error"]
    return None, ""
