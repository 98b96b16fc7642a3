"""What the names of arguments and functions say: which argument is the target, which the prediction."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

Argument = Literal["y_true", "y_pred"]

_TRUE = frozenset(
    [
        "true",
        "truth",
        "label",
        "labels",
        "target",
        "targets",
        "gt",
        "gts",
        "ground",
        "groundtruth",
        "y",
        "t",
        "actual",
        "actuals",
        "expected",
        "reference",
        "ref",
        "annotation",
        "annotations",
        "onehot",
        "observed",
        "desired",
    ]
)
_PRED = frozenset(
    [
        "pred",
        "preds",
        "prediction",
        "predictions",
        "predicted",
        "predict",
        "logit",
        "logits",
        "output",
        "outputs",
        "out",
        "hat",
        "p",
        "prob",
        "probs",
        "probability",
        "probabilities",
        "score",
        "scores",
        "estimate",
        "estimated",
        "estimates",
        "est",
        "recon",
        "reconstruction",
        "reconstructed",
        "generated",
        "yhat",
        "forecast",
        "inferred",
    ]
)
# First words of functions that handle targets and predictions without being a loss.
_NEVER_LOSS_VERBS = frozenset({"plot", "print", "test", "draw"})
_NO_LOSS_VERBS = frozenset(
    [
        "plot",
        "print",
        "show",
        "draw",
        "test",
        "evaluate",
        "eval",
        "report",
        "save",
        "display",
        "visualize",
        "visualise",
        "summarize",
        "summarise",
    ]
)
# Last words of quantities that are reported, or to be maximised.
_SCORES = frozenset(
    [
        "accuracy",
        "acc",
        "metric",
        "metrics",
        "coef",
        "coeff",
        "coefficient",
        "score",
        "precision",
        "recall",
        "auc",
        "psnr",
        "iou",
        "specificity",
        "sensitivity",
        "correct",
        "f1",
        "r2",
    ]
)
# Words of what a decision earns: more of it is better, whatever the decision is.
_GAINS = frozenset(
    {
        "sharpe",
        "sortino",
        "profit",
        "profits",
        "reward",
        "rewards",
        "gain",
        "gains",
        "pnl",
        "payoff",
        "revenue",
        "utility",
    }
)
# Words of losses that bring together what belongs together.
_PAIRINGS = frozenset(
    (
        "triplet triplets contrastive siamese npair npairs pair pairs metric embedding embeddings supcon infonce nce "
        "ntxent simclr views circle lifted similarity"
    ).split()
)
# What losses measure.
_MEASURES = frozenset(
    [
        "nll",
        "likelihood",
        "elbo",
        "crossentropy",
        "entropy",
        "divergence",
        "kl",
        "mse",
        "rmse",
        "mae",
        "huber",
        "hinge",
        "triplet",
        "contrastive",
        "dice",
        "jaccard",
        "tversky",
    ]
)
# Words of arguments that are no prediction.
_NO_PREDICTION = frozenset({"x", "model", "mask", "weight", "weights", "config", "path", "axis", "epoch", "name"})
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")


def words(name: str) -> tuple[str, ...]:
    """The lower-case words of an identifier: `softF1Loss` and `soft_f1_loss` give soft, f, 1, loss."""
    return tuple(word.lower() for word in _WORD.findall(name))


def argument_role(name: str) -> Argument | None:
    """Which of the two arguments of a loss a name stands for, if it says so."""
    parts = set(words(name)) | {part for part in name.lower().split("_") if part}
    flat = name.lower().replace("_", "")
    if parts & _PRED or "pred" in flat or flat in ("yhat", "yp"):
        return "y_pred"
    if parts & _TRUE or "true" in flat or flat in ("yt",):
        return "y_true"
    return None


def is_pair(parameters: Sequence[str]) -> bool:
    """Whether the first two parameters are a target and a prediction, in either order."""
    if len(parameters) < 2:
        return False
    return {argument_role(name) for name in parameters[:2]} == {"y_true", "y_pred"}


def is_loose_pair(parameters: Sequence[str]) -> bool:
    """Whether the first of two parameters is a target, and the second, whose name says nothing, may be a prediction:
    `(targets, inputs)`, `(labels, embeddings)`."""
    if len(parameters) < 2 or argument_role(parameters[0]) != "y_true" or argument_role(parameters[1]) is not None:
        return False
    return not _NO_PREDICTION & set(words(parameters[1]))


def is_loss_name(name: str) -> bool:
    found = words(name)
    return bool({"loss", "losses", "objective", "criterion", "cost"} & set(found)) or name.lower().endswith("loss")


def is_gain_name(name: str) -> bool:
    """Whether a name says that y_true is what is earned by the decisions of y_pred."""
    return bool(_GAINS & set(words(name)))


def is_pairing_name(name: str) -> bool:
    """Whether a name says that predictions are embeddings, of which those that belong together should be alike."""
    return bool(_PAIRINGS & set(words(name)))


def sounds_like_loss(name: str) -> bool:
    """Whether a name has a word of what losses measure, though it does not call itself a loss."""
    return bool(_MEASURES & set(words(name)))


def is_other_name(name: str) -> bool:
    """Whether a name is that of a plot, a test or a score rather than of a loss."""
    parts = words(name) or (name,)
    if parts[0] in _NEVER_LOSS_VERBS:
        return True
    return not is_loss_name(name) and (parts[0] in _NO_LOSS_VERBS or bool({*parts[-1:], "".join(parts[-2:])} & _SCORES))
