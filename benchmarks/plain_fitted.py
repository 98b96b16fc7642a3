"""Faulty trainings of `plain_runs.py` that learn by heart, or neglect a term."""

from __future__ import annotations

from typing import Any

import numpy as np
from benchmarks.plain_kinds import Made, faulty, turned
from benchmarks.plain_models import (
    Adam,
    Layers,
    Sgd,
    binary,
    blobs,
    crossentropy,
    held,
    loop,
    rings,
    squares,
    supervised,
    wave,
)

Rng = np.random.Generator


def memorises(rng: Rng, log: str, **keys: Any) -> Made:
    x, y = blobs(rng, 400, 20, 3, 0.6)
    model = Layers(rng, (20, 64, 3), "relu")
    step = supervised(rng, model, crossentropy, x[:80], y[:80], 16)
    return turned(
        loop(
            model.params, step, Adam(), 0.003, 600, log=log, validate=held(model, crossentropy, x[80:], y[80:]), **keys
        ),
        "val_loss",
    )


faulty("eighty examples by heart", "overfitting")(lambda r: memorises(r, "loss", epoch=5))
faulty("eighty examples by heart, short", "overfitting")(lambda r: memorises(r, "full", epoch=15))


@faulty("validated every twenty steps", "overfitting")
def every_twenty(rng: Rng) -> Made:
    x, y = wave(rng, 400, 1.0)
    model = Layers(rng, (3, 96, 1))
    step = supervised(rng, model, squares, x[:60], y[:60], 20)
    log = loop(
        model.params, step, Adam(), 0.005, 2000, log="norm", validate=held(model, squares, x[60:], y[60:]), val_every=20
    )
    return log, 20 * int(np.argmin(log["val_loss"][19::20])) + 19


@faulty("labels half wrong, learned by heart", "overfitting")
def half_wrong(rng: Rng) -> Made:
    x, y = rings(rng, 600)
    x = np.concatenate([x, rng.normal(size=(600, 18))], 1)
    y[:300] = np.where(rng.random(300) < 0.4, 1 - y[:300], y[:300])
    model = Layers(rng, (20, 64, 1), "relu")
    step = supervised(rng, model, binary, x[:300], y[:300], 30)
    log = loop(
        model.params, step, Sgd(0.9), 0.1, 10 * 70, epoch=10, log="rate", validate=held(model, binary, x[300:], y[300:])
    )
    return turned(log, "val_loss")


@faulty("factors without a penalty", "overfitting")
def free_factors(rng: Rng) -> Made:
    return factors(rng, 0.0, 60)


def factors(rng: Rng, penalty: float, epochs: int) -> Made:
    """Ratings of 60 persons and 50 films, of which a fifth is known."""
    truth = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 50)) + 0.5 * rng.normal(size=(60, 50))
    known = rng.random((60, 50))
    train, test = known < 0.2, known > 0.6
    params = [0.3 * rng.normal(size=(60, 12)), 0.3 * rng.normal(size=(12, 50))]

    def step(t: int) -> tuple[float, list[Any]]:
        part = train & (rng.random((60, 50)) < 0.25)
        d = (params[0] @ params[1] - truth) * part
        return float((d**2).sum() / part.sum()), [
            d @ params[1].T + penalty * params[0],
            params[0].T @ d + penalty * params[1],
        ]

    def val() -> float:
        return float(((params[0] @ params[1] - truth)[test] ** 2).mean())

    return turned(loop(params, step, Sgd(), 0.03, 10 * epochs, epoch=10, log="loss", validate=val), "val_loss")


@faulty("held out from another distribution", "overfitting", "no-learning")
def other_distribution(rng: Rng) -> Made:
    x, y = blobs(rng, 800, 10, 4)
    model = Layers(rng, (10, 24, 4), "relu")
    step = supervised(rng, model, crossentropy, x, y, 32)
    log = loop(
        model.params,
        step,
        Adam(),
        0.003,
        25 * 40,
        epoch=25,
        log="loss",
        validate=held(model, crossentropy, *blobs(rng, 200, 10, 4)),
    )
    return turned(log, "val_loss", 3)


def two_terms(rng: Rng, weight: float, steps: int, names: tuple[str, str]) -> Made:
    """Two outputs, of which the second's loss is weighted as if in other units."""
    x, y = wave(rng, 1000)
    z = x[:, 0] - x[:, 1] + 0.3 * rng.normal(size=1000)
    model = Layers(rng, (3, 24, 2))

    def step(t: int) -> tuple[Any, ...]:
        i = rng.integers(0, 1000, 32)
        out = model(x[i])
        a, b = out[:, 0] - y[i], out[:, 1] - z[i]
        parts = float((a**2).mean()), weight * float((b**2).mean())
        d = np.stack([2 * a, 2 * weight * b], 1) / 32
        return sum(parts), model.back(d), dict(zip(names, parts, strict=True))

    return loop(model.params, step, Sgd(), 0.03 / max(weight, 1), steps, log="norm"), 0


faulty("one term in millimetres", "term-imbalance")(lambda r: two_terms(r, 1e5, 800, ("term/price", "term/area")))
faulty("one term without weight", "term-imbalance")(lambda r: two_terms(r, 1e-6, 500, ("loss_a", "loss_b")))


@faulty("penalty swallows the loss", "term-imbalance", "divergence", "exploding", "stall", "no-learning")
def swallowed(rng: Rng) -> Made:
    x, y = blobs(rng, 800)
    model = Layers(rng, (8, 24, 4), "relu", 0.5)
    base = supervised(rng, model, crossentropy, x, y, 32)

    def step(t: int) -> tuple[Any, ...]:
        value, grads = base(t)
        c = 1e-3 * 1.02 ** max(t - 200, 0)
        p = c * sum(float((w**2).sum()) for w in model.params)
        return (
            value + p,
            [g + 2 * c * w for g, w in zip(grads, model.params, strict=True)],
            {"term/data": value, "term/penalty": p},
        )

    return loop(model.params, step, Sgd(), 0.02, 700, log="loss"), 200


@faulty("prior wins, nothing is encoded", "term-imbalance", "stall", "no-learning")
def prior_wins(rng: Rng) -> Made:
    return encoder(rng, lambda t: 60.0, 900), 0


def encoder(rng: Rng, weight: Any, steps: int, log: str = "norm") -> Any:
    """A linear autoencoder with a normal code."""
    x = rng.normal(size=(600, 3)) @ rng.normal(size=(3, 10)) + 0.1 * rng.normal(size=(600, 10))
    enc, dec = Layers(rng, (10, 6), "linear", 0.3), Layers(rng, (3, 10), "linear")

    def step(t: int) -> tuple[Any, ...]:
        xb = x[rng.integers(0, 600, 40)]
        h, noise = enc(xb), rng.normal(size=(40, 3))
        m, s = h[:, :3], np.clip(h[:, 3:], -6, 6)
        d = dec(m + noise * np.exp(s)) - xb
        kl = (m**2 + np.exp(2 * s) - 1 - 2 * s).sum(1) / 2
        w = weight(t)
        back = dec.back(d / 40)
        z = dec.inner
        h_d = np.concatenate([z + w * m / 40, z * noise * np.exp(s) + w * (np.exp(2 * s) - 1) / 40], 1)
        r, k = float((d**2).sum(1).mean() / 2), w * float(kl.mean())
        return r + k, enc.back(h_d) + back, {"reconstruction": r, "kl": k}

    return loop(enc.params + dec.params, step, Adam(), 0.005, steps, log=log)
