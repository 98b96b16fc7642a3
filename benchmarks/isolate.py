"""One fault put into a composite loss: is the term named, and the line?

    python -m benchmarks.isolate [--shard 0/1] [--only TEXT]

The losses are those of tests/experiments/composites.py; a fault replaces one piece of their text.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from benchmarks.composites import PATH, contract_of

from lossdoctor.worker.local import LocalSession

# ruff: noqa: E501 (a row is a fault)
Fault: TypeAlias = tuple[str, str, str, str, str]  # loss, what is replaced, by what, the term, the symptom
FAULTS: tuple[Fault, ...] = (
    # numerics
    ("beta_vae", "tf.exp(logvar), axis=-1)", "tf.exp(50.0 * logvar), axis=-1)", "kl_divergence", "nonfinite"),
    ("vae_batch_mean", "mu**2 - tf.exp(logvar)", "mu**2 - tf.math.log(logvar)", "kl", "nonfinite"),
    ("vae_keras_ops", "ops.mean(ops.abs(y_true - x_hat), axis=-1)", "ops.mean(ops.sqrt(ops.abs(y_true - x_hat)), axis=-1)", "reconstruction", "nonfinite"),
    ("wgan_gp", "norm = tf.sqrt(tf.reduce_sum(tf.square(gradient), axis=-1) + 1e-12)", "norm = tf.sqrt(tf.reduce_sum(tf.square(gradient), axis=-1))", "penalty", "nonfinite"),
    ("wgan_critic", "drift = tf.reduce_mean(tf.square(y_pred), axis=-1)", "drift = tf.reduce_mean(1.0 / y_pred, axis=-1)", "drift", "nonfinite"),
    ("perceptual_mix", "pixel = tf.reduce_mean(tf.square(y_true - y_pred), axis=[1, 2, 3])", "pixel = tf.reduce_mean(tf.square(y_true - y_pred) / y_true, axis=[1, 2, 3])", "pixel", "nonfinite"),
    ("focal_dice", "p = tf.clip_by_value(y_pred, 1e-7, 1 - 1e-7)", "p = y_pred", "focal", "nonfinite"),
    ("focal_dice", "(tf.reduce_sum(y_true, -1) + tf.reduce_sum(y_pred, -1) + smooth)", "(tf.reduce_sum(y_true, -1) + tf.reduce_sum(y_pred, -1))", "soft_dice", "nonfinite"),
    ("dice_as_score", "(tf.reduce_sum(y_true + y_pred, -1) + 1.0)", "tf.reduce_sum(y_true + y_pred, -1)", "1 - score", "nonfinite"),
    ("confidence_penalty", "tf.reduce_sum(p * tf.nn.log_softmax(y_pred), axis=-1)", "tf.reduce_sum(p * tf.math.log(p), axis=-1)", "confidence", "nonfinite"),
    ("yolo", "tf.sqrt(tf.maximum(y_pred[..., 2:4], 1e-6))", "tf.sqrt(y_pred[..., 2:4])", "wh_loss", "nonfinite"),
    ("physics_informed", "pde_loss = tf.reduce_mean(tf.square(residual + u * u))", "pde_loss = tf.reduce_mean(tf.square(residual / u))", "pde_loss", "nonfinite"),
    ("triplet_regularised", "tf.reduce_sum(tf.square(anchor - positive), -1)", "tf.norm(anchor - positive, axis=-1) + tf.math.log(anchor[:, 0])", "triplet", "nonfinite"),
    ("contrastive_pair", "tf.square(tf.maximum(1.0 - distance, 0.0))", "tf.math.log(1.0 - distance)", "negative", "nonfinite"),
    ("Weighted", "tf.math.log(tf.cosh(y_pred - y_true))", "tf.math.log(tf.cosh(y_pred - y_true) - 1.0)", "smooth_part", "nonfinite"),
    ("UncertaintyWeighted", "depth = tf.reduce_mean(tf.abs(y_true[:, :3] - y_pred[:, :3]), -1)", "depth = tf.reduce_mean(tf.abs(tf.math.log(y_pred[:, :3])), -1)", "depth", "nonfinite"),
    ("conserved", "mass=tf.square(tf.reduce_sum(y_pred - y_true, axis=-1))", "mass=tf.sqrt(tf.abs(tf.reduce_sum(y_pred - y_true, axis=-1)))", "mass", "nonfinite"),
    # no gradient
    ("pix2pix_generator", "tf.reduce_mean(tf.abs(y_true - fake), axis=[1, 2, 3])", "tf.reduce_mean(tf.abs(y_true - tf.round(fake)), axis=[1, 2, 3])", "l1", "none"),
    ("focal_dice", "overlap = tf.reduce_sum(y_true * y_pred, axis=-1)\n    return 1.0 - (2.0 * overlap + smooth) / (tf.reduce_sum(y_true, -1) + tf.reduce_sum(y_pred, -1) + smooth)", "hard = tf.cast(y_pred > 0.5, tf.float32)\n    return 1.0 - tf.reduce_mean(y_true * hard, axis=-1)", "soft_dice", "none"),
    ("bce_dice", "dice = soft_dice(y_true, y_pred)", "dice = soft_dice(y_true, tf.floor(y_pred + 0.5))", "dice", "none"),
    ("yolo", "class_loss = tf.reduce_sum(mask * tf.reduce_sum((y_true[..., 5:] - y_pred[..., 5:]) ** 2, -1), [1, 2])", "class_loss = tf.reduce_sum(mask * tf.cast(tf.not_equal(tf.argmax(y_true[..., 5:], -1), tf.argmax(y_pred[..., 5:], -1)), tf.float32), [1, 2])", "class_loss", "none"),
    ("table_of_functions", '"l1": lambda a, b: tf.reduce_mean(tf.abs(a - b), -1)', '"l1": lambda a, b: tf.reduce_mean(tf.abs(a - tf.cast(tf.cast(b, tf.int32), tf.float32)), -1)', "l1", "none"),
    ("from_a_helper", "size = tf.reduce_mean(tf.abs(y_pred), -1)", "size = tf.reduce_mean(tf.cast(tf.abs(y_pred) > 1.0, tf.float32), -1)", "norm", "none"),
    ("stacked", "first = tf.reduce_mean(tf.abs(y_true - y_pred))\n    second = tf.reduce_mean(tf.square(y_true - y_pred))\n    return tf.reduce_sum(", "first = tf.reduce_mean(tf.abs(tf.math.ceil(y_pred)))\n    second = tf.reduce_mean(tf.square(y_true - y_pred))\n    return tf.reduce_sum(", "first", "none"),
    ("UncertaintyWeighted", "normal = tf.reduce_mean(tf.square(y_true[:, 3:] - y_pred[:, 3:]), -1)", "normal = tf.reduce_mean(tf.square(y_true[:, 3:] - tf.round(y_pred[:, 3:])), -1)", "normal", "none"),
    # dead gradient
    ("reduced_at_the_end", "ridge = tf.square(y_pred)", "ridge = tf.sign(y_pred)", "ridge", "dead"),
    ("subtracted", "bias = tf.reduce_mean(tf.tanh(y_pred), -1)", "bias = tf.reduce_mean(tf.sign(y_pred), -1)", "bias", "dead"),
    ("triplet_regularised", "triplet = tf.maximum(near - far + 0.2, 0.0)", "triplet = tf.minimum(near + far + 0.2, 0.0)", "triplet", "dead"),
    ("conserved", "smoothness=tf.reduce_mean(tf.square(y_pred[:, 1:] - y_pred[:, :-1]), axis=-1)", "smoothness=tf.reduce_mean(tf.clip_by_value(y_pred, 1e4, 2e4), axis=-1)", "smoothness", "dead"),
    ("from_a_helper", "near = tf.reduce_mean(tf.square(y_true - y_pred), -1)", "near = tf.reduce_mean(tf.square(y_true - tf.sign(y_pred)), -1)", "fit", "dead"),
    ("physics_informed", "boundary = tf.reduce_mean(tf.square(u[:, 0])) + tf.reduce_mean(tf.square(u[:, -1]))", "boundary = tf.reduce_mean(tf.nn.relu(-tf.square(u[:, 0]) - 1.0))", "boundary", "dead"),
    # wrong sign
    ("vae_batch_mean", "recon = tf.reduce_mean(tf.square(y_true - x_hat))", "recon = -tf.reduce_mean(tf.square(y_true - x_hat))", "recon", "sign"),
    ("beta_vae", "return -0.5 * tf.reduce_sum(1.0 + logvar", "return 0.5 * tf.reduce_sum(1.0 + logvar", "kl_divergence", "sign"),
    ("library_losses", "0.9 * keras.losses.mean_squared_error(y_true, y_pred) + 0.1", "-0.9 * keras.losses.mean_squared_error(y_true, y_pred) + 0.1", "mean_squared_error", "sign"),
    ("focal_dice", "tf.reduce_mean(-((1 - pt) ** gamma) * tf.math.log(pt), axis=-1)", "tf.reduce_mean(((1 - pt) ** gamma) * tf.math.log(pt), axis=-1)", "focal", "sign"),
    ("l1_ssim", "ssim = 1.0 - tf.reduce_mean(index, axis=[1, 2, 3])", "ssim = tf.reduce_mean(index, axis=[1, 2, 3])", "ssim", "sign"),
    ("distillation", "hard = tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=y_pred)", "hard = -tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=y_pred)", "hard", "sign"),
    ("subtracted", "mse = tf.reduce_mean(tf.square(y_true - y_pred), -1)", "mse = -tf.reduce_mean(tf.square(y_true - y_pred), -1)", "mse", "sign"),
    ("bce_dice", "bce = keras.losses.binary_crossentropy(y_true, y_pred)\n    dice = soft_dice", "bce = -keras.losses.binary_crossentropy(y_true, y_pred)\n    dice = soft_dice", "bce", "sign"),
    ("quantiles", "tf.maximum(q * error, (q - 1.0) * error)", "-tf.maximum(q * error, (q - 1.0) * error)", "pinball[q=", "sign"),
)  # fmt: skip
GUARDED = {"p = y_pred": "tf.math.log(pt)"}
_SYMPTOMS = {
    "nonfinite": ("nonfinite-value", "nonfinite-gradient"),
    "none": ("no-gradient",),
    "dead": ("dead-gradient",),
    "sign": ("wrong-sign",),
}


def planted(name: str, old: str, new: str) -> tuple[str, set[int]]:
    """The text with the fault, and the lines of what was put in."""
    text = PATH.read_text()
    # Within the loss or a helper of it: the last place before the end of the loss.
    end = max(text.find(f"def {name}("), text.find(f"class {name}("))
    stop = text.find("\n\n\n", end)
    place = text.rfind(old, 0, stop if stop > 0 else len(text))
    if place < 0:
        raise ValueError(f"{name} has no {old!r}")
    first = text.count("\n", 0, place) + 1
    return text[:place] + new + text[place + len(old) :], set(range(first, first + new.count("\n") + 1))


def chosen_of(faults: Sequence[Fault], description: str | None) -> tuple[int, list[Fault]]:
    """The shard that the command line names, and its faults."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--shard", default="0/1")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    part, parts = map(int, options.shard.split("/"))
    return part, [
        fault
        for number, fault in enumerate(faults)
        if number % parts == part and options.only in f"{fault[0]} {fault[4]}"
    ]


def main() -> int:
    part, chosen = chosen_of(FAULTS, __doc__)
    sys.path.insert(0, str(PATH.parents[2]))
    from tests.experiments.composites import COMPOSITES

    session = LocalSession()
    terms = lines = 0
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, old, new, term, symptom) in enumerate(chosen):
            text, where = planted(name, old, new)
            if new in GUARDED:  # a guard was taken away: the fault is where it is missed
                where = {line for line, code in enumerate(text.splitlines(), 1) if GUARDED[new] in code}
            path = Path(folder) / f"fault_{part}_{number}.py"
            path.write_text(text)
            contract = contract_of(*COMPOSITES[name][:2])
            started = time.process_time()
            session.load(f"{path}:{name}")
            session.trace(contract)
            found = session.probe("experiments.isolation", contract)
            seconds = time.process_time() - started
            slowest = max(slowest, seconds)
            named = found is not None and found.term.startswith(term) and found.symptom in _SYMPTOMS[symptom]
            placed = found is not None and bool(found.calls) and found.calls[-1].line in where
            terms += named
            lines += placed
            if found is not None and named and placed:
                print(f"ok   {name:20s} {term:16s} {seconds:.1f} s  {'script' if found.script else ''}", flush=True)
            else:
                line = found.calls[-1].line if found and found.calls else None
                shown = (
                    "nothing" if found is None else f"{found.symptom} {found.term!r} line {line} {found.code[:60]!r}"
                )
                print(
                    f"MISS {name:20s} {term:16s} {seconds:.1f} s  expected {symptom} {sorted(where)}: {shown}",
                    flush=True,
                )
    print(f"term {terms}/{len(chosen)}, line {lines}/{len(chosen)}, slowest {slowest:.1f} s of processor time")
    return 0


if __name__ == "__main__":
    sys.exit(main())
