"""Healthy trainings of `plain_runs.py`: schedules, noise, scales and tails that are as they should be."""

from __future__ import annotations

from typing import Any

import numpy as np
from benchmarks.plain_fitted import encoder, factors, two_terms
from benchmarks.plain_kinds import healthy
from benchmarks.plain_models import (
    Adam,
    Columns,
    Layers,
    Recurrent,
    Sgd,
    adagrad,
    binary,
    blobs,
    crossentropy,
    held,
    huber,
    line,
    loop,
    rings,
    rmsprop,
    softmax,
    squares,
    sums,
    supervised,
    wave,
)

Rng = np.random.Generator


def cosine(low: float, high: float, span: int) -> Any:
    return lambda t: low + (high - low) * (1 + np.cos(np.pi * (t % span) / span)) / 2


def scheduled(rng: Rng, rate: Any, steps: int, optimizer: Any, log: str = "full", **keys: Any) -> Columns:
    x, y = wave(rng, 1600)
    model = Layers(rng, (3, 32, 1))
    step = supervised(rng, model, squares, x[:1200], y[:1200], 32)
    if keys.pop("val", False):
        keys["validate"] = held(model, squares, x[1200:], y[1200:])
    return loop(model.params, step, optimizer, rate, steps, log=log, **keys)


def classified(
    rng: Rng, rate: Any, steps: int, optimizer: Any, log: str = "full", apart: float = 2, **keys: Any
) -> Columns:
    x, y = blobs(rng, 2400, 10, 5, apart)
    model = Layers(rng, (10, 24, 5), "relu")
    step = supervised(rng, model, crossentropy, x[:2000], y[:2000], 40, keys.pop("seen", None))
    if keys.pop("val", False):
        keys["validate"] = held(model, crossentropy, x[2000:], y[2000:])
    return loop(model.params, step, optimizer, rate, steps, log=log, **keys)


healthy("warm-up and cosine")(
    lambda r: scheduled(r, lambda t: 0.003 * t / 100 if t < 100 else cosine(0, 0.003, 1100)(t - 100), 1200, Adam())
)
healthy("cosine with restarts")(lambda r: scheduled(r, cosine(1e-5, 0.05, 300), 1500, Sgd(0.9)))
healthy("cyclic rate, triangles")(
    lambda r: classified(r, lambda t: 1e-3 + 0.05 * abs(t % 200 - 100) / 100, 1200, Sgd(0.9))
)
healthy("steps of a tenth")(lambda r: scheduled(r, lambda t: 0.05 * 0.1 ** (t // 600), 1800, Sgd(), every=3))
healthy("steps of a tenth, by epoch")(
    lambda r: classified(r, lambda t: 0.1 * 0.1 ** (t // 1000), 3000, Sgd(0.9), "rate", epoch=50, val=True, apart=1.5)
)
healthy("inverse root with warm-up")(
    lambda r: classified(r, lambda t: 0.02 * min((t + 1) / 200, (200 / (t + 1)) ** 0.5), 1500, Adam())
)
healthy("loss alone, thirty epochs")(lambda r: scheduled(r, 0.003, 37 * 30, Adam(), "loss", epoch=37))
healthy("loss and validation, forty epochs")(
    lambda r: scheduled(r, 0.02, 37 * 40, Sgd(0.9), "loss", epoch=37, val=True)
)
healthy("two hundred epochs to the floor")(lambda r: classified(r, 0.003, 50 * 200, Sgd(), "loss", epoch=50, val=True))
healthy("every fiftieth step")(lambda r: scheduled(r, 0.002, 2500, Adam(), every=50))
healthy("mean of each twenty steps")(lambda r: classified(r, 0.01, 2400, Sgd(0.9), "rate", every=20, mean=True))
healthy("held out every fifty steps")(lambda r: classified(r, 0.002, 1500, Adam(), "norm", val=True, val_every=50))
healthy("only the loss, three thousand steps")(lambda r: scheduled(r, 0.01, 3000, Sgd(), "loss"))
healthy("rate falls when the loss rests")(lambda r: classified(r, lambda t: 0.2 * 0.5 ** (t // 250), 1500, Sgd()))


@healthy("tail without noise")
def quiet_tail(rng: Rng) -> Columns:
    x, y = line(rng, 300, 8, 0.0)
    model = Layers(rng, (8, 1))
    return loop(model.params, supervised(rng, model, squares, x, y, 300), Sgd(0.5), 0.1, 1200, log="norm")


@healthy("full batches under Adam")
def full_batches(rng: Rng) -> Columns:
    x, y = rings(rng, 400)
    model = Layers(rng, (2, 24, 1))
    return loop(model.params, supervised(rng, model, binary, x, y, 400), Adam(), 0.01, 800, log="norm")


@healthy("batches of one")
def batch_of_one(rng: Rng) -> Columns:
    x, y = blobs(rng, 3000, 6, 3, 3)
    model = Layers(rng, (6, 3))
    return loop(model.params, supervised(rng, model, crossentropy, x, y, 1), Sgd(), 0.01, 2500, log="norm")


@healthy("batches of two, averaged by ten")
def batch_of_two(rng: Rng) -> Columns:
    return scheduled(rng, 0.004, 3000, Sgd(), "loss", every=10, mean=True)


@healthy("batches that grow")
def growing_batches(rng: Rng) -> Columns:
    x, y = wave(rng, 2000)
    model = Layers(rng, (3, 24, 1))

    def step(t: int) -> tuple[Any, ...]:
        i = rng.integers(0, 2000, 4 * 2 ** (t // 300))
        value, d = squares(model(x[i]), y[i])
        return value, model.back(d)

    return loop(model.params, step, Sgd(0.9), 0.003, 1500)


def heavy(rng: Rng, loss: Any, log: str) -> Columns:
    x, y = line(rng, 2000, 8, 0.0)
    y = y + 0.4 * rng.standard_t(2.5, 2000)
    model = Layers(rng, (8, 1))
    return loop(model.params, supervised(rng, model, loss, x, y, 16), Sgd(), 0.005, 1200, log=log)


healthy("heavy tails, squares")(lambda r: heavy(r, squares, "norm"))
healthy("heavy tails, huber")(lambda r: heavy(r, huber, "loss"))


@healthy("tiny rare class")
def rare_class(rng: Rng) -> Columns:
    x = rng.normal(size=(4000, 6))
    y = (x @ rng.normal(size=6) > 4.5) * 1.0
    model = Layers(rng, (6, 12, 1))
    return loop(model.params, supervised(rng, model, binary, x, y, 32), Adam(), 0.003, 1500, log="norm")


def moved(columns: Columns, times: float, plus: float) -> Columns:
    kept = {"loss", "val_loss"}
    return {n: v * times + plus if n in kept else v * abs(times) if n == "grad_norm" else v for n, v in columns.items()}


healthy("a constant of thousand in the loss")(lambda r: moved(scheduled(r, 0.01, 1000, Sgd(0.5), "norm"), 1, 1000))
healthy("sum over all in place of the mean")(lambda r: moved(classified(r, 0.01, 900, Sgd(0.5), "norm"), 1e6, 0))
healthy("losses of a billionth")(lambda r: moved(scheduled(r, 0.004, 900, Adam(), "loss"), 1e-9, 0))
healthy("negative score, by epoch")(
    lambda r: moved(classified(r, 0.01, 50 * 40, Sgd(0.9), "loss", epoch=50, val=True), 1, -30)
)


@healthy("likelihood of a density, below zero")
def density(rng: Rng) -> Columns:
    x = 0.1 * rng.normal(size=4000) + 0.5
    params = [np.array(0.0), np.array(0.0)]

    def step(t: int) -> tuple[float, list[Any]]:
        b = rng.choice(x, 64)
        m, s = params
        z = (b - m) * np.exp(-s)
        return float((s + z**2 / 2).mean()), [np.array((-z * np.exp(-s)).mean()), np.array((1 - z**2).mean())]

    return loop(params, step, Adam(), 0.01, 900, log="norm")


healthy("prior weighed in by steps")(lambda r: encoder(r, lambda t: min(t / 400, 1.0), 1200))
healthy("prior of full weight")(lambda r: encoder(r, lambda t: 0.5, 900, "loss"))
healthy("factors with a penalty")(lambda r: factors(r, 0.6, 40)[0])
healthy("two tasks of one scale")(lambda r: two_terms(r, 0.7, 900, ("term/price", "term/area"))[0])


@healthy("autoencoder, linear")
def autoencoder(rng: Rng) -> Columns:
    x = rng.normal(size=(800, 4)) @ rng.normal(size=(4, 12)) / 2 + 0.1 * rng.normal(size=(800, 12))
    model = Layers(rng, (12, 4, 12), "linear")
    return loop(model.params, supervised(rng, model, squares, x, x, 32), Adam(), 0.003, 900, log="loss", every=3)


@healthy("pairs told apart, with a temperature")
def contrastive(rng: Rng) -> Columns:
    base = rng.normal(size=(1000, 10))
    model = Layers(rng, (10, 6), "linear")

    def step(t: int) -> tuple[Any, ...]:
        a = base[rng.integers(0, 1000, 32)]
        z = model(np.concatenate([a + 0.5 * rng.normal(size=a.shape), a + 0.5 * rng.normal(size=a.shape)]))
        value, d = crossentropy(z[:32] @ z[32:].T, np.arange(32))
        return value, model.back(np.concatenate([d @ z[32:], d.T @ z[:32]]))

    return loop(model.params, step, Sgd(), 0.01, 800)


@healthy("rewards of a bandit with a baseline")
def bandit(rng: Rng) -> Columns:
    means, z, base = rng.uniform(0, 1, 10), [np.zeros(10)], [0.0]

    def step(t: int) -> tuple[float, list[Any]]:
        p = softmax(z[0])
        a = rng.choice(10, 8, p=p)
        r = means[a] + 0.3 * rng.normal(size=8)
        grad = -((r - base[0])[:, None] * (np.eye(10)[a] - p)).mean(0)
        base[0] += 0.1 * (r.mean() - base[0])
        return -float(r.mean()), [grad]

    return loop(z, step, Sgd(), 0.3, 1200, log="norm")


@healthy("players in balance")
def balanced(rng: Rng) -> Columns:
    """A critic and a shift of the mean, both slow: the loss of the pair settles at the logarithm of four."""
    params = [np.array([0.1, 0.0]), np.array([2.0])]

    def step(t: int) -> tuple[float, list[Any]]:
        (w, b), m = params[0], params[1][0]
        real, fake = rng.normal(size=256), rng.normal(size=256) + m
        p, q = 1 / (1 + np.exp(-w * real - b)), 1 / (1 + np.exp(-w * fake - b))
        loss = -np.log(p).mean() - np.log(1 - q).mean()
        g = np.array([(-(1 - p) * real).mean() + (q * fake).mean(), (p - 1).mean() + q.mean()])
        return float(loss), [g + 0.3 * params[0], np.array([-((1 - q) * w).mean()])]

    return loop(params, step, Sgd(), 0.05, 1000, log="loss")


@healthy("a plateau left behind")
def plateau(rng: Rng) -> Columns:
    """Two linear layers from small weights: the saddle is left after some tens of steps."""
    x, y = line(rng, 500, 6, 0.2)
    model = Layers(rng, (6, 12, 1), "linear", 0.05)
    return loop(model.params, supervised(rng, model, squares, x, y, 50), Sgd(), 0.01, 900, log="norm")


@healthy("harder examples later")
def curriculum(rng: Rng) -> Columns:
    x, y = wave(rng, 3000, 0.05)
    order = np.argsort(np.abs(x).max(1))
    x, y = x[order], y[order]
    model = Layers(rng, (3, 32, 1))

    def step(t: int) -> tuple[Any, ...]:
        i = rng.integers(0, 900 + min(t, 1000) * 2, 32)
        value, d = squares(model(x[i]), y[i])
        return value, model.back(d)

    return loop(model.params, step, Adam(), 0.004, 1600, log="norm")


@healthy("tuned from a good start")
def tuned(rng: Rng) -> Columns:
    x, y = blobs(rng, 3000, 10, 5, 2.5)
    model = Layers(rng, (10, 32, 5), "relu")
    step = supervised(rng, model, crossentropy, x, y, 32)
    loop(model.params, step, Adam(), 0.003, 120)
    model.params[-2] += 0.05 * rng.normal(size=model.params[-2].shape)
    return loop(model.params, step, Adam(), lambda t: 3e-4 * (1 - t / 600), 600)


@healthy("resumed with a cold optimizer")
def resumed(rng: Rng) -> Columns:
    x, y = rings(rng, 1500, 0.3)
    model = Layers(rng, (2, 32, 1))
    step = supervised(rng, model, binary, x, y, 32)
    one = loop(model.params, step, Adam(), 0.005, 700, log="norm")
    two = loop(model.params, step, Adam(), 0.005, 700, log="norm")
    two["step"] += 700
    return {name: np.concatenate([one[name], two[name]]) for name in one}


@healthy("recurrence with clipping")
def recurrence(rng: Rng) -> Columns:
    x, y = sums(rng, 1500)
    model = Recurrent(rng, 2, 20, 1)
    return loop(model.params, supervised(rng, model, squares, x, y, 32), rmsprop(), 0.002, 1000, log="norm", clip=0.3)


@healthy("margin reached, loss zero")
def margin(rng: Rng) -> Columns:
    x, y = blobs(rng, 500, 10, 2, 9)
    model = Layers(rng, (10, 1))

    def hinge(out: Any, y: Any) -> tuple[float, Any]:
        s = 2.0 * y - 1
        short = 1 - s * out[:, 0]
        return float(np.maximum(short, 0).mean()), (-(s * (short > 0)) / len(y))[:, None]

    return loop(model.params, supervised(rng, model, hinge, x, y, 25), Sgd(), 0.02, 700, log="norm")


@healthy("counts of events")
def counts(rng: Rng) -> Columns:
    x = rng.normal(size=(2000, 5))
    y = rng.poisson(np.exp(0.4 * x.sum(1)))
    model = Layers(rng, (5, 1))
    model.params[0] *= 0.1

    def poisson(out: Any, y: Any) -> tuple[float, Any]:
        m = np.exp(out[:, 0])
        return float((m - y * out[:, 0]).mean()), ((m - y) / len(y))[:, None]

    return loop(model.params, supervised(rng, model, poisson, x, y, 32), Sgd(), 0.01, 900, log="norm")


@healthy("smoothed labels")
def smoothed(rng: Rng) -> Columns:
    x, y = blobs(rng, 1500, 8, 4, 4)
    model = Layers(rng, (8, 24, 4), "relu")

    def soft(out: Any, y: Any) -> tuple[float, Any]:
        goal = np.full(out.shape, 0.05) + 0.8 * np.eye(4)[y]
        p = softmax(out)
        return float(-(goal * np.log(p)).sum(1).mean()), (p - goal) / len(y)

    return loop(model.params, supervised(rng, model, soft, x, y, 30), Adam(), 0.002, 50 * 40, epoch=50, log="loss")


@healthy("running mean in place of the loss")
def running_mean(rng: Rng) -> Columns:
    log = classified(rng, 0.005, 1500, Sgd(0.9), "loss")
    for i in range(1, len(log["loss"])):
        log["loss"][i] = 0.98 * log["loss"][i - 1] + 0.02 * log["loss"][i]
    return log


@healthy("dropout, held out below the loss")
def dropout(rng: Rng) -> Columns:
    return classified(
        rng,
        0.003,
        50 * 60,
        Adam(),
        "loss",
        apart=3,
        epoch=50,
        val=True,
        seen=lambda t, x, y: (x * (rng.random(x.shape) < 0.7) / 0.7, y),
    )


@healthy("few held out, noisy")
def few_held_out(rng: Rng) -> Columns:
    x, y = rings(rng, 2020, 0.35)
    model = Layers(rng, (2, 16, 1))

    def val() -> float:
        i = rng.integers(2000, 2020, 12)
        return binary(model(x[i]), y[i])[0]

    return loop(
        model.params,
        supervised(rng, model, binary, x[:2000], y[:2000], 40),
        Adam(),
        0.003,
        50 * 60,
        epoch=50,
        log="rate",
        validate=val,
    )


@healthy("drifting data, online")
def drifting(rng: Rng) -> Columns:
    w = rng.normal(size=6)
    model = Layers(rng, (6, 1))

    def step(t: int) -> tuple[Any, ...]:
        w[:] = 0.998 * w + 0.06 * rng.normal(size=6)
        x = rng.normal(size=(24, 6))
        value, d = squares(model(x), x @ w + 0.5 * rng.normal(size=24))
        return value, model.back(d)

    return loop(model.params, step, Sgd(), 0.1, 1500, log="norm")


@healthy("text of letters, by adagrad")
def letters(rng: Rng) -> Columns:
    table = rng.dirichlet(np.full(12, 0.3), 12)
    model = Layers(rng, (12, 12))

    def step(t: int) -> tuple[Any, ...]:
        a = rng.integers(0, 12, 64)
        b = (table[a].cumsum(1) > rng.random((64, 1))).argmax(1)
        value, d = crossentropy(model(np.eye(12)[a]), b)
        return value, model.back(d), {"perplexity": float(np.exp(value))}

    return loop(model.params, step, adagrad(), 0.3, 1500, log="loss", every=5)


@healthy("faint directions after loud ones")
def faint_directions(rng: Rng) -> Columns:
    """What is loud is known from the start, and what is faint counts as much and comes slowly."""
    x = rng.normal(size=(200, 30)) * np.repeat([1.0, 0.12], [15, 15])
    w = np.concatenate([rng.normal(size=15), 12 * rng.normal(size=15)])
    y = x @ w + 0.3 * rng.normal(size=200)
    model = Layers(rng, (30, 1))
    model.params[0][:15] = w[:15, None]
    return loop(
        model.params,
        supervised(rng, model, squares, x[:100], y[:100], 100),
        Sgd(),
        0.05,
        50 * 60,
        epoch=50,
        log="loss",
        validate=held(model, squares, x[100:], y[100:]),
    )


@healthy("stopped before it learns by heart")
def stopped(rng: Rng) -> Columns:
    x, y = blobs(rng, 1200, 12, 4, 2)
    model = Layers(rng, (12, 48, 4), "relu")
    step = supervised(rng, model, crossentropy, x[:600], y[:600], 30)
    return loop(
        model.params,
        step,
        Adam(),
        5e-4,
        20 * 30,
        epoch=20,
        log="full",
        validate=held(model, crossentropy, x[600:], y[600:]),
    )


@healthy("norm grows while the loss falls")
def growing_norm(rng: Rng) -> Columns:
    """A logarithm of the loss: near the end each error weighs more."""
    x, y = wave(rng, 900, 0.02)
    model = Layers(rng, (3, 48, 1))

    def logged(out: Any, y: Any) -> tuple[float, Any]:
        value, d = squares(out, y)
        return float(np.log(value + 1e-3)), d / (value + 1e-3)

    return loop(
        model.params, supervised(rng, model, logged, x, y, 64), Adam(), lambda t: 0.003 * 0.998**t, 1500, log="norm"
    )


@healthy("learned by heart at once, understood later")
def understood_later(rng: Rng) -> Columns:
    """More weights than examples, from large ones: decay alone takes away what the examples do not say."""
    x = rng.normal(size=(460, 80))
    w = rng.normal(size=80) * (np.arange(80) < 5)
    y = x @ w + 0.05 * rng.normal(size=460)
    model = Layers(rng, (80, 1))
    model.params[0] *= 6
    step = supervised(rng, model, squares, x[:60], y[:60], 20)
    val = held(model, squares, x[60:], y[60:])
    return loop(model.params, step, Sgd(), 0.02, 10 * 120, epoch=10, log="loss", validate=val, decay=0.12)
