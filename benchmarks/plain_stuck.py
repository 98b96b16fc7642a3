"""Faulty trainings of `plain_runs.py` that learn nothing, stop or swing."""

from __future__ import annotations

from typing import Any

import numpy as np
from benchmarks.plain_kinds import Made, faulty
from benchmarks.plain_models import (
    Adam,
    Layers,
    Recurrent,
    Sgd,
    adagrad,
    binary,
    blobs,
    crossentropy,
    held,
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
_STUCK = ("no-learning", "vanishing", "stall")


@faulty("labels drawn anew each batch", "no-learning", "stall")
def drawn_labels(rng: Rng) -> Made:
    x, y = blobs(rng, 1000)
    model = Layers(rng, (8, 24, 4), "relu", 0.3)
    step = supervised(rng, model, crossentropy, x, y, 32, lambda t, x, y: (x, rng.permutation(y)))
    return loop(model.params, step, Adam(), 0.001, 600), 0


@faulty("rate of a billionth", "no-learning", "stall")
def tiny_rate(rng: Rng) -> Made:
    x, y = wave(rng, 1000)
    model = Layers(rng, (3, 24, 1))
    return loop(model.params, supervised(rng, model, squares, x, y, 32), Sgd(), 1e-9, 400, log="rate"), 0


def frozen(rng: Rng, at: int, steps: int, log: str, epoch: int = 0) -> Made:
    x, y = blobs(rng, 960, 10, 5)
    model = Layers(rng, (10, 32, 5), "relu", 0.7)
    step = supervised(rng, model, crossentropy, x, y, 32)
    val = held(model, crossentropy, *blobs(rng, 200, 10, 5)) if epoch and not at else None
    log_ = loop(
        model.params, step, Sgd(0.9), lambda t: 0.0 if t >= at else 0.001, steps, log=log, epoch=epoch, validate=val
    )
    return log_, at // (epoch or 1)


faulty("weights never written back", "no-learning", "stall")(lambda r: frozen(r, 0, 500, "norm"))
faulty("weights never written back, by epoch", "no-learning", "stall")(lambda r: frozen(r, 0, 1200, "loss", 30))
faulty("weights frozen in mid-descent", "stall", "no-learning")(lambda r: frozen(r, 150, 900, "norm"))
faulty("weights frozen in mid-descent, by epoch", "stall", "no-learning")(lambda r: frozen(r, 180, 2400, "loss", 30))


@faulty("inputs all zero", "no-learning", "vanishing", "stall")
def zero_inputs(rng: Rng) -> Made:
    x, y = line(rng, 900, noise=1.0)
    model = Layers(rng, (10, 16, 1), "relu")
    return loop(model.params, supervised(rng, model, squares, x * 0, y, 30), Adam(), 0.001, 500, log="norm"), 0


@faulty("softmax over one logit", "vanishing", "no-learning", "stall")
def one_logit(rng: Rng) -> Made:
    x, y = rings(rng, 600)
    model = Layers(rng, (2, 16, 1))

    def one(out: Any, y: Any) -> tuple[float, Any]:
        return float(((softmax(out)[:, 0] - y) ** 2).mean()), np.zeros_like(out)

    return loop(model.params, supervised(rng, model, one, x, y, 30), Adam(), 0.003, 300, log="norm"), 0


@faulty("units dead from the start", *_STUCK)
def dead_units(rng: Rng) -> Made:
    x, y = wave(rng, 800)
    model = Layers(rng, (3, 24, 1), "relu")
    model.params[1] -= 20
    model.params[3][:] = y.mean()
    return loop(model.params, supervised(rng, model, squares, x, y, 32), Sgd(), 0.01, 600, every=2, log="norm"), 0


@faulty("penalty as large as the world", "no-learning", "stall", "vanishing")
def large_penalty(rng: Rng) -> Made:
    x, y = blobs(rng, 900)
    model = Layers(rng, (8, 16, 4), "relu", 0.1)
    step = supervised(rng, model, crossentropy, x, y, 30)
    log = loop(
        model.params,
        step,
        Sgd(),
        0.02,
        30 * 50,
        epoch=30,
        log="loss",
        decay=5.0,
        validate=held(model, crossentropy, x, y),
    )
    return log, 0


@faulty("inputs paired with others' labels", "no-learning", "overfitting", "stall")
def paired_wrongly(rng: Rng) -> Made:
    x, y = rings(rng, 2000)
    model = Layers(rng, (2, 8, 1))
    y = rng.permutation(y)
    step = supervised(rng, model, binary, x[:1600], y[:1600], 32)
    return loop(
        model.params,
        step,
        Adam(),
        0.001,
        50 * 40,
        epoch=50,
        log="rate",
        validate=held(model, binary, x[1600:], y[1600:]),
    ), 0


@faulty("policy without a signal", "no-learning", "stall")
def no_signal(rng: Rng) -> Made:
    z = [np.zeros(8)]

    def step(t: int) -> tuple[float, list[Any]]:
        p = softmax(z[0])
        a = rng.choice(8, 32, p=p)
        r = rng.normal(0.3, 1, 32)
        return -float(r.mean()), [-((r - 0.3)[:, None] * (np.eye(8)[a] - p)).mean(0)]

    return loop(z, step, Sgd(), 0.05, 800, log="norm"), 0


@faulty("accuracy falls while the loss does", "no-learning", "overfitting")
def accuracy_falls(rng: Rng) -> Made:
    """The loss weighs the common class alone; what is counted is the mean over classes."""
    x = rng.normal(size=(1200, 2)) + np.where(rng.random(1200) < 0.3, 1.2, -0.4)[:, None]
    y = (x.sum(1) + rng.normal(size=1200) > 1.2) * 1.0
    model = Layers(rng, (2, 8, 1))
    model.params[0][:], model.params[2][:] = (
        np.repeat([[1.0] * 4 + [-1.0] * 4], 2, 0),
        np.array([[1.0] * 4 + [-1.0] * 4]).T,
    )

    def weighed(out: Any, y: Any) -> tuple[float, Any]:
        w = np.where(y > 0, 0.02, 1.0)
        p = 1 / (1 + np.exp(-out[:, 0]))
        return float((w * (np.logaddexp(0, out[:, 0]) - y * out[:, 0])).mean()), (w * (p - y) / len(y))[:, None]

    base = supervised(rng, model, weighed, x, y, 40)

    def step(t: int) -> tuple[Any, ...]:
        value, grads = base(t)
        said = model(x)[:, 0] > 0
        return value, grads, {"accuracy": float((said[y > 0].mean() + (~said[y <= 0]).mean()) / 2)}

    log = loop(model.params, step, Adam(), 0.003, 30 * 50, epoch=30, log="loss")
    return log, int(np.argmax(log["accuracy"]))


@faulty("schedule ends long before the training", "stall", "no-learning", "vanishing")
def schedule_ends(rng: Rng) -> Made:
    x, y = wave(rng, 1500)
    model = Layers(rng, (3, 32, 1))
    step = supervised(rng, model, squares, x, y, 32)
    return loop(model.params, step, Sgd(0.9), lambda t: 0.004 * 0.97**t, 1200), 152


@faulty("rate times a ten-thousandth for a tenth", "stall", "no-learning")
def wrong_decay(rng: Rng) -> Made:
    x, y = wave(rng, 1500)
    model = Layers(rng, (3, 32, 1))
    step = supervised(rng, model, squares, x, y, 30)
    return loop(
        model.params, step, Adam(), lambda t: 3e-4 * (1e-4 if t >= 500 else 1), 50 * 80, epoch=50, log="rate"
    ), 10


@faulty("Adagrad behind an outlier", "stall", "no-learning", "spike", "exploding")
def behind_an_outlier(rng: Rng) -> Made:
    x, y = line(rng, 1000, 10, 0.1)
    model = Layers(rng, (10, 1))

    def seen(t: int, x: Any, y: Any) -> Any:
        return (x * 300 if t == 60 else x), y

    log = loop(model.params, supervised(rng, model, squares, x, y, 32, seen), adagrad(), 0.1, 700, log="norm")
    return log, 60


@faulty("a large step kills the units", "stall", "vanishing", "spike", "divergence", "exploding", "no-learning")
def killed(rng: Rng) -> Made:
    x, y = blobs(rng, 1200, 10, 5)
    model = Layers(rng, (10, 32, 5), "relu")
    step = supervised(rng, model, crossentropy, x, y, 32)
    return loop(model.params, step, Sgd(), lambda t: 300.0 if t == 350 else 0.03, 900, log="norm"), 350


@faulty("gradients clipped to nothing", "stall", "no-learning")
def clipped(rng: Rng) -> Made:
    x, y = blobs(rng, 1200, 10, 6)
    model = Layers(rng, (10, 6))
    step = supervised(
        rng, model, crossentropy, x, y, 40, twist=lambda t, v, g: (v, [a * (1e-5 if t > 90 else 1) for a in g])
    )
    return loop(model.params, step, Sgd(), 0.03, 900, log="loss", every=3, mean=True), 30


@faulty("twelve layers of sigmoids", *_STUCK)
def deep_sigmoids(rng: Rng) -> Made:
    x, y = blobs(rng, 1000, apart=4)
    model = Layers(rng, (8, *[16] * 12, 4), "sigmoid")
    model.params[-2] *= 0.1

    def step(t: int) -> tuple[Any, ...]:
        value, grads = inner(t)
        return (
            value,
            grads,
            {"grad_norm/first": float(np.abs(grads[0]).max()), "grad_norm/last": float(np.abs(grads[-2]).max())},
        )

    inner = supervised(rng, model, crossentropy, x, y, 40)
    return loop(model.params, step, Sgd(), 0.05, 800, log="norm"), 0


@faulty("gradients underflow in half precision", "vanishing", "stall", "no-learning")
def underflow(rng: Rng) -> Made:
    x, y = wave(rng, 900, 0.3)
    model = Layers(rng, (3, 24, 1))

    def twist(t: int, v: float, g: list[Any]) -> tuple[float, list[Any]]:
        small = 1e-2 * 0.97 ** max(t - 200, 0)  # a loss scale that only ever falls
        return v, [(a * small).astype(np.float16).astype(float) for a in g]

    log = loop(model.params, supervised(rng, model, squares, x, y, 30, twist=twist), Sgd(), 1.0, 1000, log="norm")
    return log, 200


@faulty("saturated by inputs of hundreds", "vanishing", "no-learning", "stall")
def saturated(rng: Rng) -> Made:
    x, y = rings(rng, 900)
    model = Layers(rng, (2, 16, 1), "tanh")

    def unit(out: Any, y: Any) -> tuple[float, Any]:
        p = 1 / (1 + np.exp(-np.clip(out[:, 0] * 40, -60, 60)))
        return float(((p - y) ** 2).mean()), (2 * (p - y) * p * (1 - p) * 40 / len(y))[:, None]

    step = supervised(rng, model, unit, 500 * x, y, 30)
    return loop(model.params, step, Sgd(), 1e-4, 600, log="norm", every=2), 0


@faulty("memory fades in a long recurrence", "vanishing", "no-learning", "stall")
def fades(rng: Rng) -> Made:
    x = rng.choice([-1.0, 1.0], (800, 40, 1))
    model = Recurrent(rng, 1, 12, 1, 0.5)
    step = supervised(rng, model, binary, x, (x[:, 0, 0] > 0) * 1.0, 32)
    return loop(model.params, step, Sgd(), 0.05, 500, log="norm"), 0


def recurrence(rng: Rng, at: int, rate: float, log: str) -> Made:
    x, y = sums(rng, 1200)
    model = Recurrent(rng, 2, 24, 1)

    def twist(t: int, v: float, g: list[Any]) -> tuple[float, list[Any]]:
        if t >= at:
            model.params[1] *= 1.05
        return v, g

    return loop(
        model.params, supervised(rng, model, squares, x, y, 32, twist=twist), Sgd(), rate, at + 250, log=log
    ), at


faulty("recurrent weights grow", "exploding", "divergence", "spike", "oscillation")(
    lambda r: recurrence(r, 250, 0.02, "full")
)


@faulty("gradients never set to zero", "exploding", "divergence", "oscillation")
def never_zeroed(rng: Rng) -> Made:
    x, y = wave(rng, 1000)
    model = Layers(rng, (3, 24, 1))
    kept: list[Any] = []

    def twist(t: int, v: float, g: list[Any]) -> tuple[float, list[Any]]:
        kept[:] = [a + b for a, b in zip(g, kept or [0.0] * len(g), strict=True)]
        return v, list(kept)

    log = loop(model.params, supervised(rng, model, squares, x, y, 32, twist=twist), Sgd(), 0.02, 600, log="norm")
    return log, 0


@faulty("clipping switched off in a recurrence", "exploding", "divergence", "spike", "non-finite", "oscillation")
def clipping_off(rng: Rng) -> Made:
    x, y = sums(rng, 1200, 25)
    model = Recurrent(rng, 2, 24, 1, 1.3)

    def twist(t: int, v: float, g: list[Any]) -> tuple[float, list[Any]]:
        n = np.sqrt(sum((a**2).sum() for a in g))
        return v, [a * (min(1, 0.1 / n) if t < 400 else 40) for a in g]

    log = loop(model.params, supervised(rng, model, squares, x, y, 32, twist=twist), Sgd(), 0.03, 800, log="norm")
    return log, 400


@faulty("deep linear product, norms grow", "exploding", "divergence", "non-finite", "spike", "oscillation")
def linear_product(rng: Rng) -> Made:
    x, y = line(rng, 600, 8)
    model = Layers(rng, (8, 8, 8, 8, 8, 1), "linear", 1.0)

    def twist(t: int, v: float, g: list[Any]) -> tuple[float, list[Any]]:
        if t >= 200:
            for p in model.params[::2]:
                p *= 1.01
        return v, g

    return loop(
        model.params, supervised(rng, model, squares, x, y, 30, twist=twist), Sgd(), 0.002, 500, log="norm", clip=1.0
    ), 200


@faulty("full batches at the edge", "oscillation", "divergence", "stall", "no-learning", "exploding")
def at_the_edge(rng: Rng) -> Made:
    x, y = blobs(rng, 200, 6, 4, 1.5)
    model = Layers(rng, (6, 4))
    return loop(model.params, supervised(rng, model, crossentropy, 4 * x, y, 200), Sgd(), 2.0, 400, log="loss"), 0


@faulty("absolute error with a constant step", "oscillation", "no-learning", "stall")
def constant_step(rng: Rng) -> Made:
    """The sign of the error does not know how small it is."""
    x = np.ones((64, 1))
    model = Layers(rng, (1, 1))

    def absolute(out: Any, y: Any) -> tuple[float, Any]:
        d = out[:, 0] - y
        return float(np.abs(d).mean()), np.sign(d)[:, None] / len(y)

    y = 5 + 0.01 * rng.normal(size=64)
    return loop(model.params, supervised(rng, model, absolute, x, y, 64), Sgd(), 0.7, 300, log="full"), 0


@faulty("batches of one class after another", "oscillation", "divergence", "spike")
def one_class_each(rng: Rng) -> Made:
    x, y = blobs(rng, 1280, 10, 4)
    order = np.argsort(y, kind="stable")
    model = Layers(rng, (10, 24, 4), "relu")
    step = supervised(rng, model, crossentropy, x[order], y[order], 32, ordered=True)
    return loop(model.params, step, Sgd(), 0.2, 900, log="rate"), 0


@faulty("two tasks pull apart", "oscillation")
def pull_apart(rng: Rng) -> Made:
    x, y = line(rng, 800, 8)
    model = Layers(rng, (8, 1))
    step = supervised(rng, model, squares, x, y, 32, lambda t, x, y: (x, y if t // 25 % 2 else -y))
    return loop(model.params, step, Adam(), 0.1, 1000, log="loss", every=5), 0


@faulty("players of a bilinear game", "oscillation", "divergence", "exploding", "unbounded")
def bilinear(rng: Rng) -> Made:
    a = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    params = [rng.normal(size=5), rng.normal(size=5)]

    def step(t: int) -> tuple[float, list[Any]]:
        u, v = params
        return float(u @ a @ v), [a @ v + 0.01 * rng.normal(size=5), -a.T @ u]

    return loop(params, step, Sgd(), 0.08, 800, log="norm"), 0


@faulty("rate far too large, never settles", "no-learning", "oscillation", "stall", "divergence", "exploding", "spike")
def never_settles(rng: Rng) -> Made:
    x, y = blobs(rng, 1000)
    model = Layers(rng, (8, 24, 4), "tanh")
    return loop(model.params, supervised(rng, model, crossentropy, x, y, 32), rmsprop(), 2.0, 600, log="rate"), 0
