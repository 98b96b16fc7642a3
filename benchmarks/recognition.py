"""Is each loss of Keras recognised when it is written again with other names and other algebra, and as no other?

    python benchmarks/recognition.py [NAME ...]

Prints a line for each re-expression and exits 1 if one is not recognised, or taken for another function.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from lossdoctor.engine import compare
from lossdoctor.findings import ErrorItem
from lossdoctor.session import Settings
from lossdoctor.worker.remote import WorkerPool

LOSSES = Path(__file__).with_name("recognition_losses.py")
REAL = ("float32[B,4] real", "float32[B,4] real")
POSITIVE = ("float32[B,4] positive", "float32[B,4] positive")
UNIT = ("float32[B,4] binary", "float32[B,4] unit")
LOGIT = ("float32[B,4] binary", "float32[B,4] logit")
CLASSES = ("float32[B,4] onehot", "float32[B,4] probability")
SCORES = ("float32[B,4] onehot", "float32[B,4] logit")
NUMBERS = ("int32[B] label(4)", "float32[B,4] logit")
CHANCES = ("int32[B] label(4)", "float32[B,4] probability")
SHARES = ("float32[B,4] probability", "float32[B,4] probability")
SIGNS = ("float32[B,4] sign", "float32[B,4] real")
IMAGE = ("float32[B,4,4,1] binary", "float32[B,4,4,1] unit")
# Name, specs, and the code of the losses of Keras that it is; the first is the one that was written again. Tversky
# with its defaults is the Dice loss, as Keras says itself.
EXPECTED = {
    "squares_expanded": (REAL, ("MeanSquaredError",)),
    "squares_by_norm": (REAL, ("MeanSquaredError",)),
    "absolute_by_maximum": (REAL, ("MeanAbsoluteError",)),
    "percentage": (POSITIVE, ("MeanAbsolutePercentageError",)),
    "log_ratio_squared": (POSITIVE, ("MeanSquaredLogarithmicError",)),
    "huber_by_minimum": (REAL, ("Huber",)),
    "huber_wide": (REAL, ("Huber(delta=2.5)",)),
    "log_cosh_by_exponentials": (REAL, ("LogCosh",)),
    "log_cosh_by_library": (REAL, ("LogCosh",)),
    "two_classes_by_choice": (UNIT, ("BinaryCrossentropy",)),
    "two_classes_product": (UNIT, ("BinaryCrossentropy",)),
    "two_classes_smoothed": (UNIT, ("BinaryCrossentropy(label_smoothing=0.1)",)),
    "scores_of_two_classes": (LOGIT, ("BinaryCrossentropy(from_logits=True)",)),
    "focal_by_right_chance": (UNIT, ("BinaryFocalCrossentropy",)),
    "focal_balanced": (UNIT, ("BinaryFocalCrossentropy(apply_class_balancing=True, gamma=3)",)),
    "classes_by_right_chance": (CLASSES, ("CategoricalCrossentropy",)),
    "classes_smoothed": (SCORES, ("CategoricalCrossentropy(from_logits=True, label_smoothing=0.2)",)),
    "scores_shifted": (SCORES, ("CategoricalCrossentropy(from_logits=True)",)),
    "class_numbers": (NUMBERS, ("SparseCategoricalCrossentropy(from_logits=True)",)),
    "focal_classes": (CLASSES, ("CategoricalFocalCrossentropy",)),
    "relative_entropy": (SHARES, ("KLDivergence",)),
    "counts": (POSITIVE, ("Poisson",)),
    "margin": (SIGNS, ("Hinge",)),
    "margin_squared": (SIGNS, ("SquaredHinge",)),
    "margin_of_classes": (SCORES, ("CategoricalHinge",)),
    "angle": (REAL, ("CosineSimilarity",)),
    "overlap_of_images": (IMAGE, ("Dice", "Tversky")),
    "overlap_of_each_image": (IMAGE, ("Dice(axis=(1, 2, 3))", "Tversky(axis=(1, 2, 3))")),
    "missed_and_false": (IMAGE, ("Tversky(alpha=0.3, beta=0.7)",)),
    "noisy_labels": (CHANCES, ("CategoricalGeneralizedCrossEntropy",)),
    "circle_of_pairs": (("int32[B] label(3)", "float32[B,4] real"), ("Circle",)),
}
# On one-hot targets the divergence is the cross-entropy: the entropy of such a target is zero.
SAME_ON_ONEHOT = {"CategoricalCrossentropy", "KLDivergence"}


def main(names: list[str]) -> int:
    chosen = [name for name in EXPECTED if not names or name in names]
    known = others = 0
    started = time.monotonic()
    with WorkerPool(1, Settings()) as pool:
        for name in chosen:
            specs, wanted = EXPECTED[name]
            found = compare(f"{LOSSES}:{name}", y_true=specs[0], y_pred=specs[1], settings=Settings(), pool=pool)
            if isinstance(found, ErrorItem):
                print(f"{name:28} could not be compared: {found.message}")
                continue
            same = [row.code for row in found.standards if row.relation.kind == "same"]
            allowed = {*wanted, *(SAME_ON_ONEHOT if specs is CLASSES and wanted[0] in SAME_ON_ONEHOT else ())}
            right, extra = wanted[0] in same, set(same) - allowed
            known += right
            others += bool(extra)
            nearest = found.standards[0]
            verdict = "recognised" if right else f"missed (nearest {nearest.code}, {nearest.relation.kind})"
            print(f"{name:28} {verdict}{', and taken for ' + ', '.join(sorted(extra)) if extra else ''}", flush=True)
    print(f"{known} of {len(chosen)} recognised, {others} taken for another, {time.monotonic() - started:.0f} s")
    return 0 if known == len(chosen) and not others else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
