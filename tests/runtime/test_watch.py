"""`watch`: training is the same with and without it, and the batch that breaks is kept, in every execution."""

from __future__ import annotations

import contextlib
import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.runtime import fitted

import lossdoctor as ld
from lossdoctor.findings import UsageError

pytestmark = pytest.mark.real

WEIGHTS = np.linspace(0.5, 1.0, fitted.SAMPLES, dtype="float32")
EXECUTIONS: dict[str, dict[str, Any]] = {
    "eager": {"run_eagerly": True, "epochs": 1},
    "graph": {"jit_compile": False, "sample_weight": WEIGHTS, "steps_per_execution": 3},
    "xla": {"jit_compile": True},
}


@pytest.fixture(scope="module", autouse=True)
def _tensorflow() -> None:
    from lossdoctor.worker.start import start

    start()


def weights(model: Any) -> list[Any]:
    return [np.asarray(variable) for variable in [*model.weights, *model.optimizer.variables]]


def replicas() -> Any:
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def test_loss_without_a_name_is_watched() -> None:
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    watched = ld.watch(lambda y_true, y_pred: (y_true - y_pred)[:, 0] ** 2)
    model.compile("sgd", watched)
    model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
    assert watched.name == "lambda"  # as Keras names it; "<lambda>" is no scope


@pytest.mark.parametrize("name", EXECUTIONS)
def test_training_is_the_same_bit_for_bit(name: str) -> None:
    same_bit_for_bit(name)


@pytest.mark.parametrize("name", EXECUTIONS)
def test_the_batch_that_breaks_is_kept(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from lossdoctor.runtime import slots

    monkeypatch.setattr(slots, "_PART", 128)  # bytes: a batch takes two parts of a buffer of four
    breaking_batch(name)


# On few cores that others use, TensorFlow's collectives may wait for each other for ever, with or without `watch`: then
# the training is tried again.
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("check", ["same_bit_for_bit", "breaking_batch"])
def test_on_two_replicas(check: str) -> None:
    code = (
        "from lossdoctor.worker.start import start; from tests.runtime import test_watch; "
        f"start(); test_watch.{check}('replicas')"
    )
    command = [sys.executable, "-c", code]
    for seconds in (240, 480):
        with contextlib.suppress(subprocess.TimeoutExpired):
            done = subprocess.run(command, timeout=seconds, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr[-2000:]
            return
    pytest.fail("TensorFlow's collectives blocked twice")


def same_bit_for_bit(name: str) -> None:
    settings = EXECUTIONS.get(name, {"jit_compile": False})
    strategy = replicas() if name == "replicas" else None
    kept: list[Any] = []

    def watched() -> Any:
        kept.append(ld.watch(fitted.two_terms, every=2))
        return kept[0]

    plain = fitted.fit(lambda: fitted.two_terms, bad=False, strategy=strategy, **settings)
    other = fitted.fit(watched, bad=False, strategy=strategy, **settings)
    assert all(np.array_equal(a, b) for a, b in zip(weights(plain), weights(other), strict=True))
    steps = 7 if name == "eager" else 14
    assert [slot.steps for slot in kept[0].replicas] == [steps] * (2 if strategy else 1)
    assert kept[0].notes == [] and kept[0].replicas[0].captured_step is None


def breaking_batch(name: str) -> None:
    from lossdoctor.runtime.readout import captured

    settings = EXECUTIONS.get(name, {"jit_compile": False})
    loss = ld.watch(fitted.log_of_target)
    x, y = fitted.data(bad=True)
    strategy = replicas() if name == "replicas" else None
    fitted.fit(lambda: loss, bad=True, strategy=strategy, validation_data=(x[:8], y[:8]), **settings)
    found = captured(loss)
    assert found is not None
    assert found.about.step == 4 and found.about.reason == "non-finite"
    half = fitted.BATCH // 2
    rows = slice(128, 128 + half) if name == "replicas" else slice(128, 160)
    np.testing.assert_array_equal(found.y_true, y[rows])
    assert found.y_pred.shape == found.y_true.shape and np.isfinite(found.y_pred).all()
    assert found.about.target.endswith("fitted.py:log_of_target")


def test_series_and_statistics_are_those_of_the_loss() -> None:
    from lossdoctor.runtime.readout import series, statistics

    loss = ld.watch(fitted.two_terms, every=1)
    fitted.fit(lambda: loss, bad=False, jit_compile=False, epochs=1)
    rows = series(loss, 0)
    assert [row.step for row in rows] == list(range(7))
    found = statistics(loss)
    assert found is not None and found[0] == 6
    by_name = {(one.line.kind, one.line.name): one.values for one in found[1]}
    fit, penalty = by_name["value", "fit"], by_name["value", "penalty"]
    assert fit["size"] == 8  # the last, partial batch
    assert fit["mean"] + 0.1 * penalty["mean"] == pytest.approx(rows[-1].loss, rel=1e-5)
    assert by_name["gradient", "fit"]["min"] == by_name["gradient", "fit"]["max"] == 1.0
    # The mean over the batch divides the gradient of the sum by 8.
    assert by_name["gradient", "y_pred"]["norm"] / 8 == pytest.approx(rows[-1].gradient_norm, rel=1e-5)
    assert by_name["term", "fit"]["mean"] == pytest.approx(fit["mean"])
    assert by_name["term", "penalty"]["mean"] == pytest.approx(0.1 * penalty["mean"])


def divided_by_the_target(y_true: Any, y_pred: Any) -> Any:
    import tensorflow as tf

    relative = tf.reduce_mean(tf.abs(y_true - y_pred) / y_true, axis=-1)
    size = tf.reduce_mean(tf.square(y_pred), axis=-1)
    return relative + 0.01 * size


def summed(y_true: Any, y_pred: Any) -> Any:
    import tensorflow as tf

    fit = tf.reduce_sum(tf.square(y_true - y_pred), axis=-1)
    gain = tf.reduce_sum(tf.exp(-tf.abs(y_pred)), axis=-1)
    return tf.reduce_mean(fit - 0.3 * gain)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize(
    ("function", "names"), [(divided_by_the_target, ["relative", "size"]), (summed, ["fit", "gain"])]
)
def test_the_terms_add_up_to_the_loss(function: Any, names: list[str], jit: bool) -> None:
    from lossdoctor.runtime.readout import series, statistics

    loss = ld.watch(function, every=1)
    fitted.fit(lambda: loss, bad=False, jit_compile=jit, epochs=1)
    found = statistics(loss)
    assert found is not None and loss.notes == []
    terms = {one.line.name: one.values["mean"] for one in found[1] if one.line.kind == "term"}
    assert list(terms) == names
    assert sum(terms.values()) == pytest.approx(series(loss, 0)[-1].loss, rel=1e-4)
    slopes = [one.values["norm"] for one in found[1] if one.line.kind == "term-gradient"]
    assert len(slopes) == 2 and all(slope > 0.0 for slope in slopes)


def test_a_custom_loop_with_a_nested_function_and_a_gradient_that_breaks() -> None:
    import tensorflow as tf

    from lossdoctor.runtime.readout import captured

    loss = ld.watch(fitted.root_of_product)
    value = tf.function(loss)  # a function within the step
    weight = tf.Variable([[0.5]])

    @tf.function
    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            total = value(y, tf.matmul(x, weight))
        return tape.gradient(total, weight)

    x = np.ones((4, 1), "float32")
    for number in range(5):
        x[2] = 0.0 if number == 3 else 1.0
        step(tf.constant(x), tf.ones([4, 1]))
    found = captured(loss)
    assert found is not None and found.about.step == 3
    assert np.isfinite(found.about.loss) and not np.isfinite(found.about.gradient_norm)
    assert found.y_pred[2] == 0.0


def test_a_function_is_converted_by_autograph_where_a_call_of_it_would_be() -> None:
    import tensorflow as tf

    def branching(y_true: Any, y_pred: Any) -> Any:
        if tf.reduce_mean(y_true) > 0.0:  # fails in a graph without AutoGraph
            return tf.reduce_mean(tf.square(y_true - y_pred), -1)
        return tf.reduce_mean(tf.abs(y_true - y_pred), -1)

    loss = ld.watch(branching)

    @tf.function
    def step(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(tf.ones_like(x), x)
        return tape.gradient(value, x)

    assert step(tf.zeros([2, 1])).numpy().tolist() == [[-1.0], [-1.0]]
    assert loss.replicas[0].steps == 1


def test_several_outputs_masks_and_mixed_precision() -> None:
    import keras

    x, y = fitted.data(bad=False)
    results: list[Any] = []
    for wrap in (lambda loss: loss, ld.watch):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((fitted.FEATURES,))
        steps = keras.layers.Masking()(keras.layers.Reshape((fitted.FEATURES, 1))(inputs))
        hidden = keras.layers.LSTM(4, return_sequences=True)(steps)
        heads = {
            "a": keras.layers.Dense(fitted.OUTPUTS, dtype="mixed_float16")(inputs),
            "b": keras.layers.Dense(1)(hidden),
        }
        model = keras.Model(inputs, heads)
        model.compile("sgd", loss=wrap({"a": fitted.two_terms, "b": keras.losses.Huber()}))
        model.fit(x, {"a": y, "b": x[..., None]}, batch_size=50, verbose=0, shuffle=False)
        results.append([weights(model), model.loss])
    assert all(np.array_equal(a, b) for a, b in zip(results[0][0], results[1][0], strict=True))
    watched = results[1][1]
    assert (
        watched["b"].replicas[0].steps == 4 and watched["a"].name == "two_terms" and watched["b"].name == "huber_loss"
    )


def test_a_model_is_saved_and_loaded_with_its_watched_loss(tmp_path: Path) -> None:
    import keras

    loss = ld.watch(keras.losses.Huber(delta=2.0, reduction="sum"), every=7)
    twin = type(loss).from_config(loss.get_config())
    assert twin.every == 7 and twin.reduction == "sum" and isinstance(twin.loss, keras.losses.Huber)
    model = fitted.fit(lambda: loss, bad=False, epochs=1)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.loss.name == loss.name


def test_jit_with_replicas_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot compile a step"):
        fitted.fit(lambda: ld.watch(fitted.two_terms), bad=False, strategy=replicas(), jit_compile=True)


@pytest.mark.parametrize("loss", [3, "no_such_loss", dict])
def test_no_loss_is_a_usage_error(loss: Any) -> None:
    with pytest.raises(UsageError, match="Expected"):
        ld.watch(loss)


def test_a_decorated_loss_can_be_imported_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lossdoctor.runtime.readout import target_of

    (tmp_path / "decorated.py").write_text(
        "import lossdoctor as ld\n\n@ld.watch\ndef absolute(y_true, y_pred):\n    return abs(y_true - y_pred)\n\n"
        "hidden = ld.watch(lambda y_true, y_pred: y_true - y_pred)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("decorated")
    assert target_of(module.absolute.loss)[0] == f"{tmp_path / 'decorated.py'}:absolute"
    assert target_of(module.hidden.loss)[0] == ""


def of_calls(y_true: Any, y_pred: Any) -> Any:
    import keras
    import tensorflow as tf

    first, second = tf.split(tf.concat([y_pred, y_pred], -1), 2, axis=-1)
    clipped = tf.clip_by_value(second, -5.0, 5.0)
    share = keras.ops.softmax(first - y_true)
    return tf.norm(clipped, axis=-1) + tf.reduce_sum(share, -1)


def test_a_call_is_recorded_by_its_result_and_not_by_what_the_library_makes_on_the_way() -> None:
    from lossdoctor.runtime.readout import statistics

    loss = ld.watch(of_calls, every=1)
    fitted.fit(lambda: loss, bad=False, jit_compile=False, epochs=1)
    found = statistics(loss)
    assert found is not None
    assert [one.line.name for one in found[1] if one.line.kind == "value"] == [
        "y_true",
        "y_pred",
        "tf.concat([y_pred, y_pred], -1)",
        "tf.split(tf.concat([y_pred, y_pred], -1), 2, ax…",
        "tf.split(tf.concat([y_pred, y_pred], -1), 2, ax… (2)",
        "clipped",
        "first - y_true",
        "share",
        "tf.norm(clipped, axis=-1)",
        "tf.reduce_sum(share, -1)",
        "tf.norm(clipped, axis=-1) + tf.reduce_sum(share…",
    ]
    norm = next(one.values for one in found[1] if one.line.name == "tf.norm(clipped, axis=-1)")
    clipped = next(one.values for one in found[1] if one.line.name == "clipped")
    assert norm["norm"] == pytest.approx(clipped["norm"], rel=1e-5)  # the root, not the squares


FACTORIES = """\
calls = []


def scaled(factor, power=2):
    def loss(y_true, y_pred):
        return factor * (y_true - y_pred) ** power
    return loss


def fixed():
    def loss(y_true, y_pred):
        return y_true - y_pred
    return loss


def derived(factor):
    half = factor / 2
    def loss(y_true, y_pred):
        return half * (y_true - y_pred)
    return loss


def doubled(factor):
    factor = 2 * factor
    def loss(y_true, y_pred):
        return factor * y_pred
    return loss


def holding(things):
    def loss(y_true, y_pred):
        return y_pred * len(things)
    return loss


def failing(factor):
    calls.append(factor)
    if len(calls) > 1:
        raise ValueError
    def loss(y_true, y_pred):
        return factor * y_pred
    return loss
"""


@pytest.mark.parametrize(
    ("made", "target"),
    [
        ("scaled(2.0)", "scaled(factor=2.0, power=2)"),
        ("scaled(np.float64(2.0), power=3)", "scaled(factor=2.0, power=3)"),
        ("fixed()", "fixed()"),
        ("derived(2.0)", ""),  # its argument is nowhere kept
        ("doubled(1.0)", ""),  # called again with what is kept, it makes another function
        ("holding([object()])", ""),
        ("failing(1.0)", ""),
    ],
)
def test_a_function_that_a_factory_made_has_its_call_for_a_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: str, target: str
) -> None:
    import numpy as np

    from lossdoctor.runtime.readout import target_of

    (tmp_path / "factories.py").write_text(FACTORIES)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "factories", raising=False)
    module = importlib.import_module("factories")
    loss = eval(made, {**vars(module), "np": np})
    found = target_of(loss)[0]
    assert found == (f"{tmp_path / 'factories.py'}:{target}" if target else "")


def test_a_large_batch_is_cut_at_whole_rows() -> None:
    from lossdoctor.runtime.readout import captured

    loss = ld.watch(fitted.log_of_target, rows=16)
    fitted.fit(lambda: loss, bad=True, epochs=1)
    found = captured(loss)
    assert found is not None and found.truncated and found.about.rows == 32
    assert found.y_true.shape == (16, fitted.OUTPUTS)


def test_importing_lossdoctor_stays_light() -> None:
    code = "import sys, lossdoctor as ld; ld.__dir__(); sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
