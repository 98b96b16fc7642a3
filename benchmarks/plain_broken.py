"""Faulty trainings of `plain_runs.py` that break, run away or jump."""

from __future__ import annotations

from typing import Any

import numpy as np
from benchmarks.plain_kinds import Made, faulty, first, turned
from benchmarks.plain_models import (
    Adam,
    Layers,
    Recurrent,
    Sgd,
    binary,
    blobs,
    crossentropy,
    held,
    huber,
    line,
    loop,
    rings,
    rmsprop,
    size,
    softmax,
    squares,
    sums,
    supervised,
    wave,
)

Rng = np.random.Generator


@faulty("log of zero at one sample", "non-finite")
def log_of_zero(rng: Rng) -> Made:
    x, y = rings(rng, 800)
    model = Layers(rng, (2, 16, 1), "relu")
    at = int(rng.integers(120, 400))

    def naive(out: Any, y: Any) -> tuple[float, Any]:
        p = 1 / (1 + np.exp(-out[:, 0].astype(np.float32)))
        value = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
        return float(value), ((p - y) / len(y))[:, None]

    def seen(t: int, x: Any, y: Any) -> Any:
        return (np.where(np.arange(len(x))[:, None] == 3, 4000 * x, x), y) if t == at else (x, y)

    log = loop(model.params, supervised(rng, model, naive, x, y, 32, seen), Adam(), 0.01, 600, clip=1.0)
    return first(log)


@faulty("softmax without its maximum subtracted", "non-finite", "exploding", "divergence", "spike")
def naive_softmax(rng: Rng) -> Made:
    x, y = blobs(rng, 1000, apart=3)
    model = Layers(rng, (8, 24, 4), "relu")

    def naive(out: Any, y: Any) -> tuple[float, Any]:
        e = np.exp((out * scale[0]).astype(np.float32))
        p = e / e.sum(-1, keepdims=True)
        d = p.copy()
        d[np.arange(len(y)), y] -= 1
        return float(-np.log(p[np.arange(len(y)), y] + 1e-12).mean()), d * scale[0] / len(y)

    scale = [1.0]

    def seen(t: int, x: Any, y: Any) -> Any:
        scale[0] = 1.03 ** max(t - 100, 0)
        return x, y

    log = loop(model.params, supervised(rng, model, naive, x, y, 50, seen), Sgd(), 0.05, 400, clip=5.0, log="norm")
    return log, 100


@faulty("distance of duplicates, root of zero", "non-finite")
def root_of_zero(rng: Rng) -> Made:
    x, y = blobs(rng, 600, apart=3)
    model = Layers(rng, (8, 16, 3))
    at = int(rng.integers(200, 700))

    def step(t: int) -> tuple[float, list[Any]]:
        i, j = rng.integers(0, 600, (2, 40))
        j = np.where(i == j, (j + 1) % 600, j)
        if t == at:
            j[0] = i[0]
        z = model(np.concatenate([x[i], x[j]]))
        gap = z[:40] - z[40:]
        far, same = np.sqrt((gap**2).sum(1)), y[i] == y[j]
        value = np.where(same, far**2, np.maximum(1 - far, 0) ** 2).mean()
        slope = np.where(same, 2 * far, -2 * np.maximum(1 - far, 0))[:, None] * gap / far[:, None] / 40
        return value, model.back(np.concatenate([slope, -slope]))

    return loop(model.params, step, Adam(), 0.003, 900, log="loss"), at


@faulty("one missing value in a feature", "non-finite")
def missing_value(rng: Rng) -> Made:
    x, y = line(rng, 600)
    model = Layers(rng, (10, 1))
    at = int(rng.integers(20, 60))

    def seen(t: int, x: Any, y: Any) -> Any:
        if t >= at * 19:
            x = x.copy()
            x[0, 3] = np.nan
        return x, y

    step = supervised(rng, model, squares, x, y, 32, seen)
    log = loop(model.params, step, Sgd(0.9), 0.003, 19 * 80, epoch=19, validate=held(model, squares, *line(rng, 100)))
    return log, at


@faulty("standardised batch without variance", "non-finite", "spike", "divergence")
def no_variance(rng: Rng) -> Made:
    x, y = blobs(rng, 900)
    model = Layers(rng, (8, 16, 4), "relu")

    def seen(t: int, x: Any, y: Any) -> Any:
        x = np.repeat(x[:1], len(x), 0) if t >= 350 else x
        return (x - x.mean(0)) / x.std(0), y

    return loop(model.params, supervised(rng, model, crossentropy, x, y, 30, seen), Sgd(), 0.1, 420, every=5), 70


@faulty("a row that is no number, skipped by the script", "non-finite")
def skipped_row(rng: Rng) -> Made:
    x, y = wave(rng, 1000)
    model = Layers(rng, (3, 32, 1))
    log = loop(model.params, supervised(rng, model, squares, x, y, 32), Adam(), 0.003, 1200, log="norm")
    at = int(rng.integers(300, 900))
    log["loss"][at] = log["grad_norm"][at] = np.nan
    return log, at


@faulty("half precision overflows in a sum", "non-finite", "divergence", "exploding")
def half_sum(rng: Rng) -> Made:
    x, y = line(rng, 500, noise=0.5)
    model = Layers(rng, (10, 1))

    def seen(t: int, x: Any, y: Any) -> Any:
        return x, y * (1 if t < 250 else 1.05 ** (t - 250))

    def half(out: Any, y: Any) -> tuple[float, Any]:
        value, d = squares(out, y)
        return float(np.float16(value * len(y))), d

    return loop(model.params, supervised(rng, model, half, x, y, 50, seen), Sgd(), 0.02, 450, log="loss"), 250


def rate_jump(rng: Rng, times: float, log: str, steps: int = 800) -> Made:
    x, y = line(rng, 1000)
    model, at = Layers(rng, (10, 1)), steps // 2
    step = supervised(rng, model, squares, x, y, 32)
    return loop(model.params, step, Sgd(), lambda t: 0.01 * (times if t >= at else 1), steps, log=log), at


faulty("rate jumps by hundred", "divergence", "non-finite", "exploding", "spike")(lambda r: rate_jump(r, 100, "full"))
faulty("rate jumps, loss alone", "divergence", "non-finite", "exploding", "spike")(
    lambda r: rate_jump(r, 80, "loss", 300)
)


@faulty("rate jumps under Adam", "divergence", "spike", "oscillation", "exploding", "stall")
def adam_jump(rng: Rng) -> Made:
    x, y = blobs(rng, 1500, 10, 5)
    model = Layers(rng, (10, 48, 5), "relu")
    step = supervised(rng, model, crossentropy, x, y, 32)
    return loop(model.params, step, Adam(), lambda t: 1.0 if t >= 500 else 1e-3, 900, log="rate"), 500


@faulty("ascent from the start", "divergence", "unbounded", "exploding")
def ascent(rng: Rng) -> Made:
    x, y = blobs(rng, 800)
    model = Layers(rng, (8, 4))
    step = supervised(rng, model, crossentropy, x, y, 32, twist=lambda t, v, g: (v, [-a for a in g]))
    return loop(model.params, step, Sgd(), 0.02, 300, log="norm"), 0


@faulty("ascent by epoch", "divergence", "unbounded", "exploding", "overfitting")
def ascent_epochs(rng: Rng) -> Made:
    x, y = rings(rng, 640)
    model = Layers(rng, (2, 12, 1))
    step = supervised(rng, model, binary, x, y, 32, twist=lambda t, v, g: (v, [-a for a in g]))
    return loop(
        model.params, step, Adam(), 0.002, 20 * 40, epoch=20, log="loss", validate=held(model, binary, *rings(rng, 200))
    ), 0


@faulty("sign of the penalty flips", "divergence", "exploding", "unbounded", "spike", "non-finite")
def penalty_flips(rng: Rng) -> Made:
    x, y = line(rng, 600)
    model = Layers(rng, (10, 24, 1))

    def twist(t: int, value: float, grads: list[Any]) -> tuple[float, list[Any]]:
        c = 0.02 if t < 300 else -3.0
        return value + abs(c) * size(model.params) ** 2 / 100, [
            g + c * p for g, p in zip(grads, model.params, strict=True)
        ]

    return loop(model.params, supervised(rng, model, squares, x, y, 32, twist=twist), Sgd(), 0.01, 600), 300


@faulty("warm-up past the edge", "divergence", "oscillation", "exploding", "non-finite", "spike")
def past_the_edge(rng: Rng) -> Made:
    x, y = wave(rng, 256)
    model = Layers(rng, (3, 32, 1))
    step = supervised(rng, model, squares, x, y, 256)
    return turned(loop(model.params, step, Sgd(0.9), lambda t: 0.002 * 1.012**t, 600))


@faulty("labels shuffled from a step on", "divergence", "spike", "no-learning", "stall")
def shuffled_later(rng: Rng) -> Made:
    x, y = blobs(rng, 1200, apart=3)
    model, at = Layers(rng, (8, 24, 4), "relu"), int(rng.integers(300, 600))

    def seen(t: int, x: Any, y: Any) -> Any:
        return x, rng.permutation(y) if t >= at else y

    return loop(model.params, supervised(rng, model, crossentropy, x, y, 40, seen), Adam(), 0.002, 900, log="loss"), at


@faulty("labels off by one after a resume", "divergence", "spike")
def off_by_one(rng: Rng) -> Made:
    x, y = blobs(rng, 1200, 8, 6, apart=4)
    model = Layers(rng, (8, 32, 6), "relu")

    def seen(t: int, x: Any, y: Any) -> Any:
        return x, (y + 1) % 6 if t >= 30 * 40 else y

    step = supervised(rng, model, crossentropy, x, y, 40, seen)
    return loop(
        model.params, step, Sgd(0.9), 0.01, 30 * 60, epoch=30, log="rate", validate=held(model, crossentropy, x, y)
    ), 40


@faulty("inputs no longer scaled", "divergence", "spike", "exploding", "non-finite")
def unscaled_later(rng: Rng) -> Made:
    x, y = wave(rng, 1000)
    model = Layers(rng, (3, 24, 1), "relu")

    def seen(t: int, x: Any, y: Any) -> Any:
        return (x * 255 if t >= 400 else x), y

    return loop(model.params, supervised(rng, model, squares, x, y, 32, seen), Adam(), 0.003, 600, every=2), 200


@faulty("rewards fall, policy collapses", "divergence", "unbounded", "no-learning", "stall")
def policy_collapse(rng: Rng) -> Made:
    means = np.linspace(0, 1, 6)
    z = [np.zeros(6)]

    def step(t: int) -> tuple[float, list[Any]]:
        p = softmax(z[0])
        a = rng.choice(6, 16, p=p)
        r = means[a] + 0.2 * rng.normal(size=16)
        sign = 1 if t < 250 else -4
        return -float(r.mean()), [-sign * ((r - 0.5)[:, None] * (np.eye(6)[a] - p)).mean(0)]

    return loop(z, step, Sgd(), 0.1, 700, log="norm"), 250


@faulty("momentum near one, rate too large", "oscillation", "divergence", "exploding")
def heavy_ball(rng: Rng) -> Made:
    x, y = line(rng, 256, 6, 0.05)
    model = Layers(rng, (6, 1))
    return loop(model.params, supervised(rng, model, squares, x, y, 256), Sgd(0.998), 0.03, 500, log="norm"), 0


@faulty("RMSProp at the floor, bursts", "spike", "oscillation", "divergence", "exploding", "stall")
def bursts(rng: Rng) -> Made:
    """Full batches: once the gradients are small, so are their squares, and the steps are not."""
    x, y = wave(rng, 200, 0.0)
    model = Layers(rng, (3, 64, 1))
    step = supervised(rng, model, squares, x, y, 200)
    log = loop(model.params, step, rmsprop(), 0.02, 1200)
    floor = np.minimum.accumulate(log["loss"])
    return log, int(np.flatnonzero(log["loss"] > 1.5 * floor)[0])


def gaussian(out: Any, y: Any) -> tuple[float, Any]:
    """Negative log-likelihood of a normal density with learned width, without a floor."""
    m, s = out[:, 0], out[:, 1]
    z = (y - m) * np.exp(-s)
    return float((s + z**2 / 2).mean()), np.stack([-z * np.exp(-s), 1 - z**2], 1) / len(y)


@faulty("width shrinks onto few points", "unbounded", "divergence", "spike", "exploding", "non-finite", "oscillation")
def shrinking_width(rng: Rng) -> Made:
    x = rng.normal(size=(12, 20))
    model = Layers(rng, (20, 64, 2), "tanh")
    step = supervised(rng, model, gaussian, x, np.round(rng.normal(size=12), 1), 12)
    return loop(model.params, step, Adam(), 0.005, 1500, clip=10.0, log="loss"), 0


@faulty("distance without a margin", "unbounded")
def no_margin(rng: Rng) -> Made:
    x, y = blobs(rng, 500, apart=3)
    model = Layers(rng, (8, 16, 3), "relu")

    def step(t: int) -> tuple[float, list[Any]]:
        i, j = rng.integers(0, 500, (2, 64))
        z = model(np.concatenate([x[i], x[j]]))
        gap, sign = z[:64] - z[64:], np.where(y[i] == y[j], 1.0, -1.0)
        d = 2 * sign[:, None] * gap / 64
        return float((sign * (gap**2).sum(1)).mean()), model.back(np.concatenate([d, -d]))

    return loop(model.params, step, Adam(), 0.001, 600, every=2), 0


@faulty("critic without a bound", "unbounded")
def critic(rng: Rng) -> Made:
    model = Layers(rng, (4, 16, 1), "relu")

    def step(t: int) -> tuple[float, list[Any]]:
        x = np.concatenate([rng.normal(size=(32, 4)), rng.normal(0.7, 1, (32, 4))])
        d = np.repeat([1, -1], 32)[:, None] / 32.0
        return float((model(x) * d).sum()), model.back(d)

    return loop(model.params, step, rmsprop(), 0.001, 800, log="norm"), 0


@faulty("bonus of entropy without a bound", "unbounded")
def entropy_bonus(rng: Rng) -> Made:
    x, y = wave(rng, 600)
    model = Layers(rng, (3, 16, 2))

    def bonus(out: Any, y: Any) -> tuple[float, Any]:
        m, s = out[:, 0], out[:, 1]
        d = np.stack([np.clip(m - y, -1, 1), -0.5 * np.ones_like(s)], 1) / len(y)
        return huber(m[:, None], y)[0] - 0.5 * float(s.mean()), d

    step = supervised(rng, model, bonus, x, y, 30)
    return loop(model.params, step, Adam(), 0.003, 20 * 60, epoch=20, log="loss"), 0


@faulty("labels above one in binary crossentropy", "unbounded")
def labels_above_one(rng: Rng) -> Made:
    x, y = rings(rng, 600)
    model = Layers(rng, (2, 16, 1), "relu")
    step = supervised(rng, model, binary, x, y + 1, 30)
    return loop(model.params, step, Adam(), 0.005, 900, log="full", every=3), 0


@faulty(
    "likelihood of a mixture, a third of the data zero", "unbounded", "spike", "divergence", "non-finite", "exploding"
)
def zero_component(rng: Rng) -> Made:
    x = np.concatenate([rng.normal(size=25), np.zeros(15)])  # a third was never measured, and is written as zero
    params = [np.array([0.5, 0.1]), np.array([0.0, -1.0])]

    def step(t: int) -> tuple[float, list[Any]]:
        m, s = params
        z = (x[:, None] - m) * np.exp(-s)
        each = np.exp(-(z**2) / 2 - s) / 2
        share = each / each.sum(1, keepdims=True)
        loss = -np.log(each.sum(1)).sum()
        return loss, [-(share * z * np.exp(-s)).sum(0), -(share * (z**2 - 1)).sum(0)]

    return loop(params, step, Adam(), 0.01, 1500, log="norm"), 0


def bad_batch(rng: Rng, times: float, log: str, again: int = 10**9) -> Made:
    x, y = wave(rng, 1200)
    model, at = Layers(rng, (3, 24, 1)), int(rng.integers(200, 400))

    def seen(t: int, x: Any, y: Any) -> Any:
        return x, y * times if t >= at and (t - at) % again == 0 else y

    step = supervised(rng, model, squares, x, y, 32, seen)
    return loop(model.params, step, Sgd(), 0.02, 900, log=log, clip=2.0), at


faulty("one bad batch", "spike", "exploding", "divergence")(lambda r: bad_batch(r, 60, "full"))
faulty("one bad batch, loss alone", "spike")(lambda r: bad_batch(r, 25, "loss"))
faulty("a bad batch every 97 steps", "spike", "exploding", "oscillation")(lambda r: bad_batch(r, 40, "norm", 97))


@faulty("one price with a slipped point", "spike", "exploding", "divergence")
def slipped_point(rng: Rng) -> Made:
    x, y = line(rng, 2000, 12, 0.5)
    model = Layers(rng, (12, 1))

    def seen(t: int, x: Any, y: Any) -> Any:
        return x, np.where(np.arange(len(y)) == 0, 1e3, y) if t == 640 else y

    return loop(
        model.params, supervised(rng, model, squares, x, y, 64, seen), Adam(), 0.01, 1000, every=4, log="loss"
    ), 160


@faulty("rate slips for three steps", "spike", "divergence", "exploding")
def rate_slips(rng: Rng) -> Made:
    x, y = blobs(rng, 1200, 10, 5)
    model = Layers(rng, (10, 32, 5), "relu")
    step = supervised(rng, model, crossentropy, x, y, 32)
    return loop(model.params, step, Sgd(0.9), lambda t: 6.0 if 400 <= t < 403 else 0.02, 800, log="full"), 400


@faulty("spikes in the norm alone", "exploding", "spike")
def norm_spikes(rng: Rng) -> Made:
    x, y = sums(rng, 1500)
    model = Recurrent(rng, 2, 16, 1)

    def twist(t: int, v: float, g: list[Any]) -> tuple[float, list[Any]]:
        return v, [a * (400 if t >= 500 and t % 40 == 0 else 1) for a in g]

    log = loop(model.params, supervised(rng, model, squares, x, y, 32, twist=twist), Adam(), 0.002, 900, clip=0.5)
    return log, 520


@faulty("wrong checkpoint at a resume", "divergence", "spike")
def wrong_checkpoint(rng: Rng) -> Made:
    x, y = wave(rng, 1000)
    model = Layers(rng, (3, 32, 1))
    start = [p * 2.5 for p in model.params]

    def seen(t: int, x: Any, y: Any) -> Any:
        if t == 1000:
            for p, s in zip(model.params, start, strict=True):
                p[...] = s
        return x, y

    return loop(model.params, supervised(rng, model, squares, x, y, 50, seen), Adam(), 0.003, 1600, every=10), 100


@faulty("dropout of nearly all from a step on", "divergence", "spike", "no-learning", "stall")
def dropout_of_all(rng: Rng) -> Made:
    x, y = blobs(rng, 1000, 12, 4, 4)
    model = Layers(rng, (12, 24, 4), "relu")

    def seen(t: int, x: Any, y: Any) -> Any:
        return (x * (rng.random(x.shape) < 0.05) / 0.05 if t >= 600 else x), y

    return loop(
        model.params, supervised(rng, model, crossentropy, x, y, 25, seen), Sgd(0.9), 0.005, 1000, every=10, mean=True
    ), 60


@faulty("learner drifts off, targets feed on it", "divergence", "exploding", "unbounded", "non-finite")
def feeding_targets(rng: Rng) -> Made:
    """Values learned from their own estimates, off the policy: each update enlarges the target."""
    x = rng.normal(size=(400, 6))
    model = Layers(rng, (6, 12, 1), "relu")

    def step(t: int) -> tuple[Any, ...]:
        i = rng.integers(0, 400, 32)
        target = 0.1 * rng.normal(size=(32, 1)) + 1.4 * np.abs(model(x[i] * 1.3))
        value, d = squares(model(x[i]), target)
        return value, model.back(d)

    return loop(model.params, step, Adam(), 0.003, 1200, log="norm", every=4, mean=True), 0
