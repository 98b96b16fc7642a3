"""Faults that only a comparison or a training shows, put into composite losses: is the term named, and the line?

    python -m benchmarks.isolate_departures [--shard 0/1] [--only TEXT]

The losses are those of tests/experiments/composites.py, as in `benchmarks.isolate`; what a faulty one is compared with is
the loss as it was.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.composites import PATH
from benchmarks.isolate import Fault, chosen_of, planted

from lossdoctor import engine
from lossdoctor.engine.isolating import Wanted
from lossdoctor.experiments.reading import Isolation
from lossdoctor.session import Settings
from lossdoctor.worker.remote import WorkerPool

# ruff: noqa: E501 (a row is a fault)
FAULTS: tuple[Fault, ...] = (
    # squares that are expanded, variances as a difference of squares, where no other term is large beside them
    ("subtracted", "tf.square(y_true - y_pred), -1)\n    bias", "tf.square(y_true) - 2.0 * y_true * y_pred + tf.square(y_pred), -1)\n    bias", "mse", "precision-loss"),
    ("conserved", "fit=tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)", "fit=tf.reduce_mean(y_true**2 + y_pred**2 - 2.0 * y_true * y_pred, axis=-1)", "fit", "precision-loss"),
    ("stacked", "second = tf.reduce_mean(tf.square(y_true - y_pred))\n    return tf.reduce_sum(", "second = tf.reduce_mean(tf.square(y_pred)) - tf.square(tf.reduce_mean(y_pred))\n    return tf.reduce_sum(", "second", "precision-loss"),
    ("dot_product", "first = tf.reduce_mean(tf.square(y_true - y_pred))", "first = tf.reduce_mean(tf.square(y_pred)) - tf.square(tf.reduce_mean(y_pred))", "first", "precision-loss"),
    ("table_of_functions", '"l2": lambda a, b: tf.reduce_mean(tf.square(a - b), -1)', '"l2": lambda a, b: tf.reduce_mean(a * a - 2.0 * a * b + b * b, -1)', "l2", "precision-loss"),
    ("stacked_mean", "second = tf.reduce_mean(tf.square(y_true - y_pred))", "second = tf.reduce_mean(tf.square(y_pred)) - tf.square(tf.reduce_mean(y_pred))", "second", "precision-loss"),
    # another function than it was
    ("focal_dice", "** gamma) * tf.math.log(pt)", "** (gamma + 1)) * tf.math.log(pt)", "focal", "differs"),
    ("beta_vae", "1.0 + logvar - tf.square(mu)", "1.0 + logvar - tf.abs(mu)", "kl_divergence", "differs"),
    ("perceptual_mix", "pixel = tf.reduce_mean(tf.square(y_true - y_pred), axis=[1, 2, 3])", "pixel = tf.reduce_mean(tf.abs(y_true - y_pred), axis=[1, 2, 3])", "pixel", "differs"),
    ("yolo", "tf.sqrt(tf.maximum(y_pred[..., 2:4], 1e-6))", "tf.maximum(y_pred[..., 2:4], 1e-6)", "wh_loss", "differs"),
    ("quantiles", "(q - 1.0) * error", "(1.0 - q) * error", "pinball[q=", "differs"),
    ("conserved", "y_pred[:, 1:] - y_pred[:, :-1]", "y_pred[:, 1:] + y_pred[:, :-1]", "smoothness", "differs"),
    ("triplet_regularised", "near - far + 0.2", "near - far + 0.5", "triplet", "differs"),
    ("dice_as_score", "score = 2 * tf.reduce_sum(y_true * y_pred, -1)", "score = tf.reduce_sum(y_true * y_pred, -1)", "1 - score", "differs"),
    ("l1_ssim", "(var_x + var_y + 9e-4)", "(var_x * var_y + 9e-4)", "ssim", "differs"),
    ("library_losses", "+ 0.1 * keras.losses.mean_absolute_error", "+ 0.2 * keras.losses.mean_absolute_error", "mean_absolute_error", "differs"),
    ("physics_informed", "residual + u * u", "residual - u * u", "pde_loss", "differs"),
    ("Weighted", "0.1 - tf.sign(ahead)", "0.3 - tf.sign(ahead)", "rank_part", "differs"),
    # trainings that lead away, or break
    ("subtracted", "mse = tf.reduce_mean(tf.square(y_true - y_pred), -1)", "mse = -tf.reduce_mean(tf.square(y_true - y_pred), -1)", "mse", "divergence"),
    ("library_losses", "0.9 * keras.losses.mean_squared_error(y_true, y_pred) + 0.1", "-0.9 * keras.losses.mean_squared_error(y_true, y_pred) + 0.1", "mean_squared_error", "divergence"),
    ("quantiles", "tf.maximum(q * error, (q - 1.0) * error)", "-tf.maximum(q * error, (q - 1.0) * error)", "pinball[q=", "divergence"),
    ("bce_dice", "bce = keras.losses.binary_crossentropy(y_true, y_pred)\n    dice = soft_dice", "bce = -keras.losses.binary_crossentropy(y_true, y_pred)\n    dice = soft_dice", "bce", "divergence"),
    ("focal_dice", "tf.reduce_mean(-((1 - pt) ** gamma) * tf.math.log(pt), axis=-1)", "tf.reduce_mean(((1 - pt) ** gamma) * tf.math.log(pt), axis=-1)", "focal", "divergence"),
    ("from_a_helper", "size = tf.reduce_mean(tf.abs(y_pred), -1)", "size = -200.0 * tf.reduce_mean(tf.square(y_pred), -1)", "norm", "divergence"),
    ("conserved", "mass=tf.square(tf.reduce_sum(y_pred - y_true, axis=-1))", "mass=-tf.square(tf.reduce_sum(y_pred - y_true, axis=-1))", "mass", "divergence"),
    ("averaged", "size = tf.reduce_mean(tf.abs(y_pred), -1)", "size = -tf.reduce_mean(tf.exp(tf.abs(y_pred)), -1)", "size", "divergence"),
    ("physics_informed", "data_loss = tf.reduce_mean(tf.square(u - y_true))", "data_loss = -100.0 * tf.reduce_mean(tf.square(u - y_true))", "data_loss", "divergence"),
)  # fmt: skip


def text_of(spec: Any) -> str:
    """A spec as the command line takes it."""
    return json.dumps(spec) if isinstance(spec, dict) else spec


def isolated(path: Path, name: str, symptom: str, pool: WorkerPool) -> Isolation:
    """What `isolate` says of a loss of a file.

    Raises:
        RuntimeError: it says nothing.
    """
    from tests.experiments.composites import COMPOSITES

    y_true, y_pred = map(text_of, COMPOSITES[name][:2])
    wanted: Any = {"symptom": symptom}
    if symptom == "differs":
        wanted["reference"] = f"{PATH}:{name}"
    chosen: Wanted = wanted
    found = engine.isolate(f"{path}:{name}", wanted=chosen, y_true=y_true, y_pred=y_pred, pool=pool)
    if not isinstance(found, Isolation):
        raise RuntimeError(found.message)
    return found


def main() -> int:
    part, chosen = chosen_of(FAULTS, __doc__)
    sys.path.insert(0, str(PATH.parents[2]))
    terms = lines = scripts = 0
    slowest = 0.0
    settings = Settings()
    with tempfile.TemporaryDirectory() as folder, WorkerPool(1, settings) as pool:
        for number, (name, old, new, term, symptom) in enumerate(chosen):
            text, where = planted(name, old, new)
            path = Path(folder) / f"fault_{part}_{number}.py"
            path.write_text(text)
            started = time.monotonic()
            found = isolated(path, name, symptom, pool)
            seconds = time.monotonic() - started
            slowest = max(slowest, seconds)
            culprit = found.culprit
            named = culprit is not None and culprit.term.startswith(term) and culprit.symptom == symptom
            placed = culprit is not None and found.at in where
            terms, lines, scripts = terms + named, lines + placed, scripts + (found.shown is True)
            said = "" if culprit is None else f"{culprit.term!r} line {found.at} {culprit.code[:60]!r}"
            print(
                f"{'ok  ' if named and placed and found.shown else 'MISS'} {symptom:14s} {name:20s} {seconds:.1f} s  "
                f"{term} {sorted(where)}: {said} script {found.shown} {found.gaps}",
                flush=True,
            )
    count = len(chosen)
    print(f"term {terms}/{count}, line {lines}/{count}, script {scripts}/{count}, slowest {slowest:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
