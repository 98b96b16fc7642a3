"""Every loss of `keras.losses` examined: seconds a loss, what was proved, and every finding.

    python benchmarks/keras_losses.py [--only TEXT] [--findings]

Prints seconds for each loss after TensorFlow's import (the goal is a median of at most 1 s and at most 5 s for
any), beside them the processor seconds of this process and of the worker, which a busy machine stretches less; at the
end what a fixed loop takes on that machine. Then the share with finite value and gradient proved, and every error or
warning: a healthy loss should have none but those that are true of it (a scalar return, say).
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path

from lossdoctor.engine import check
from lossdoctor.findings import LossReport, Report, at_or_above
from lossdoctor.session import Settings
from lossdoctor.worker.remote import WorkerPool

REAL = ("float32[B,4] real", "float32[B,4] real")
POSITIVE = ("float32[B,4] positive", "float32[B,4] positive")
BINARY = ("float32[B,4] binary", "float32[B,4] unit")
BINARY_LOGIT = ("float32[B,4] binary", "float32[B,4] logit")
CLASSES = ("float32[B,5] onehot", "float32[B,5] probability")
CLASSES_LOGIT = ("float32[B,5] onehot", "float32[B,5] logit")
SPARSE = ("int32[B] label(5)", "float32[B,5] probability")
SPARSE_LOGIT = ("int32[B] label(5)", "float32[B,5] logit")
SIGN = ("float32[B,4] sign", "float32[B,4] real")
MASKS = ("float32[B,8,8,1] binary", "float32[B,8,8,1] unit")
DISTRIBUTIONS = ("float32[B,5] probability", "float32[B,5] probability")
EMBEDDINGS = ("float32[B,8] real", "float32[B,8] real")
PAIRS = ("int32[B] label(3)", "float32[B,8] real")

LOSSES: tuple[tuple[str, tuple[str, str]], ...] = (
    ("mean_squared_error", REAL),
    ("mean_absolute_error", REAL),
    ("mean_absolute_percentage_error", REAL),
    ("mean_squared_logarithmic_error", POSITIVE),
    ("huber", REAL),
    ("log_cosh", REAL),
    ("cosine_similarity", EMBEDDINGS),
    ("hinge", SIGN),
    ("squared_hinge", SIGN),
    ("categorical_hinge", CLASSES_LOGIT),
    ("poisson", POSITIVE),
    ("kl_divergence", DISTRIBUTIONS),
    ("binary_crossentropy", BINARY),
    ("binary_focal_crossentropy", BINARY),
    ("categorical_crossentropy", CLASSES),
    ("categorical_focal_crossentropy", CLASSES),
    ("sparse_categorical_crossentropy", SPARSE),
    ("categorical_generalized_cross_entropy(q=0.5)", SPARSE),
    ("dice", MASKS),
    ("tversky", MASKS),
    ("circle", PAIRS),
    ("MeanSquaredError", REAL),
    ("MeanAbsoluteError", REAL),
    ("MeanAbsolutePercentageError", REAL),
    ("MeanSquaredLogarithmicError", POSITIVE),
    ("Huber", REAL),
    ("LogCosh", REAL),
    ("CosineSimilarity", EMBEDDINGS),
    ("Hinge", SIGN),
    ("SquaredHinge", SIGN),
    ("CategoricalHinge", CLASSES_LOGIT),
    ("Poisson", POSITIVE),
    ("KLDivergence", DISTRIBUTIONS),
    ("BinaryCrossentropy", BINARY),
    ("BinaryCrossentropy(from_logits=True)", BINARY_LOGIT),
    ("BinaryFocalCrossentropy", BINARY),
    ("BinaryFocalCrossentropy(from_logits=True)", BINARY_LOGIT),
    ("CategoricalCrossentropy", CLASSES),
    ("CategoricalCrossentropy(from_logits=True)", CLASSES_LOGIT),
    ("CategoricalCrossentropy(label_smoothing=0.1)", CLASSES),
    ("CategoricalFocalCrossentropy", CLASSES),
    ("CategoricalFocalCrossentropy(from_logits=True)", CLASSES_LOGIT),
    ("SparseCategoricalCrossentropy", SPARSE),
    ("SparseCategoricalCrossentropy(from_logits=True)", SPARSE_LOGIT),
    ("SparseCategoricalCrossentropy(ignore_class=0)", SPARSE),
    ("CategoricalGeneralizedCrossEntropy", SPARSE),
    ("Dice", MASKS),
    ("Tversky", MASKS),
    ("Circle", PAIRS),
    ("CTC", ("int32[B,4] label(6)", "float32[B,9,6] probability")),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="")
    parser.add_argument("--findings", action="store_true", help="also the infos, facts and gaps of each loss")
    options = parser.parse_args()
    losses: list[LossReport] = []
    used: list[tuple[float, float]] = []
    settings = Settings()
    with WorkerPool(1, settings) as pool:
        check(["keras.losses:mean_squared_error"], y_true=REAL[0], y_pred=REAL[1], settings=settings, pool=pool)
        for name, (y_true, y_pred) in LOSSES:
            if options.only not in name:
                continue
            before = processor_seconds()
            report = check([f"keras.losses:{name}"], y_true=y_true, y_pred=y_pred, settings=settings, pool=pool)
            losses += report.losses
            parent, worker = (now - then for now, then in zip(processor_seconds(), before, strict=True))
            used.append((parent, worker))
            show(name, report, (parent, worker), options.findings)
    summary(losses, used)


def processor_seconds() -> tuple[float, float]:
    """Of this process, and of the processes that it has started and that still run (0 where /proc is absent)."""
    children = 0.0
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(fields[1]) == os.getpid():  # fields as in proc(5): 4 is the parent, 14 and 15 user and system time
            children += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return time.process_time(), children


def loop_seconds() -> float:
    """Processor seconds of a million additions in Python: the speed of the machine at this moment."""
    started = time.process_time()
    total = 0
    for number in range(1_000_000):
        total += number
    return time.process_time() - started


def show(name: str, report: Report, used: tuple[float, float], everything: bool) -> None:
    for error in report.errors:
        print(f"{name:50} NOT EXAMINED: {error.message}")
    for loss in report.losses:
        facts = {fact.name: fact.evidence for fact in loss.facts}
        known = "/".join(facts.get(key, "unknown") for key in ("finite-value", "finite-gradient"))
        print(f"{name:50} {loss.seconds['total']:5.2f} s ({used[0]:.2f} + {used[1]:.2f})  {loss.verdict:13} {known}")
        for finding in loss.findings:
            if everything or at_or_above(finding.severity, "warning"):
                place = f"{Path(finding.location.path).name}:{finding.location.line}"
                print(f"    {finding.severity} {finding.rule} {place} {finding.message}")
        if everything:
            slow = {key: round(value, 2) for key, value in loss.seconds.items() if value > 0.05}
            print("    facts", ", ".join(facts), " gaps", [f"{gap.op} ({gap.limits})" for gap in loss.gaps], slow)


def summary(losses: list[LossReport], used: list[tuple[float, float]]) -> None:
    seconds = [loss.seconds["total"] for loss in losses]
    facts = [{fact.name: fact.evidence for fact in loss.facts} for loss in losses]
    proved = sum(table.get("finite-value") == table.get("finite-gradient") == "proved" for table in facts)
    print(f"seconds a loss: median {statistics.median(seconds):.2f}, worst {max(seconds):.2f} (goal 1 and 5)")
    parent, worker = (statistics.median(column) for column in zip(*used, strict=True))
    print(
        f"processor seconds a loss: median {parent:.2f} here and {worker:.2f} in the worker; loop {loop_seconds():.3f}"
    )
    print(f"finite value and gradient proved: {proved} of {len(losses)}")


if __name__ == "__main__":
    main()
