"""Training runs of small Keras models, healthy ones and ones with a fault whose first step is known.

    python -m benchmarks.keras_runs --half 1 --seeds 4
    python -m benchmarks.keras_runs --write DIR      # a CSV for each, as `lossdoctor monitor` reads them

Networks, losses and optimizers are those that people train: convolutions, recurrent nets, contrastive and triplet
losses, variational autoencoders, likelihoods, temporal differences, policies, players. The halves are
those of `training_runs.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from benchmarks.keras_tasks import (
    Twins,
    absolute,
    autoencoder,
    binary,
    classes,
    contrastive,
    conv,
    cosine,
    decayed,
    focal,
    images,
    logits,
    lstm,
    mlp,
    mse,
    normal,
    percent,
    poisson,
    policy,
    probabilities,
    regression,
    scaled,
    sequences,
    triplet,
)
from benchmarks.keras_training import Array, Fault, Plan, train
from benchmarks.monitor_score import report
from benchmarks.run import Run

_SEEDS = 2


# Schedules of the share of training that is done.
def warm_up(t: float) -> float:
    return min(t / 0.1 + 0.01, 1.0) * (1 - 0.95 * max(t - 0.1, 0.0) / 0.9)


def steps(t: float) -> float:
    return 0.1 ** int(t * 3)


def half_cosine(t: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * t))


def restarts(t: float) -> float:
    return half_cosine(t * 4 % 1)


def plateaus(t: float) -> float:
    """As a callback lowers it when it sees no progress: late, and to almost nothing at last."""
    return 1.0 if t < 0.5 else 0.1 ** (1 + int((t - 0.5) * 10))


def of_seed(seed: int) -> Iterator[Run]:
    rng = np.random.default_rng(5000 + seed)
    base = Plan(
        mlp(32, 16),
        regression(rng),
        mse,
        batch=int(rng.choice([16, 32, 64])),
        steps=int(rng.choice([300, 400, 500])),
        held_out=regression(np.random.default_rng(1), 256),
        log_norm=bool(rng.random() < 0.7),
        log_rate=bool(rng.random() < 0.5),
        log_terms=True,
    )
    picture = replace(base, model=conv(), data=images(rng), loss=classes, rate=0.002)
    yes_no = replace(base, model=mlp(32, 16), data=binary(rng), loss=logits)
    at = int(rng.integers(90, 180))
    yield from _healthy(seed, rng, base, picture, yes_no)
    yield from _numerical(seed, rng, base, picture, yes_no, at)
    yield from _still(seed, rng, base, picture, yes_no, at)
    yield from _other(seed, rng, base, picture, yes_no, at)


def _pairs(rng: np.random.Generator, views: int) -> tuple[Array, Array]:
    x = rng.normal(size=(1024, 8))
    seen = [x + 0.3 * rng.normal(size=x.shape) for _ in range(2)] + [rng.normal(size=x.shape)]
    return np.concatenate(seen[:views], axis=1).astype("float32"), x.astype("float32")


def _views(count: int) -> Callable[[], keras.Model]:
    """One encoder over parts of the input side by side."""

    def made() -> keras.Model:
        encoder = mlp(32, out=8)()
        given: Any = keras.Input((8 * count,))
        return keras.Model(
            given, keras.layers.Concatenate()([encoder(given[:, 8 * i : 8 * i + 8]) for i in range(count)])
        )

    return made


def _transitions(rng: np.random.Generator) -> tuple[Array, Array]:
    x = rng.normal(size=(1024, 8))
    after = 0.9 * x + 0.4 * rng.normal(size=x.shape)
    reward = (x[:, :1] > 0.5) * 1.0 + 0.1 * rng.normal(size=(len(x), 1))
    return x.astype("float32"), np.concatenate([reward, after], axis=1).astype("float32")


def _healthy(seed: int, rng: np.random.Generator, base: Plan, picture: Plan, yes_no: Plan) -> Iterator[Run]:
    x, _ = images(rng)
    coded = replace(base, model=mlp(32, out=72), data=(x.reshape(-1, 64), x.reshape(-1, 64)), loss=autoencoder)
    twins = Twins(mlp(32), 0.02)
    wild = regression(rng)
    wild = wild[0], (wild[1] + 0.2 * rng.standard_cauchy(size=wild[1].shape)).astype("float32")
    rewards = rng.normal(size=(1024, 8)).astype("float32")
    plans = {
        "adam regression": base,
        "convolutions, momentum": replace(picture, optimizer="sgd", momentum=0.9, rate=0.01),
        "convolutions, batches of four": replace(picture, batch=4, rate=0.0005, steps=600),
        "batch normalisation": replace(picture, model=conv(normed=True), optimizer="rmsprop", rate=0.001),
        "likelihood, rmsprop": replace(base, model=mlp(32, out=2), loss=normal, optimizer="rmsprop", rate=0.002),
        "poisson": replace(base, loss=poisson, rate=0.002),
        "contrastive, cosine": replace(
            base,
            model=_views(2),
            data=_pairs(rng, 2),
            loss=contrastive,
            optimizer="adamw",
            schedule=half_cosine,
            log_rate=True,
        ),
        "triplets": replace(base, model=_views(3), data=_pairs(rng, 3), loss=triplet),
        "cosine similarity": replace(base, model=mlp(32, out=8), data=(wild[0], wild[0][:, ::-1].copy()), loss=cosine),
        "autoencoder": coded,
        "autoencoder, prior turned up": replace(coded, knob=0.0, turn=lambda t: min(2 * t, 1.0)),
        "recurrent, clipped": replace(base, model=lstm, data=sequences(rng), clip=0.3, log_norm=True, rate=0.01),
        "temporal differences": replace(
            base, model=twins.made, data=_transitions(rng), loss=twins.temporal, every=twins.follow
        ),
        "policy": replace(base, model=mlp(32, out=8), data=(rewards, rewards), loss=policy, rate=0.002),
        "warm-up": replace(base, schedule=warm_up, optimizer="lion", rate=0.001),
        "steps": replace(picture, schedule=steps, optimizer="sgd", momentum=0.9, rate=0.02),
        "restarts": replace(base, schedule=restarts),
        "lowered at plateaus": replace(base, schedule=plateaus, steps=800, log_rate=True),
        "converged": replace(
            base, model=mlp(), data=(wild[0], wild[0][:, :1]), batch=1024, steps=800, optimizer="sgd", rate=0.1
        ),
        "wild targets": replace(base, data=wild, loss=absolute),
        "wild targets, squared": replace(base, data=wild, clip=1.0),
        "percent": replace(base, loss=percent),
        "wrong labels": replace(picture, data=images(rng, wrong=0.6), steps=500),
        "rare events": replace(yes_no, data=binary(rng, share=0.02), batch=16),
        "focal": replace(yes_no, loss=focal),
        "penalised": replace(base, loss=decayed(mse)),
        "no weight decay of adagrad": replace(yes_no, optimizer="adagrad", rate=0.05),
        "first loss far off": replace(base, data=(base.data[0], base.data[1] + 30.0), rate=0.02),
        "epochs": replace(picture, epoch=16, steps=400, validate=16, held_out=images(rng, 256), rate=0.0005),
        "epochs, lowered": replace(base, epoch=16, steps=800, validate=16, schedule=plateaus, log_rate=True),
        "epochs of a large set": replace(
            base, data=regression(rng, 8192, 0.3), epoch=32, steps=960, validate=32, rate=0.001
        ),
        "fixed order": replace(base, data=regression(rng, 128), batch=16, ordered=True),
        "fixed order of images": replace(picture, data=images(rng, 64), batch=16, ordered=True, rate=0.0005),
        "resumed": replace(picture, rate=0.0003, resumed=100, steps=500),
        "resumed, converged": replace(base, resumed=250, steps=550),
        "parity": replace(
            yes_no, model=mlp(32, activation="tanh"), data=_parity(rng), optimizer="sgd", rate=0.2, steps=800
        ),
    }
    # Of data drawn by one teacher the held-out set is the rest.
    for name, plan in plans.items():
        if plan.validate:
            x, y = plan.data
            plan = replace(plan, data=(x[:-256], y[:-256]), held_out=(x[-256:], y[-256:]))
        yield train(f"healthy {name}", "healthy", plan, seed)
    renamed = Fault(150, None, {}, _permuted)
    yield replace(train("healthy new task", "healthy", picture, seed, renamed), onset=None)
    yield players(seed)


def _permuted(x: Array, y: Array) -> tuple[Array, Array]:
    """A second task: the labels by another name."""
    return x, (y + 1) % 10


def _parity(rng: np.random.Generator) -> tuple[Array, Array]:
    x = rng.choice([-1.0, 1.0], size=(1024, 8))
    return x.astype("float32"), (x[:, :2].prod(axis=1, keepdims=True) > 0).astype("float32")


def players(seed: int, count: int = 400) -> Run:
    """A generator against a critic; the log is the generator's loss."""
    keras.utils.set_random_seed(seed)
    maker, critic = mlp(16, out=2)(), mlp(16, out=1)()
    first, second = keras.optimizers.Adam(1e-3, beta_1=0.5), keras.optimizers.Adam(1e-3, beta_1=0.5)
    maker(np.zeros((1, 4), "float32"))
    critic(np.zeros((1, 2), "float32"))
    first.build(maker.trainable_variables)
    second.build(critic.trainable_variables)

    @tf.function
    def step() -> Any:
        angle = tf.random.uniform((64, 1), 0, 6.28)
        real = tf.concat([tf.cos(angle), tf.sin(angle)], axis=1)
        with tf.GradientTape(persistent=True) as tape:
            fake = maker(tf.random.normal((64, 4)))
            a, b = critic(real), critic(fake)
            own = tf.reduce_mean(tf.nn.softplus(-b))
            other = tf.reduce_mean(tf.nn.softplus(-a) + tf.nn.softplus(b))
        first.apply_gradients(
            zip(tape.gradient(own, maker.trainable_variables), maker.trainable_variables, strict=True)
        )
        second.apply_gradients(
            zip(tape.gradient(other, critic.trainable_variables), critic.trainable_variables, strict=True)
        )
        return own

    losses = np.array([float(step()) for _ in range(count)])
    return Run("healthy players", "healthy", None, {"step": np.arange(count, dtype=float), "loss": losses})


def _numerical(seed: int, rng: np.random.Generator, base: Plan, picture: Plan, yes_no: Plan, at: int) -> Iterator[Run]:
    """Divergence, losses without a bound, gradients that grow, numbers that are none, outbursts."""
    momentum = replace(picture, optimizer="sgd", momentum=0.9, rate=0.01, log_norm=False)
    yield train("adam's rate up", "divergence", replace(base, log_norm=False), seed, Fault(at, None, {"rate": 300.0}))
    yield train("momentum's rate up", "divergence", momentum, seed, Fault(at, None, {"rate": 30.0}))
    linear = replace(base, model=mlp(), optimizer="sgd", batch=1024, log_norm=False)
    yield train("linear, rate too high", "divergence", replace(linear, rate=1.3), seed, Fault())
    uphill = replace(base, optimizer="sgd", rate=0.02, log_norm=False)
    yield train("ascent", "divergence", uphill, seed, Fault(at, None, {"rate": -0.5}))
    yield train("sign of the loss", "unbounded", replace(base, knob=-1.0), seed, Fault())
    yield train("sign of the cross-entropy", "unbounded", replace(picture, knob=-1.0), seed, Fault())
    x, _ = regression(rng)
    exact = replace(base, model=mlp(out=2), data=(x, x[:, :1] * 0.0), loss=normal, rate=0.02, steps=500)
    yield train("deviation to zero", "unbounded", exact, seed, Fault())
    critic = replace(base, model=mlp(16), data=binary(rng), loss=_critic, rate=0.005)
    yield train("critic without a bound", "unbounded", critic, seed, Fault())
    yield train("sign turned", "unbounded", yes_no, seed, Fault(at, None, {"knob": -1.0}))
    sigmoid = replace(yes_no, model=mlp(32, last="sigmoid"), loss=probabilities)
    yield train("log of zero", "non-finite", sigmoid, seed, Fault(at, at + 1, {}, lambda x, y: (x * 1e4, y)))
    # Rectifiers make zeros of what is NaN: the loss is that of the last biases from then on, and finite.
    hidden = Fault(at, at + 1, {}, lambda x, y: (x * np.nan, y))
    yield train("network killed by nan", "divergence", replace(picture, log_norm=False), seed, hidden)
    smooth = replace(picture, model=conv(activation="tanh"))
    yield train("nan in the data", "non-finite", smooth, seed, hidden)
    rooted = replace(base, loss=_rooted, log_norm=True)
    same = Fault(at, at + 1, {"knob": 0.0})
    yield train("root at zero", "non-finite", rooted, seed, same)
    wrong = Fault(at, at + 1, {}, lambda x, y: (x, y + 40.0))
    yield train("outlier", "spike", replace(base, clip=1.0), seed, wrong)
    loud = Fault(at, at + 1, {}, lambda x, y: (x * 30, y[::-1].copy()))
    yield train("loud batch", "spike", replace(picture, clip=0.5), seed, loud)
    apart = Fault(at, at + 3, {}, lambda x, y: (x, (y + 5) % 10))
    yield train("labels of three batches", "spike", replace(picture, rate=0.0005, optimizer="rmsprop"), seed, apart)

    def grow(model: keras.Model, step: int) -> None:
        cell = model.layers[0].cell
        cell.recurrent_kernel.assign(cell.recurrent_kernel * 1.02)

    rnn = replace(base, model=_simple, data=sequences(rng), clip=1.0, log_norm=True, rate=0.001)
    yield train("recurrent kernel grows", "exploding", replace(rnn, every=grow), seed, Fault(at))
    steep = replace(base, loss=_steep, log_norm=True, clip=1.0, knob=1.0)
    yield train("steep term", "exploding", steep, seed, Fault(at, None, {"knob": 3000.0}))


def _critic(y: Any, p: Any, knob: Any) -> Any:
    return tf.reduce_mean(p * (1 - y)) - tf.reduce_mean(p * y)


def _rooted(y: Any, p: Any, knob: Any) -> Any:
    return tf.sqrt(tf.reduce_mean(tf.square((y - p) * knob)))


def _steep(y: Any, p: Any, knob: Any) -> Any:
    """A fine ripple: hardly any value, and a large slope."""
    return tf.reduce_mean(tf.square(y - p)) + 1e-2 * tf.reduce_mean(tf.sin(knob * p))


def _simple() -> keras.Model:
    return keras.Sequential([keras.layers.SimpleRNN(16, activation="linear"), keras.layers.Dense(1)])


def _still(seed: int, rng: np.random.Generator, base: Plan, picture: Plan, yes_no: Plan, at: int) -> Iterator[Run]:
    """Nothing is learned, or no longer."""
    x, y = picture.data
    yield train(
        "labels of others", "no-learning", replace(picture, data=(x, rng.permutation(y)), rate=1e-4), seed, Fault()
    )
    x, y = yes_no.data
    yield train(
        "softmax of one", "no-learning", replace(yes_no, model=mlp(32, last="softmax"), loss=_clipped), seed, Fault()
    )
    yield train("rounded outputs", "no-learning", replace(base, loss=_rounded), seed, Fault())
    yield train("rate of nothing", "no-learning", replace(picture, rate=1e-10, log_rate=False), seed, Fault())
    yield train("frozen from the start", "no-learning", replace(base, frozen=True), seed, Fault())
    yield train("inputs of zero", "no-learning", replace(picture, model=scaled(0.0, conv())), seed, Fault())
    dead = mlp(32, 16, bias_initializer=keras.initializers.Constant(-50.0))
    yield train("units off", "no-learning", replace(yes_no, model=dead), seed, Fault())
    unlike = replace(base, data=(base.data[0], rng.permutation(base.data[1])), rate=1e-3)
    yield train("targets of others", "no-learning", unlike, seed, Fault())
    slow = replace(picture, rate=3e-4, batch=64)
    yield train("rate to nothing", "stall", replace(slow, log_rate=True), seed, Fault(at, None, {"rate": 1e-7}))
    yield train("frozen", "stall", slow, seed, Fault(at, None, {"frozen": True}))
    # Slow enough that the loss is still on its way when the fault comes.
    falling = replace(base, rate=2e-4, batch=128)
    yield train("frozen regression", "stall", falling, seed, Fault(at, None, {"frozen": True}))
    descent = replace(base, optimizer="sgd", rate=0.003, batch=128)
    yield train("clipped to nothing", "stall", descent, seed, Fault(at, None, {"clip": 1e-6}))
    yield from _by_epoch(seed, rng, base, picture)
    deep = mlp(*(8,) * 10, out=10, activation="sigmoid")
    flat = replace(picture, model=lambda: keras.Sequential([keras.layers.Flatten(), deep()]), log_norm=True)
    # The norm is that of the last layer's biases: nothing in such a log tells that the gradient of the others vanishes.
    yield train("deep sigmoids", "no-learning", replace(flat, optimizer="sgd", rate=0.05), seed, Fault())
    saturated = replace(base, model=mlp(32, last="tanh"), log_norm=True, optimizer="sgd", rate=0.02)
    push = Fault(at, None, {}, lambda x, y: (x * 1e5, y))
    yield train("saturated", "vanishing", saturated, seed, push)
    faint = mlp(16, 16, 16, activation="tanh", kernel_initializer=keras.initializers.RandomNormal(stddev=1e-3))
    yield train(
        "faint weights", "no-learning", replace(base, model=faint, log_norm=True, optimizer="sgd"), seed, Fault()
    )


def _by_epoch(seed: int, rng: np.random.Generator, base: Plan, picture: Plan) -> Iterator[Run]:
    """The same faults as a history by epochs shows them."""
    x, y = picture.data
    seen = replace(picture, data=(x[256:], y[256:]), held_out=(x[:256], y[:256]), epoch=16, validate=16, steps=640)
    mixed = replace(seen, data=(x[256:], rng.permutation(y[256:])), rate=1e-4)
    yield train("labels of others, epochs", "no-learning", mixed, seed, Fault())
    slow = replace(seen, rate=1e-4, log_rate=True)
    yield train("rate to nothing, epochs", "stall", slow, seed, Fault(240, None, {"rate": 1e-6}))
    yield train("frozen, epochs", "stall", replace(slow, log_rate=False), seed, Fault(240, None, {"frozen": True}))
    x, y = base.data
    plain = replace(base, data=(x[256:], y[256:]), held_out=(x[:256], y[:256]), epoch=16, validate=16, steps=640)
    plain = replace(plain, log_norm=False)
    yield train("adam's rate up, epochs", "divergence", plain, seed, Fault(320, None, {"rate": 300.0}))
    yield train("sign of the loss, epochs", "unbounded", replace(plain, knob=-1.0, rate=1e-3), seed, Fault())
    hidden = Fault(320, 321, {}, lambda x, y: (x * np.nan, y))
    smooth = replace(plain, model=mlp(32, activation="tanh"))
    yield train("nan in the data, epochs", "non-finite", smooth, seed, hidden)


def _clipped(y: Any, p: Any, knob: Any) -> Any:
    return probabilities(y, tf.clip_by_value(p, 1e-7, 1 - 1e-7), knob)


def _rounded(y: Any, p: Any, knob: Any) -> Any:
    return tf.reduce_mean(tf.square(y - tf.round(p)))


def _other(seed: int, rng: np.random.Generator, base: Plan, picture: Plan, yes_no: Plan, at: int) -> Iterator[Run]:
    """Swings, learning by heart, terms."""
    full = replace(base, model=mlp(), optimizer="sgd", batch=1024, momentum=0.995, rate=0.02)
    yield train("heavy ball", "oscillation", full, seed, Fault())
    edge = replace(yes_no, model=mlp(), data=binary(rng, 64), batch=64, optimizer="sgd", rate=40.0)
    yield train("beyond the edge", "oscillation", edge, seed, Fault())
    x, y = regression(rng, 320, 0.5)
    few = replace(base, data=(x[:64], y[:64]), held_out=(x[64:], y[64:]), model=mlp(64, 64), rate=0.005)
    yield lowest(train("few samples", "overfitting", replace(few, validate=1, steps=400), seed, Fault()))
    by_epoch = replace(few, validate=4, epoch=4, steps=400, batch=16, rate=0.002)
    yield lowest(train("few samples, epochs", "overfitting", by_epoch, seed, Fault()))
    x, y = images(rng, 384, wrong=0.3)
    seen = replace(picture, data=(x[:128], y[:128]), held_out=(x[128:], y[128:]), batch=32, rate=0.003)
    yield lowest(train("few pictures", "overfitting", replace(seen, validate=4, epoch=4, steps=240), seed, Fault()))
    penal = replace(base, loss=decayed(mse), log_terms=True)
    yield train("penalty up", "term-imbalance", replace(penal, knob=1.0), seed, Fault(at, None, {"knob": 3000.0}))
    two = replace(base, loss=_drowned, model=mlp(32, out=2), log_terms=True, optimizer="sgd", rate=1e-6)
    yield train("drowned term", "term-imbalance", two, seed, Fault())


def _drowned(y: Any, p: Any, knob: Any) -> dict[str, Any]:
    """Ten thousand times what cannot be learned, beside what can."""
    return {
        "data": tf.reduce_mean(tf.square(y - p[:, :1])),
        "other": 1e4 * tf.reduce_mean(tf.square(y[::-1] - p[:, 1:])),
    }


def lowest(run: Run) -> Run:
    """The run with the onset where its validation loss, smoothed, is lowest."""
    values = run.columns["val_loss"]
    known = np.flatnonzero(~np.isnan(values))
    width = min(9, max(len(known) // 10, 1))
    smooth = np.convolve(values[known], np.ones(width) / width, mode="valid")
    return replace(run, onset=int(known[int(np.argmin(smooth)) + width // 2]))


if __name__ == "__main__":
    raise SystemExit(report(of_seed, _SEEDS, __doc__ or ""))
