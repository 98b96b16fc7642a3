"""The usual names of the series that detectors know, in other people's logs."""

from __future__ import annotations

import re

_WORDS = re.compile(r"[a-z]+|\d+")
_VALIDATION = {"val", "valid", "validation", "eval", "evaluation", "test", "dev"}
_TRAINING = {"train", "training", "tr"}
_SPACE = {"epoch", "batch", "step", "avg", "mean", "total", "running"}
STEPS = ("step", "steps", "global_step", "iteration", "iter", "iterations", "batch")
EPOCHS = ("epoch", "epochs")


def canonical(column: str) -> str:
    """`loss`, `val_loss`, `grad_norm` or `learning_rate` for a column that usually means it, else the column's own
    name.

    "train/loss", "Loss/train", "epoch_loss" and "training_loss" are `loss`; "eval_loss" and "validation/epoch_loss" are
    `val_loss`; "lr" and "train/learning_rate" are `learning_rate`.
    """
    words = set(_WORDS.findall(column.lower()))
    plain = words - _SPACE - _TRAINING
    if plain == {"loss"}:
        return "loss"
    if plain - _VALIDATION == {"loss"}:
        return "val_loss"
    if plain in ({"lr"}, {"learning", "rate"}, {"learningrate"}):
        return "learning_rate"
    if plain in (
        {"grad", "norm"},
        {"gradient", "norm"},
        {"gradnorm"},
        {"global", "grad", "norm"},
        {"global", "gradient", "norm"},
    ):
        return "grad_norm"
    return column


def is_step(column: str) -> bool:
    return column.strip().lower().replace(" ", "_").removeprefix("train/") in STEPS


def is_epoch(column: str) -> bool:
    return column.strip().lower().removeprefix("train/") in EPOCHS
