"""What watching costs: steps of an MLP and of a conv net, plain and watched, in alternating rounds of one process.

    python benchmarks/watch_overhead.py [--rounds N] [--steps N] [--only mlp|conv] [--others]

Every round runs each variant for the same number of steps; ratios are medians over the rounds, of processor time and of
wall time. The row "plain again" says how much of a ratio is noise. With `--others`: what TensorFlow's own means cost.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import lossdoctor as ld

Step = Callable[[int], None]


def loss(y_true: Any, y_pred: Any) -> Any:
    """Cross-entropy with a focal factor and a penalty: a loss of ordinary size."""
    import tensorflow as tf

    probability = tf.nn.softmax(y_pred)
    entropy = -tf.reduce_sum(y_true * tf.math.log(probability + 1e-7), -1)
    focal = tf.reduce_sum(y_true * (1.0 - probability) ** 2, -1)
    penalty = tf.reduce_mean(tf.square(y_pred), -1)
    return focal * entropy + 1e-3 * penalty


def mlp() -> tuple[Any, tuple[int, ...], int]:
    import keras

    layers = [keras.layers.Dense(256, activation="relu") for _ in range(2)]
    return keras.Sequential([keras.Input((64,)), *layers, keras.layers.Dense(10)]), (64,), 32


def conv() -> tuple[Any, tuple[int, ...], int]:
    import keras

    layers = [keras.layers.Conv2D(16, 3, activation="relu"), keras.layers.Conv2D(32, 3, strides=2, activation="relu")]
    model = keras.Sequential([keras.Input((28, 28, 1)), *layers, keras.layers.Flatten(), keras.layers.Dense(10)])
    return model, (28, 28, 1), 32


def stepper(build: Callable[[], Any], wrap: Callable[[Any], Any], *, jit: bool, **compiled: Any) -> Step:
    """Runs steps of `fit`, without its callbacks."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    model, shape, batch = build()
    model.compile("adam", loss=wrap(loss), jit_compile=jit, **compiled)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, *shape)).astype("float32")
    y = np.eye(10, dtype="float32")[rng.integers(0, 10, batch)]
    model.train_on_batch(x, y)
    data = iter(tf.data.Dataset.from_tensors((tf.constant(x), tf.constant(y))).repeat())
    function: Any = model.make_train_function()

    def run(count: int) -> None:
        for _ in range(count):
            function(data)

    run(3)
    return run


def variants(build: Callable[[], Any], *, jit: bool) -> dict[str, Step]:
    def watched(every: int) -> Callable[[Any], Any]:
        return lambda each: ld.watch(each, every=every)

    wraps: dict[str, Callable[[Any], Any]] = {
        "plain": lambda each: each,
        "plain again": lambda each: each,
        "recorder": watched(0),
        "every=50": watched(50),
        "every=1": watched(1),
    }
    return {name: stepper(build, wrap, jit=jit) for name, wrap in wraps.items()}


def measure(steps: dict[str, Step], rounds: int, count: int) -> dict[str, tuple[float, float, float, float]]:
    """For each variant: microseconds of processor and of wall time a step, and the two ratios to "plain"."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    names = list(steps)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            wall, used = time.perf_counter(), time.process_time()
            steps[name](count)
            times[name].append(((time.process_time() - used) / count, (time.perf_counter() - wall) / count))
    plain = times["plain"]
    found: dict[str, tuple[float, float, float, float]] = {}
    for name, rows in times.items():
        ratios = [statistics.median(a[i] / b[i] for a, b in zip(rows, plain, strict=True)) for i in (0, 1)]
        used, wall = (1e6 * statistics.median(row[i] for row in rows) for i in (0, 1))
        found[name] = (used, wall, ratios[0], ratios[1])
    return found


def others(rounds: int, count: int) -> dict[str, tuple[float, float]]:
    """Ratios of processor time and wall time of TensorFlow's own means, on the MLP in a graph; each is run against a
    plain twin, as some of them change the process for good."""
    import tensorflow as tf

    def against(make: Callable[[], Step], plain: Step) -> tuple[float, float]:
        found = measure({"plain": plain, "other": make()}, rounds, count)["other"]
        return found[2], found[3]

    plain = stepper(mlp, lambda each: each, jit=False)
    table = {"run_eagerly": against(lambda: stepper(mlp, lambda each: each, jit=False, run_eagerly=True), plain)}
    table["TensorBoard callback"] = _callback(rounds, count)
    with tempfile.TemporaryDirectory() as folder:
        tf.debugging.experimental.enable_dump_debug_info(folder, "CURT_HEALTH", circular_buffer_size=-1)
        table["Debugger V2"] = against(lambda: stepper(mlp, lambda each: each, jit=False), plain)
        tf.debugging.experimental.disable_dump_debug_info()
    tf.debugging.enable_check_numerics()
    table["check_numerics"] = against(lambda: stepper(mlp, lambda each: each, jit=False), plain)
    tf.debugging.disable_check_numerics()
    return table


def _callback(rounds: int, count: int) -> tuple[float, float]:
    """`fit` with the TensorBoard callback against `fit` without one."""
    import keras

    model, shape, batch = mlp()
    model.compile("adam", loss=loss, jit_compile=False)
    x = np.zeros((batch * count, *shape), "float32")
    y = np.eye(10, dtype="float32")[np.zeros(batch * count, int)]

    def fit(callbacks: list[Any]) -> Step:
        settings: dict[str, Any] = {"batch_size": batch, "verbose": 0, "callbacks": callbacks}
        return lambda _: model.fit(x, y, **settings) and None

    with tempfile.TemporaryDirectory() as folder:
        board = keras.callbacks.TensorBoard(folder, histogram_freq=1, update_freq="batch", write_graph=False)
        fit([])(count)
        found = measure({"plain": fit([]), "other": fit([board])}, rounds, count)["other"]
    return found[2], found[3]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=80)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--only", choices=("mlp", "conv"))
    parser.add_argument("--others", action="store_true", help="TensorFlow's own means as well")
    options = parser.parse_args()
    print(f"{'':<24}{'cpu us':>10}{'wall us':>10}{'cpu ratio':>11}{'wall ratio':>11}")
    for name, build in (("mlp", mlp), ("conv", conv)):
        if options.only not in (None, name):
            continue
        for jit in (False, True):
            steps = variants(build, jit=jit)
            count = options.steps if name == "mlp" else max(1, options.steps // 5)
            for variant, numbers in measure(steps, options.rounds, count).items():
                label = f"{name} {'jit' if jit else 'graph'} {variant}"
                used, wall, ratio, wall_ratio = numbers
                print(f"{label:<24}{used:>10.0f}{wall:>10.0f}{ratio:>11.3f}{wall_ratio:>11.3f}", flush=True)
    if options.others:
        for name, ratios in others(max(5, options.rounds // 5), options.steps).items():
            print(f"{'mlp graph ' + name:<44}{ratios[0]:>11.3f}{ratios[1]:>11.3f}", flush=True)


if __name__ == "__main__":
    main()
