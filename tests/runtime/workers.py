"""A training on several workers, each a process of its own: `python -m tests.runtime.workers FOLDER KIND WORKER`.

`KIND` is plain, watched or bad (watched, with a fault in the second worker's part of the data). Each worker writes what
it found to `FOLDER/KIND-WORKER.json`.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from tests.runtime import fitted

WORKERS = 2
STEPS = 6
BAD_STEP, BAD_SAMPLE = 4, 5  # of the second worker


def trained(folder: Path, kind: str, seconds: float) -> list[dict[str, Any]]:
    """What each worker found.

    Raises:
        TimeoutExpired: the workers did not end.
        CalledProcessError: one of them failed.
    """
    with_ports = [f"127.0.0.1:{port}" for port in _free_ports()]
    started: list[subprocess.Popen[bytes]] = []
    try:
        for worker in range(WORKERS):
            config = {"cluster": {"worker": with_ports}, "task": {"type": "worker", "index": worker}}
            command = [sys.executable, "-m", "tests.runtime.workers", str(folder), kind, str(worker)]
            environment = {**os.environ, "TF_CONFIG": json.dumps(config), "CUDA_VISIBLE_DEVICES": ""}
            started.append(subprocess.Popen(command, env=environment))
        for process in started:
            if process.wait(seconds):
                raise subprocess.CalledProcessError(process.returncode, process.args)
    finally:
        for process in started:
            process.kill()
            process.wait()
    return [json.loads((folder / f"{kind}-{worker}.json").read_text()) for worker in range(WORKERS)]


def _free_ports() -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(WORKERS)]
    try:
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def train(folder: Path, kind: str, worker: int) -> dict[str, Any]:
    """Runs in each worker: a loop of one's own, as `fit` of Keras does not work on several workers."""
    import tensorflow as tf

    strategy = tf.distribute.MultiWorkerMirroredStrategy()  # before anything else runs

    import keras

    import lossdoctor as ld

    x, y = fitted.data(bad=False)
    share = fitted.SAMPLES // WORKERS
    x, y = (each[worker * share : (worker + 1) * share] for each in (x, y))
    size = share // STEPS
    if kind == "bad" and worker == 1:
        y[BAD_STEP * size + BAD_SAMPLE, 1] = 0.0
    keras.utils.set_random_seed(1)
    given = fitted.log_of_target if kind == "bad" else fitted.two_terms
    methods = {"call": lambda _, y_true, y_pred: given(y_true, y_pred)}
    whole = type("Whole", (keras.losses.Loss,), methods)(reduction="sum")
    watched: Any = None if kind == "plain" else ld.watch(whole, every=2)
    loss = whole if watched is None else watched
    with strategy.scope():
        model = keras.Sequential([keras.Input((fitted.FEATURES,)), keras.layers.Dense(fitted.OUTPUTS)])
        optimizer = keras.optimizers.SGD(0.01)
        optimizer.build(model.trainable_variables)

    @tf.function
    def step(features: Any, targets: Any) -> None:
        def replica(features: Any, targets: Any) -> None:
            with tf.GradientTape() as tape:
                value: Any = loss(targets, model(features)) / (size * WORKERS)
            optimizer.apply_gradients(
                zip(tape.gradient(value, model.trainable_variables), model.trainable_variables, strict=True)
            )

        strategy.run(replica, args=(features, targets))

    monitor = None if watched is None else ld.Monitor(folder / kind, check_every=1, actions="log")
    if monitor is not None:
        monitor.begin(watched)
    for number in range(STEPS):
        rows = slice(number * size, (number + 1) * size)
        step(tf.constant(x[rows]), tf.constant(y[rows]))
        if monitor is not None:
            monitor.step(x=x[rows])
    if monitor is not None:
        monitor.end()
    return {
        "weights": hashlib.sha256(b"".join(np.asarray(each).tobytes() for each in model.weights)).hexdigest(),
        "steps": [slot.steps for slot in watched.replicas] if watched is not None else [],
        "notes": watched.notes if watched is not None else [],
        "saved": [str(path) for path in monitor.saved] if monitor is not None else [],
        "alerts": [[alert.kind, alert.step] for alert in monitor.alerts] if monitor is not None else [],
    }


if __name__ == "__main__":
    place, wanted, number = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    (place / f"{wanted}-{number}.json").write_text(json.dumps(train(place, wanted, number)))
