"""Small training runs, trained for real in NumPy, healthy ones and ones with a fault whose first step is known.

    python -m benchmarks.training_runs            # all: the half that parameters were chosen on, and the other
    python -m benchmarks.training_runs --write DIR   # a CSV for each, as `lossdoctor monitor` reads them

A run is a small network, a task, an optimizer, a schedule and a seed; a fault is put into the training at a step (a
rate that is too high, a sign, a batch of nonsense, frozen weights, …) and whatever follows in the log follows by
itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from benchmarks.monitor_score import report
from benchmarks.run import Run
from benchmarks.small_training import (
    Setting,
    adversarial,
    bandit,
    cross_entropy,
    likelihood,
    lowest,
    recurrent,
    train,
)

_SEEDS = 4  # runs of each kind; those of even seeds chose the parameters


def of_seed(seed: int) -> Iterator[Run]:
    """A run of each kind; a seed varies batch, rate, length and columns as well."""
    rng = np.random.default_rng(1000 + seed)
    base = Setting(
        batch=int(rng.choice([16, 32, 64])),
        steps=int(rng.choice([300, 400, 600])),
        rate=float(rng.uniform(0.03, 0.08)),
        log_rate=bool(rng.random() < 0.5),
        log_norm=bool(rng.random() < 0.7),
        validate=int(rng.choice([0, 1, 10])),
    )
    klass = replace(base, loss=cross_entropy, outputs=4, rate=0.3)
    adam = replace(base, optimizer="adam", rate=0.01)
    normal = replace(base, loss=likelihood, outputs=2, optimizer="adam", rate=0.01, target_noise=0.05)
    healthy = {
        "regression": base,
        "classification": klass,
        "adam": adam,
        "small batches": replace(klass, batch=2, rate=0.03, steps=800),
        "negative likelihood": normal,
        "warm-up": replace(klass, schedule="warm-up"),
        "step decay": replace(klass, schedule="steps", log_rate=True),
        "cosine": replace(adam, schedule="cosine", log_rate=True),
        "restarts": replace(klass, schedule="restarts", log_rate=seed % 2 == 0),
        "converged": replace(base, batch=512, steps=1500, rate=0.2, momentum=0.9, target_noise=0.0),
        "heavy tails": replace(base, tails=0.05, rate=0.01, clip=1.0),
        "dropout": replace(klass, dropout=0.4, hidden=(32,)),
        "curriculum": replace(adam, harder=(200,), batch=64),
        "plateau": replace(klass, activation="sigmoid", hidden=(12, 12), gain=1.0, rate=1.0, steps=900),
        "near zero": replace(base, target_noise=0.0, rate=0.01, gain=0.7),
        "tiny scale": replace(adam, scale=1e-6),
        "huge scale": replace(adam, scale=1e6),
        "epochs": replace(klass, epochs=True, steps=640, validate=8),
        "epochs of few rows": replace(adam, epochs=True, steps=20 * 512 // base.batch, validate=4),
        "regularised": replace(klass, penalty=1e-4),
    }
    for name, setting in healthy.items():
        yield train(f"healthy {name}", "healthy", setting, seed)
    yield adversarial("healthy adversarial", seed)
    yield bandit("healthy bandit", seed)
    yield recurrent("healthy recurrent", "healthy", seed, growth=1.0, onset=None)
    at = int(rng.integers(80, 180))
    quick = replace(base, log_norm=False)
    yield train("rate too high, quick", "divergence", quick, seed, {"rate": 3.0}, at)
    yield train(
        "rate too high, slow",
        "divergence",
        replace(quick, hidden=(), data=64, batch=64, rate=0.1),
        seed,
        {"rate": 1.3 + 0.05 * seed},
        at,
    )
    yield train(
        "rate too high from the start", "divergence", replace(quick, hidden=(), batch=512, rate=1.6), seed, {}, 0
    )
    yield train("uphill", "divergence", replace(base, steps=400), seed, {"ascends": True}, at)
    yield train("nan", "non-finite", klass, seed, {"broken": True}, at)
    yield train("nan, likelihood", "non-finite", normal, seed, {"broken": True}, at)
    yield train("one batch of nan", "non-finite", replace(adam, log_norm=True), seed, {"broken": True}, at, at + 1)
    yield train("sign error", "unbounded", replace(base, sign=-1.0, rate=0.02), seed, {}, 0)
    yield train("sign error, adam", "unbounded", replace(adam, sign=-1.0), seed, {}, 0)
    yield train("sign error, classes", "unbounded", replace(klass, sign=-1.0, rate=0.1), seed, {}, 0)
    yield train("corrupt batch", "spike", replace(base, clip=1.0), seed, {"corrupt": 30.0}, at, at + 1)
    yield train("corrupt batches", "spike", replace(adam, clip=1.0), seed, {"corrupt": 20.0}, at, at + 2)
    yield train(
        "wrong labels once, epochs",
        "spike",
        replace(adam, epochs=True, steps=1600, data=256, batch=32),
        seed,
        {"corrupt": 30.0},
        at * 5 // 8 * 8,
        at * 5 // 8 * 8 + 8,
    )
    yield train("dead units", "no-learning", replace(klass, activation="relu", dead=True, shuffled=True), seed, {}, 0)
    yield train(
        # Small weights at first, so that it starts at the loss of guessing, and stays there.
        "labels shuffled",
        "no-learning",
        replace(klass, shuffled=True, batch=64, rate=0.03, hidden=(4,), gain=0.05),
        seed,
        {},
        0,
    )
    yield train("rate of zero", "no-learning", replace(klass, rate=1e-9), seed, {}, 0)
    yield train(
        "rate collapses", "stall", replace(adam, log_rate=True, batch=128, rate=0.003), seed, {"rate": 1e-9}, at
    )
    # Slow enough that the loss is still on its way when the fault comes: what has converged cannot stall.
    yield train("weights frozen", "stall", replace(adam, batch=256, rate=0.0008, steps=500), seed, {"frozen": True}, at)
    yield train("clipped to nothing", "stall", replace(base, batch=256, rate=0.004), seed, {"clip": 1e-6}, at)
    yield train(
        "deep sigmoid",
        "vanishing",
        replace(klass, activation="sigmoid", hidden=(8,) * 10, batch=512, rate=0.5, log_norm=True, shuffled=True),
        seed,
        {},
        0,
    )
    yield recurrent("recurrent", "exploding", seed, growth=1.02, onset=at)
    yield recurrent("recurrent, quick", "exploding", seed + 50, growth=1.05, onset=at)
    quadratic = replace(base, hidden=(), data=64, batch=64, log_norm=True)
    yield train("momentum", "oscillation", replace(quadratic, momentum=0.999, rate=0.03), seed, {}, 0)
    # Of a quadratic loss a step over the valley changes nothing: only a loss whose sides differ swings at that rate.
    noisy = replace(klass, hidden=(), data=64, batch=64, target_noise=1.0, rate=20.0, validate=0)
    yield train("rate beyond the edge, classes", "oscillation", noisy, seed, {}, 0)
    small = replace(adam, data=24, batch=24, hidden=(64,), target_noise=0.5, validate=1, steps=600)
    yield lowest(train("few samples", "overfitting", small, seed, {}, 0))
    yield lowest(
        train(
            "few samples, classes",
            "overfitting",
            replace(klass, data=32, batch=32, hidden=(64,), target_noise=1.0, optimizer="adam", rate=0.01, validate=1),
            seed,
            {},
            0,
        )
    )
    yield lowest(
        train(
            "few samples, epochs",
            "overfitting",
            replace(small, data=48, batch=16, epochs=True, steps=450, validate=3),
            seed,
            {},
            0,
        )
    )
    yield train("penalty grows", "term-imbalance", replace(adam, penalty=1e-3), seed, {"penalty_growth": 0.05}, at)


if __name__ == "__main__":
    raise SystemExit(report(of_seed, _SEEDS, __doc__ or ""))
