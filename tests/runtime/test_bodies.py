"""Statistics of the lines in bodies of loops and branches: those of the same loss without."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.runtime import fitted, looping
from tests.runtime.test_watch import weights

import lossdoctor as ld

pytestmark = pytest.mark.real

RNG = np.random.default_rng(3)
TRUE = RNG.uniform(0.5, 1.0, (6, 3)).astype("float32")
PREDICTED = RNG.normal(size=(6, 3)).astype("float32")


@pytest.fixture(scope="module", autouse=True)
def _tensorflow() -> None:
    from lossdoctor.worker.start import start

    start()


def measured(loss: Any, *, jit: bool = False, autograph: bool = False, steps: int = 2) -> list[Any]:
    """The statistics of the last of some steps."""
    import tensorflow as tf

    from lossdoctor.runtime.readout import statistics

    watched = ld.watch(loss, every=1)

    @tf.function(jit_compile=jit, autograph=autograph)
    def step(y_true: Any, y_pred: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            value = watched(y_true, y_pred)
        return tape.gradient(value, y_pred)

    for _ in range(steps):
        step(tf.constant(TRUE), tf.constant(PREDICTED))
    assert watched.notes == []
    found = statistics(watched)
    assert found is not None and found[0] == steps - 1
    return found[1]


def named(found: list[Any], name: str, kind: str) -> list[Any]:
    """The numbers of a name, in all passes over its line."""
    return [
        one.values
        for one in found
        if one.line.kind == kind and one.line.name.split(" (")[0] == name and one.values["size"]
    ]


def together(rows: list[Any]) -> dict[str, float]:
    size = sum(row["size"] for row in rows)
    return {
        "min": min(row["min"] for row in rows),
        "max": max(row["max"] for row in rows),
        "mean": sum(row["mean"] * row["size"] for row in rows) / size,
        "norm": float(np.sqrt(sum(row["norm"] ** 2 for row in rows))),
        "nan": sum(row["nan"] for row in rows),
        "inf": sum(row["inf"] for row in rows),
        "zeros": sum(row["zeros"] for row in rows),
        "size": size,
    }


def alike(loop: list[Any], plain: list[Any], name: str, kind: str) -> None:
    (one,), several = named(loop, name, kind), named(plain, name, kind)
    assert several, (name, kind)
    assert one == pytest.approx(together(several), rel=1e-4, abs=1e-6), (name, kind)


@pytest.mark.parametrize("jit", [False, True])
def test_a_loop_has_the_numbers_of_the_same_loss_unrolled(jit: bool) -> None:
    loop, plain = measured(looping.looped, jit=jit), measured(looping.unrolled)
    for name in ("difference", "square"):
        for kind in ("value", "gradient"):
            alike(loop, plain, name, kind)
    assert all(one.line.inside for one in loop if one.line.name in ("difference", "square"))


@pytest.mark.parametrize("jit", [False, True])
def test_a_branch_in_a_loop_around_a_loop(jit: bool) -> None:
    loop, plain = measured(looping.nested, jit=jit), measured(looping.flat)
    for name in ("doubled", "halved"):
        for kind in ("value", "gradient"):
            alike(loop, plain, name, kind)


def test_what_autograph_converts_and_what_maps() -> None:
    found = measured(looping.converted, autograph=True)
    source, first = inspect.getsourcelines(looping.converted)
    rows = [
        (first + number, turns)
        for number, line in enumerate(source)
        for text, turns in (("tf.square", 2), ("tf.abs", 1))
        if text in line
    ]
    for line, turns in rows:
        for kind in ("value", "gradient"):
            (values,) = [
                one.values for one in found if one.line.kind == kind and one.line.span and one.line.span.line == line
            ][-1:]
            assert values["size"] == turns * PREDICTED.size
    mapped = measured(looping.scanned)
    (gap,), (slope,) = named(mapped, "gap", "value"), named(mapped, "gap", "gradient")
    difference = TRUE - PREDICTED
    assert gap["norm"] == pytest.approx(np.linalg.norm(difference), rel=1e-5)
    assert slope["norm"] == pytest.approx(2 / 3 * np.linalg.norm(difference), rel=1e-5)


@pytest.mark.parametrize(
    "settings", [{"jit_compile": False}, {"jit_compile": True}, {"run_eagerly": True, "epochs": 1}]
)
def test_training_with_a_loop_is_the_same_bit_for_bit(settings: dict[str, Any]) -> None:
    watched = ld.watch(looping.looped, every=2)
    plain = fitted.fit(lambda: looping.looped, bad=False, **settings)
    other = fitted.fit(lambda: watched, bad=False, **settings)
    assert all(np.array_equal(a, b) for a, b in zip(weights(plain), weights(other), strict=True))
    assert watched.notes == []


@pytest.mark.parametrize("loss", [looping.root_in_body, looping.log_in_branch])
def test_what_is_not_finite_in_a_body_is_named_with_its_line(loss: Callable[..., Any], tmp_path: Path) -> None:
    from lossdoctor.runtime.readout import captured, statistics

    watched = ld.watch(loss, every=1)
    monitor = ld.Monitor(tmp_path, actions="log", preset="full")
    x, y = fitted.data(bad=loss is looping.log_in_branch)
    import keras

    y[3] = 0.0 if loss is looping.root_in_body else y[3]  # the prediction of a model whose weights are zero
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, kernel_initializer="zeros")])
    model.compile(keras.optimizers.SGD(0.0), watched, jit_compile=False)
    model.fit(x, y, batch_size=200, shuffle=False, verbose=0, callbacks=[monitor])
    source, first = inspect.getsourcelines(loss)
    name = "root" if loss is looping.root_in_body else "logarithm"
    line = first + next(number for number, text in enumerate(source) if f"{name} =" in text)
    found = statistics(watched)
    assert found is not None
    bad = [one.line for one in found[1] if one.values["nan"] + one.values["inf"]]
    assert bad and min(one.span.line for one in bad if one.span and one.inside) <= line
    assert captured(watched) is not None and len(monitor.saved) == 1
    replayed = ld.replay(monitor.saved[0], loss, mends=False)
    assert [finding.location.line for finding in replayed.findings] == [line]
