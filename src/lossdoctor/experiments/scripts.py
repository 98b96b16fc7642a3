"""What is left of a loss as a script of its own, which exits 1 while the symptom shows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossdoctor.experiments.reduced import Reduced, reduced
from lossdoctor.experiments.symptoms import Symptom
from lossdoctor.graph.frontend_tf import Live
from lossdoctor.search.literals import source
from lossdoctor.session import Array, Pair

WRONG = 0.01  # relative error from which a number has no more than two right digits
_TESTS: Mapping[str, str] = {
    "no-gradient": "all(slope is None for slope in slopes)",
    "nonfinite-value": "not bool(tf.reduce_all(tf.math.is_finite(value)))",
    "nonfinite-gradient": "any(s is not None and not bool(tf.reduce_all(tf.math.is_finite(s))) for s in slopes)",
    "dead-gradient": "not any(s is not None and bool(tf.reduce_any(s != 0)) for s in slopes)",
}
_TITLE = "# What is left of the loss. Exit status: 1 while the fault stands, 0 once it is mended.\n"


@dataclass(frozen=True, slots=True)
class Way:
    """Where predictions should go.

    Attributes:
        answers: the best prediction of each part of y_pred with a gradient; None where it is not known.
        limits: the least and largest number of each part; None for any.
    """

    answers: tuple[Array | None, ...]
    limits: tuple[tuple[float, float] | None, ...]


def script_of(live: Live, tensor: Any, pair: Pair, symptom: Symptom) -> str:
    """The script of a symptom that one run of a tensor shows; "" where an operation cannot be written down."""
    left = reduced(live, tensor, pair)
    if left is None:
        return ""
    arguments = ", ".join(left.watched)
    result = left.result if left.floating else f"tf.cast({left.result}, tf.float32)"
    return _joined(
        _head(left)
        + _function("reduced", arguments, left.body, result)
        + f"predictions = [{arguments}]\n"
        + "with tf.GradientTape() as tape:\n    tape.watch(predictions)\n"
        + f"    value = reduced({arguments})\nslopes = tape.gradient(value, predictions)\n"
        + 'print("value", value.numpy())\nprint("gradient", [None if s is None else s.numpy() for s in slopes])\n'
        + f"sys.exit(1 if {_TESTS[symptom]} else 0)\n"
    )


def inexact_script(live: Live, tensor: Any, pair: Pair, *, gradient: bool) -> str:
    """The script that computes a tensor, or its gradient, in float32 and in float64, and compares."""
    left = reduced(live, tensor, pair, real="real")
    if left is None or not left.floating:
        return ""
    arguments = ", ".join(left.watched)
    size = "float(np.max(np.abs(double)))" if gradient else "np.abs(double)"
    what = "gradient" if gradient else "value"
    body = (
        f"predictions = [{arguments}]",
        "with tf.GradientTape() as tape:",
        "    tape.watch(predictions)",
        f"    value = reduced(real, {arguments})",
        "slopes = [s for s in tape.gradient(value, predictions) if s is not None]",
    )
    result = "slopes" if gradient else "[value]"
    return _joined(
        _head(left)
        + _function("reduced", f"real, {arguments}", left.body, left.result)
        + _function("computed", "real", body, f"np.concatenate([np.ravel(np.float64(x)) for x in {result}])")
        + "single, double = computed(tf.float32), computed(tf.float64)\n"
        + f"error = np.max(np.abs(single - double) / np.maximum({size}, 1e-300))\n"
        + f'print("{what} in float32", single)\nprint("{what} in float64", double)\n'
        + f'print("largest relative error", error)\nsys.exit(1 if error > {WRONG} else 0)\n'
    )


def differing_script(live: Live, tensor: Any, pair: Pair, expected: Array, tolerance: float) -> str:
    """The script that compares a tensor with what it should be.

    Args:
        expected: of the shape of the tensor, or without its last axes, over which the mean is taken then.
        tolerance: the absolute difference from which they differ.
    """
    left = reduced(live, tensor, pair)
    if left is None or not left.floating:
        return ""
    arguments = ", ".join(left.watched)
    axes = tuple(range(expected.ndim, tensor.shape.rank or expected.ndim))
    mean = f".mean(axis={axes})" if axes else ""
    return _joined(
        _head(left)
        + _function("reduced", arguments, left.body, left.result)
        + f"expected = {source(expected)}\n"
        + f"value = np.float64(reduced({arguments})){mean}\n"
        + 'print("value", value)\nprint("expected", expected)\n'
        + f"sys.exit(1 if np.max(np.abs(value - expected)) > {tolerance:.3g} else 0)\n"
    )


def leading_away_script(live: Live, tensor: Any, pair: Pair, way: Way) -> str:
    """The script that goes down the gradient of a tensor: from the answer, or ever further."""
    left = reduced(live, tensor, pair)
    if left is None or not left.floating or len(way.answers) != len(left.watched):
        return ""
    arguments = ", ".join(left.watched)
    known = any(answer is not None for answer in way.answers)
    move = (
        "with tf.GradientTape() as tape:",
        "    tape.watch(predictions)",
        "    value = tf.reduce_sum(reduced(*predictions))",
        "slopes = tape.gradient(value, predictions, unconnected_gradients=tf.UnconnectedGradients.ZERO)",
        "slopes = [np.float64(tf.convert_to_tensor(s)) for s in slopes]",
        "size = max(np.sqrt(np.mean(np.concatenate([np.ravel(s) for s in slopes]) ** 2)), 1e-30)",
        "moved = [np.float64(p) - step * s / size for p, s in zip(predictions, slopes)]",
        "moved = [np.clip(p, *limit) if limit else p for p, limit in zip(moved, limits)]",
    )
    moved = "[tf.constant(m, p.dtype) for m, p in zip(moved, predictions)]"
    answers = ", ".join("None" if answer is None else source(answer) for answer in way.answers)
    if known:
        distance = (
            "pairs = [(p, a) for p, a in zip(predictions, answers) if a is not None]",
            "squares = [np.ravel(np.float64(p) - a) ** 2 for p, a in pairs]",
        )
        measure = _function("distance", "predictions", distance, "np.sqrt(np.mean(np.concatenate(squares)))")
        test, words, steps, share = "after > 1.1 * before", "distance from the answer", 60, 0.03
    else:
        size = ("parts = [np.ravel(np.float64(p)) for p in predictions]",)
        measure = _function("distance", "predictions", size, "np.sqrt(np.mean(np.concatenate(parts) ** 2))")
        test, words, steps, share = "after > 5 * max(before, 0.1)", "size of the predictions", 200, 0.1
    return _joined(
        _head(left)
        + f"answers = [{answers}]\nlimits = {list(way.limits)}\n"
        + _function("reduced", arguments, left.body, left.result)
        + _function("moved_down", "predictions, step", move, moved)
        + measure
        + f"predictions = [{arguments}]\nbefore = distance(predictions)\n"
        + "first = float(tf.reduce_sum(reduced(*predictions)))\n"
        + f"for _ in range({steps}):\n    predictions = moved_down(predictions, {share} * max(before, 0.1))\n"
        + "after = distance(predictions)\nlast = float(tf.reduce_sum(reduced(*predictions)))\n"
        + 'print("value before and after going down its gradient", first, last)\n'
        + f'print("{words} before and after", before, after)\n'
        + f"sys.exit(1 if not np.isfinite(after) or {test} else 0)\n"
    )


def _head(left: Reduced) -> str:
    return f"{_TITLE}import sys\n\nimport numpy as np\nimport tensorflow as tf\n\n" + "\n".join(left.heads) + "\n"


def _function(name: str, arguments: str, body: Sequence[str], result: str) -> str:
    lines = "\n".join(f"    {line}" for line in body)
    return f"\n\ndef {name}({arguments}):\n{lines}\n    return {result}\n\n\n"


def _joined(*parts: str) -> str:
    """A script of its parts, with two empty lines between functions."""
    return re.sub(r"\n{4,}", "\n\n\n", "".join(parts))


def run_here(script: str) -> int | None:
    """The exit status of a script, run in this process; None where it raises."""
    import contextlib
    import io

    if not script:
        return None
    try:
        with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
            exec(compile(script, "reduced.py", "exec"), {"__name__": "__main__"})
    except SystemExit as status:
        return int(status.code or 0)
    except Exception:  # the operations are the user's
        return None
    return 0
