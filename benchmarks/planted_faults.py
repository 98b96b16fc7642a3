"""Planted faults: trainings that stop being finite at a known step, sample and line; how many are found there.

    python benchmarks/planted_faults.py [--shard I/N]

Each mechanism is trained in several executions; the fault is planted by one sample of the data, at the first step,
late, on one of two replicas, or in the last, partial batch. Right is: the step, the sample within the batch of its
replica, the line of the loss, a single finding, and a replay of two seconds of processor time at most, once everything
is imported.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import lossdoctor as ld
from lossdoctor.runtime.capture import save
from lossdoctor.runtime.readout import captured

SECONDS = 2.0
LIMITS = (120.0, 240.0)  # seconds for a training on replicas, first and second try
BATCH, SAMPLES = 16, 104  # 6 batches and a half
# The prediction is the input, shifted by a weight that starts at 0 and hardly moves, so what is planted is known.
HEADER = "import tensorflow as tf\n\n\ndef loss(y_true, y_pred):\n"


@dataclass(frozen=True)
class Mechanism:
    """A loss, of which `line` of the body breaks at the planted target and prediction."""

    name: str
    body: tuple[str, ...]
    line: int
    target: float
    prediction: float


MECHANISMS = (
    Mechanism(
        "log of zero",
        (
            "a = tf.abs(y_true)",
            "b = tf.math.log(a)",
            "return tf.reduce_mean(tf.square(b - y_pred), -1)",
        ),
        2,
        0.0,
        1.0,
    ),
    Mechanism(
        "division",
        (
            "a = y_pred / y_true",
            "return tf.reduce_mean(tf.square(a), -1)",
        ),
        1,
        0.0,
        1.0,
    ),
    Mechanism(
        "exp overflow",
        (
            "d = y_true - y_pred",
            "e = tf.exp(tf.square(d))",
            "return tf.reduce_mean(e, -1)",
        ),
        2,
        30.0,
        1.0,
    ),
    Mechanism(
        "root of negative",
        (
            "s = tf.reduce_sum(y_true * y_pred, -1)",
            "return tf.sqrt(s)",
        ),
        2,
        -3.0,
        1.0,
    ),
    Mechanism(
        "softmax by hand",
        (
            "e = tf.exp(y_pred * 20.0)",
            "p = e / tf.reduce_sum(e, -1, keepdims=True)",
            "return tf.reduce_mean(tf.square(y_true - p), -1)",
        ),
        1,
        1.0,
        9.0,
    ),
    Mechanism(
        "zero over zero",
        (
            "a = tf.reduce_sum(tf.abs(y_true), -1)",
            "b = tf.reduce_sum(tf.abs(y_true), -1)",
            "r = a / b",
            "return r + tf.reduce_mean(tf.square(y_pred), -1)",
        ),
        3,
        0.0,
        1.0,
    ),
    Mechanism(
        "arccosh",
        (
            "a = tf.math.acosh(y_true)",
            "return tf.reduce_mean(tf.square(a - y_pred), -1)",
        ),
        1,
        0.25,
        1.0,
    ),
    Mechanism(
        "root at zero",
        (
            "d = y_true - y_pred",
            "r = tf.sqrt(tf.abs(d))",
            "return tf.reduce_mean(r, -1)",
        ),
        2,
        1.0,
        1.0,
    ),
    Mechanism(
        "norm at zero",
        (
            "d = y_true - y_pred",
            "n = tf.norm(d, axis=-1)",
            "return n",
        ),
        2,
        1.0,
        1.0,
    ),
    Mechanism(
        "where that masks the value only",
        (
            "q = tf.where(y_pred > 0.0, tf.math.log(y_pred), 0.0)",
            "return tf.reduce_mean(tf.square(y_true - q), -1)",
        ),
        1,
        1.0,
        0.0,
    ),
    Mechanism(
        "log in a loop",
        (
            "def body(turn, total):",
            "    a = tf.math.log(tf.abs(y_true))",
            "    return turn + 1, total + tf.reduce_mean(tf.square(a - y_pred), -1)",
            "start = (0, tf.zeros_like(y_pred[:, 0]))",
            "return tf.while_loop(lambda turn, total: turn < 3, body, start, maximum_iterations=3)[1]",
        ),
        2,
        0.0,
        1.0,
    ),
    Mechanism(
        "root in a loop",
        (
            "def body(turn, total):",
            "    d = tf.abs(y_true - y_pred)",
            "    r = tf.sqrt(d)",
            "    return turn + 1, total + tf.reduce_mean(r, -1)",
            "start = (0, tf.zeros_like(y_pred[:, 0]))",
            "return tf.while_loop(lambda turn, total: turn < 3, body, start, maximum_iterations=3)[1]",
        ),
        3,
        1.0,
        1.0,
    ),
    Mechanism(
        "root in a branch",
        (
            "def yes():",
            "    d = tf.abs(y_true - y_pred)",
            "    return tf.reduce_mean(d**0.25, -1)",
            "return tf.cond(tf.size(y_true) > 0, yes, lambda: tf.reduce_mean(y_pred, -1))",
        ),
        3,
        1.0,
        1.0,
    ),
    Mechanism(
        "power below one",
        (
            "d = tf.abs(y_true - y_pred)",
            "e = d**0.5",
            "return tf.reduce_mean(e, -1)",
        ),
        2,
        1.0,
        1.0,
    ),
)
# Where the fault lies: the planted row of the data and the step in which it is met.
PLACES = {"first step": 5, "late": 5 * BATCH + 9, "partial batch": SAMPLES - 3}


@dataclass(frozen=True)
class Case:
    mechanism: Mechanism
    execution: str
    place: str


def cases() -> Iterator[Case]:
    """Every mechanism in a graph and in two more executions, places in turn."""
    places = list(PLACES)
    for number, mechanism in enumerate(MECHANISMS):
        chosen = ("graph", ("xla", "eager")[number % 2], "replicas", "loop")
        for turn, execution in enumerate(chosen):
            yield Case(mechanism, execution, places[(number + turn) % len(places)])


def data(case: Case) -> tuple[Any, Any]:
    """Inputs (which the model returns) and targets, away from every fault but in the planted row."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0.5, 1.0, (SAMPLES, 2)).astype("float32")
    y = rng.uniform(1.2, 1.5, (SAMPLES, 2)).astype("float32")
    row = PLACES[case.place]
    x[row], y[row] = case.mechanism.prediction, case.mechanism.target
    return x, y


def expected(case: Case) -> tuple[int, int, int]:
    """Step, replica and sample: replicas get halves of a batch."""
    row = PLACES[case.place]
    step, sample = divmod(row, BATCH)
    if case.execution != "replicas":
        return step, 0, sample
    size = min(BATCH, SAMPLES - step * BATCH)
    half = (size + 1) // 2
    return step, sample // half, sample % half


def shift() -> Any:
    """A layer that adds a weight of zero, so that there is something to train."""
    import keras

    class Shift(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.amount: Any = self.add_weight(shape=(2,), initializer="zeros", name="amount")

        def call(self, inputs: Any) -> Any:
            return inputs + self.amount

    return Shift()


def train(case: Case, loss: Any, strategy: Any) -> None:
    """One epoch over data in their order, at a learning rate of zero: the predictions stay what was planted."""
    import keras
    import tensorflow as tf

    x, y = data(case)
    with strategy.scope() if case.execution == "replicas" else nullcontext():
        model = keras.Sequential([keras.Input((2,)), shift()])
        optimizer = keras.optimizers.SGD(0.0)
        settings: dict[str, Any] = {"jit_compile": case.execution == "xla", "run_eagerly": case.execution == "eager"}
        model.compile(optimizer, loss=loss, **settings)
    if case.execution != "loop":
        fitting: dict[str, Any] = {"batch_size": BATCH, "shuffle": False, "verbose": 0}
        model.fit(x, y, **fitting)
        return

    @tf.function(reduce_retracing=True)
    def step(features: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            value = loss(targets, model(features))
        return tape.gradient(value, model.trainable_variables)

    for start in range(0, SAMPLES, BATCH):
        step(tf.constant(x[start : start + BATCH]), tf.constant(y[start : start + BATCH]))


def judge(case: Case, loss: Any, folder: Path) -> tuple[str, float]:
    """What is wrong with what was found ("" for nothing), and the seconds of processor time of the replay."""
    found = captured(loss)
    if found is None:
        return "not captured", 0.0
    step, replica, sample = expected(case)
    if (found.about.step, found.about.replica) != (step, replica):
        return f"step {found.about.step}, replica {found.about.replica}; expected {step}, {replica}", 0.0
    file = save(found, folder / "capture.npz")
    started = time.process_time()
    replayed = ld.replay(file, loss.loss, mends=False)
    used = time.process_time() - started
    if replayed.samples != (sample,):
        return f"samples {replayed.samples}; expected {sample}", used
    lines = [finding.location.line for finding in replayed.findings]
    line = HEADER.count("\n") + case.mechanism.line
    if lines != [line]:
        return f"lines {lines}; expected {line}", used
    return ("" if used <= SECONDS else f"{used:.1f} s"), used


def run(case: Case, strategy: Any, folder: Path) -> tuple[str, float]:
    source = folder / "planted.py"
    source.write_text(HEADER + "".join(f"    {line}\n" for line in case.mechanism.body))
    names: dict[str, Callable[..., Any]] = {}
    exec(compile(source.read_text(), str(source), "exec"), names)
    loss = ld.watch(names["loss"], every=0)
    train(case, loss, strategy)
    return judge(case, loss, folder)


def alone(number: int) -> tuple[str, float]:
    """What is wrong with a case, and the seconds, in a process of its own: trainings on replicas may block for ever in
    TensorFlow, which no timeout in their process ends."""
    for limit in LIMITS:
        command = [sys.executable, __file__, "--case", str(number)]
        try:
            ran = subprocess.run(command, capture_output=True, text=True, timeout=limit)
        except subprocess.TimeoutExpired:
            continue
        if ran.returncode:
            return ran.stderr.strip().splitlines()[-1], 0.0
        wrong, used = json.loads(ran.stdout.splitlines()[-1])
        return wrong, used
    return f"blocked, {' and '.join(map(str, LIMITS))} s", 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--shard", default="0/1", help="which part, e.g. 0/3")
    parser.add_argument("--case", type=int, help="only this one, its result as JSON")
    options = parser.parse_args()
    part, parts = map(int, options.shard.split("/"))

    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    everything = list(cases())
    with tempfile.TemporaryDirectory() as folder:
        run(Case(MECHANISMS[0], "graph", "late"), strategy, Path(folder))  # imports what a replay needs

    def here(case: Case) -> tuple[str, float]:
        with tempfile.TemporaryDirectory() as folder:
            return run(case, strategy, Path(folder))

    if options.case is not None:
        print(json.dumps(here(everything[options.case])))
        return 0
    chosen = list(enumerate(everything))[part::parts]
    right, slowest = 0, 0.0
    for number, case in chosen:
        label = f"{case.mechanism.name:<34}{case.execution:<10}{case.place:<15}"
        wrong, used = alone(number) if case.execution == "replicas" else here(case)
        right, slowest = right + (not wrong), max(slowest, used)
        print(f"{label}{used:5.2f} s  {wrong or 'right'}", flush=True)
    print(f"right {right}/{len(chosen)}, slowest replay {slowest:.2f} s of processor time")
    return 0 if right >= 0.95 * len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
