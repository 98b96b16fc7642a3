"""`Monitor`: event files that TensorBoard reads back, alerts and their actions, captures, loops of one's own."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.runtime import fitted

import lossdoctor as ld
from lossdoctor.findings import UsageError
from lossdoctor.runtime.capture import load

pytestmark = pytest.mark.real


@pytest.fixture(scope="module", autouse=True)
def _tensorflow() -> None:
    from lossdoctor.worker.start import start

    start()


def events(folder: Path) -> Any:
    """What TensorBoard's own reader finds."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    found.Reload()
    return found


def steps(found: Any, tag: str) -> list[int]:
    return [event.step for event in found.Tensors(tag)]


def test_everything_is_in_the_event_file_at_its_step(tmp_path: Path) -> None:
    from tensorboard.plugins.hparams import plugin_data_pb2
    from tensorboard.util.tensor_util import make_ndarray

    loss = ld.watch(fitted.two_terms, every=3)
    monitor = ld.Monitor(tmp_path, preset="full", check_every=2)
    x, y = fitted.data(bad=False)
    fitted.fit(lambda: loss, bad=False, jit_compile=False, callbacks=[monitor], validation_data=(x, y))
    found = events(tmp_path)
    tags = found.Tags()["tensors"]
    assert steps(found, "loss") == steps(found, "grad_norm") == steps(found, "learning_rate") == list(range(14))
    assert steps(found, "epoch/val_loss") == [6, 13]
    # Looked at after every second step, so one period of three may be missed, but no step is wrong.
    for tag in ("values/19 fit/mean", "gradients/19 fit/max", "values/20 penalty/not finite", "values/y_pred/min"):
        assert tag in tags
        assert set(steps(found, tag)) <= set(range(0, 14, 3)) and len(steps(found, tag)) >= 3
    terms = sorted(tag for tag in tags if tag.startswith("term/"))
    assert len(terms) == 2
    by_step = {event.step: float(make_ndarray(event.tensor_proto)) for event in found.Tensors("loss")}
    sums: dict[int, float] = {}
    for tag in terms:
        for event in found.Tensors(tag):
            sums[event.step] = sums.get(event.step, 0.0) + float(make_ndarray(event.tensor_proto))
    assert len(sums) >= 3
    assert all(number == pytest.approx(by_step[step], rel=1e-5) for step, number in sums.items())
    histogram: Any = make_ndarray(found.Tensors("values/19 fit")[0].tensor_proto)
    assert histogram.shape[1] == 3 and histogram[:, 2].sum() == pytest.approx(32)
    page = found.Tensors("source")[-1].tensor_proto.string_val[0].decode()
    assert "| 19 | `" in page and "fit = tf.reduce_mean" in page
    assert "float32" in found.Tensors("shapes")[0].tensor_proto.string_val[0].decode()
    (started,) = found.PluginTagToContent("hparams").values()
    # No name of its own: TensorBoard takes the run's folder, and shows trials of one name as one.
    assert plugin_data_pb2.HParamsPluginData.FromString(started).session_start_info.group_name == ""


def test_an_alert_says_what_the_scaling_of_the_loss_does(tmp_path: Path) -> None:
    import keras

    def alerts(optimizer: Any, folder: str) -> tuple[Any, str]:
        monitor = ld.Monitor(tmp_path / folder, actions="log")
        loss = ld.watch(fitted.log_of_target)
        model = fitted.fit(lambda: loss, bad=True, jit_compile=False, callbacks=[monitor], optimizer=optimizer)
        (alert,) = monitor.alerts
        return model, alert.message

    scaled, message = alerts(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()), "scaled")
    assert "skips this update" in message and "NaN too" not in message
    assert all(np.isfinite(weight).all() for weight in scaled.get_weights())
    _, message = alerts(keras.optimizers.SGD(), "plain")
    assert "NaN too" in message and "scal" not in message


def test_a_fault_is_alerted_captured_and_stops_the_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    loss = ld.watch(fitted.log_of_target)
    called: list[Any] = []
    monitor = ld.Monitor(tmp_path, check_every=1, weights=True, actions={"non-finite": ["warn", "stop", called.append]})
    with caplog.at_level(logging.WARNING, "lossdoctor"):
        model = fitted.fit(lambda: loss, bad=True, jit_compile=False, epochs=5, callbacks=[monitor])
    assert int(np.asarray(model.optimizer.iterations)) <= 7  # the first epoch at most
    assert called and called[0].kind == "non-finite" and called[0].step == 4
    assert "step 4: non-finite" in caplog.text and "lossdoctor replay" in caplog.text
    told = json.loads((tmp_path / "alerts.json").read_text())["alerts"]
    assert told[0]["kind"] == "non-finite" and told[0]["step"] == 4
    (file,) = monitor.saved
    assert file.name == "capture-000004.npz"
    found = load(file)
    assert found.about.epoch == 0 and found.y_true[12, 1] == 0.0
    with np.load(file) as archive:
        kept = [name for name in archive.files if name.startswith("extra.weight.")]
        assert kept and all(np.isfinite(archive[name]).all() for name in kept)
        assert archive["extra.weights_step"] == 4


def test_steps_of_an_optimizer_that_accumulates_are_batches(tmp_path: Path) -> None:
    import keras

    x, y = fitted.data(bad=False)
    optimizer = keras.optimizers.Adam(gradient_accumulation_steps=4)
    loss = ld.watch(fitted.two_terms)
    model = fitted.fit(
        lambda: loss,
        bad=False,
        optimizer=optimizer,
        callbacks=[ld.Monitor(tmp_path, preset="full")],
        validation_data=(x, y),
    )
    model.fit(x, y, batch_size=32, verbose=0, validation_data=(x, y), callbacks=[ld.Monitor(tmp_path, preset="full")])
    found = events(tmp_path)
    assert steps(found, "loss") == list(range(21)) and steps(found, "epoch/val_loss") == [6, 13, 20]


def test_two_losses_of_one_name_have_series_and_captures_of_their_own(tmp_path: Path) -> None:
    import keras

    x, y = fitted.data(bad=True)
    inputs = keras.Input((fitted.FEATURES,))
    model = keras.Model(inputs, [keras.layers.Dense(fitted.OUTPUTS)(inputs) for _ in range(2)])
    monitor = ld.Monitor(tmp_path, preset="full", actions="log")
    model.compile("sgd", ld.watch([fitted.log_of_target, fitted.log_of_target]), jit_compile=False)
    model.fit(x, [y, y], batch_size=fitted.BATCH, shuffle=False, verbose=0, callbacks=[monitor])
    found = events(tmp_path)
    assert steps(found, "log_of_target/loss") == steps(found, "log_of_target_2/loss") == list(range(7))
    assert sorted(file.name for file in monitor.saved) == [
        "capture-000004-log_of_target.npz",
        "capture-000004-log_of_target_2.npz",
    ]


def test_the_loss_that_broke_first_is_told_first(tmp_path: Path) -> None:
    import keras

    x, y = fitted.data(bad=True)
    inputs = keras.Input((fitted.FEATURES,))
    hidden = keras.layers.Dense(4)(inputs)
    model = keras.Model(inputs, [keras.layers.Dense(fitted.OUTPUTS)(hidden) for _ in range(2)])
    monitor = ld.Monitor(tmp_path, actions="log")
    model.compile("sgd", ld.watch([fitted.two_terms, fitted.log_of_target]), jit_compile=False)
    model.fit(x, [y, y], batch_size=fitted.BATCH, shuffle=False, verbose=0, callbacks=[monitor])
    assert [(one.series, one.step) for one in monitor.alerts] == [("log_of_target/loss", 4), ("two_terms/loss", 5)]
    assert monitor.saved[0].name == "capture-000004-log_of_target.npz"


@pytest.mark.parametrize(
    ("settings", "argument"),
    [
        ({"actions": {"nonfinite": "stop"}}, "actions"),
        ({"captures": -1}, "captures"),
        ({"max_bytes": 1.5}, "max_bytes"),
        ({"losses": [fitted.two_terms]}, "losses"),
        ({"losses": 3}, "losses"),
        ({"folder": 3}, "folder"),
        ({"folder": __file__}, "folder"),
    ],
)
def test_unusable_arguments_are_named(tmp_path: Path, settings: dict[str, Any], argument: str) -> None:
    with pytest.raises(UsageError, match=f"^Invalid value for `{argument}`. Expected .*Received: "):
        ld.Monitor(**{"folder": tmp_path, **settings})


def test_a_monitor_that_is_used_wrongly_says_so(tmp_path: Path) -> None:
    loss = ld.watch(fitted.two_terms)
    monitor = ld.Monitor(tmp_path)
    for early in (monitor.step, lambda: monitor.measure({"a": 1.0})):
        with pytest.raises(UsageError, match="Expected `begin"):
            early()
    with pytest.raises(UsageError, match="`step`"):
        monitor.begin(loss, step=-1)
    monitor.begin(loss)
    with pytest.raises(UsageError, match="`values`"):
        monitor.measure({"a": "much"})  # type: ignore[dict-item]
    with pytest.raises(UsageError, match=r"`folder`.*Not a directory"):
        ld.Monitor(Path(__file__) / "below").begin(loss)
    with pytest.raises(UsageError, match="`losses`"):
        ld.watch_step(lambda x: x, fitted.two_terms, tmp_path)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="`step`"):
        ld.watch_step(3, loss, tmp_path)  # type: ignore[arg-type]


def test_a_warning_starts_on_a_line_of_its_own_beside_the_progress_bar(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Loud(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            print(record.getMessage())

    handler = Loud()
    logging.getLogger("lossdoctor").addHandler(handler)
    try:
        monitor = ld.Monitor(tmp_path, check_every=1)
        fitted.fit(lambda: ld.watch(fitted.log_of_target), bad=True, callbacks=[monitor], verbose=1)
    finally:
        logging.getLogger("lossdoctor").removeHandler(handler)
    lines = capsys.readouterr().out.splitlines()
    (alert,) = (place for place, line in enumerate(lines) if "step 4: non-finite" in line)
    assert lines[alert].startswith("step 4: ") and lines[alert + 1].startswith("step 4: the batch is kept")


def test_an_alert_of_a_term_names_its_line(tmp_path: Path) -> None:
    import tensorflow as tf

    loss = ld.watch(fitted.two_terms, every=1)
    monitor = ld.Monitor(tmp_path, check_every=1)
    monitor.begin(loss)
    for number in range(40):
        # The residual stays, and the outputs grow: the penalty takes over.
        outputs = tf.fill([8, 2], 0.1 * 1.2**number)
        with tf.GradientTape() as tape:
            tape.watch(outputs)
            total = loss(outputs + 0.3, outputs)
        tape.gradient(total, outputs)
        monitor.step()
    monitor.end()
    assert [one.kind for one in monitor.alerts] == ["term-imbalance"]
    (alert,) = monitor.alerts
    assert alert.message.endswith("It is computed at fitted.py:20.")


def test_a_loop_of_ones_own_keeps_the_input_of_the_batch(tmp_path: Path) -> None:
    import tensorflow as tf

    loss = ld.watch(fitted.root_of_product, every=2)
    weight = tf.Variable([[0.5]])

    @tf.function
    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            total = loss(y, tf.matmul(x, weight))
        return tape.gradient(total, weight)

    watched = ld.watch_step(step, loss, tmp_path)
    for number in range(8):
        x = np.ones((4, 1), "float32") * (1 + number)
        x[1] *= number != 5
        watched(tf.constant(x), tf.ones([4, 1]))
    watched.monitor.end()
    found = load(watched.monitor.saved[0])
    assert found.about.step == 5 and found.about.indices == ()
    np.testing.assert_array_equal(found.x[:, 0], [6, 0, 6, 6])
    assert [alert.kind for alert in watched.monitor.alerts][:1] == ["non-finite"]


def test_a_capture_says_which_samples_of_the_data_it_holds(tmp_path: Path) -> None:
    import tensorflow as tf

    loss = ld.watch(fitted.root_of_product, every=2)
    weight = tf.Variable([[0.5]])
    monitor = ld.Monitor(tmp_path, check_every=4)
    monitor.begin(loss)
    for number in range(4):
        x = tf.constant([[1.0], [0.0 if number == 2 else 1.0]])
        with tf.GradientTape() as tape:
            total = loss(tf.ones([2, 1]), tf.matmul(x, weight))
        tape.gradient(total, weight)
        monitor.step(x=x, indices=np.array([10 * number, 10 * number + 7]))
    with pytest.raises(UsageError, match="one whole number for each sample"):
        monitor.step(indices=[0.5])
    monitor.end()
    found = load(monitor.saved[0])
    assert (found.about.step, found.about.indices) == (2, (20, 27))


def test_a_shuffled_fit_knows_its_samples_by_their_targets(tmp_path: Path) -> None:
    loss = ld.watch(fitted.log_of_target)
    x, y = fitted.data(bad=True)
    monitor = ld.Monitor(tmp_path, data=(x, y))
    fitted.fit(lambda: loss, bad=True, jit_compile=False, epochs=1, shuffle=True, callbacks=[monitor])
    found = load(monitor.saved[0])
    assert fitted.BAD_ROW in found.about.indices and len(set(found.about.indices)) == len(found.y_true)
    np.testing.assert_array_equal(found.y_true, y[list(found.about.indices)])
    np.testing.assert_array_equal(found.x, x[list(found.about.indices)])
    replayed = ld.replay(monitor.saved[0], fitted.log_of_target, mends=False)
    assert f"({fitted.BAD_ROW} of the data set)" in replayed.statement


def test_the_event_file_is_bounded(tmp_path: Path) -> None:
    from lossdoctor.runtime.events import EventLog

    log = EventLog(tmp_path, 20_000)
    for step in range(1000):
        log.scalars(step, {"a": 1.0}, important=step % 2 == 0)
    log.close()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 45_000


@pytest.mark.parametrize(
    "arguments",
    [
        {"preset": "huge"},
        {"check_every": 0},
        {"check_every": 1000},
        {"actions": "explode"},
        {"data": np.ones(3)},
        {"data": (np.ones(3), np.ones(2))},
    ],
)
def test_unusable_arguments(arguments: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Expected"):
        ld.Monitor(tmp_path, **arguments)


def test_a_model_without_a_watched_loss_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"lossdoctor\.watch"):
        fitted.fit(lambda: fitted.two_terms, bad=False, callbacks=[ld.Monitor(tmp_path)])


class Interrupt:
    """Makes a callback that breaks off at a batch."""

    def __new__(cls, batch: int) -> Any:
        import keras

        def broken(number: int, logs: Any = None) -> None:
            if number == batch:
                raise KeyboardInterrupt

        return keras.callbacks.LambdaCallback(on_train_batch_end=broken)


def test_an_interrupted_run_is_written_once_it_is_left(tmp_path: Path) -> None:
    loss = ld.watch(fitted.two_terms)
    monitor = ld.Monitor(tmp_path, preset="full")
    with pytest.raises(KeyboardInterrupt):
        fitted.fit(lambda: loss, bad=False, callbacks=[monitor, Interrupt(4)])
    assert monitor.journal is not None and monitor.journal.losses
    monitor._closing()  # what the end of the process does, or the next run
    assert steps(events(tmp_path), "loss") == [0, 1, 2, 3, 4]
    monitor.begin(loss, step=5)
    monitor.end()


def test_a_resumed_run_is_written_at_whole_periods_of_its_own_steps(tmp_path: Path) -> None:
    loss = ld.watch(fitted.two_terms)
    fitted.fit(lambda: loss, bad=False, epochs=1)  # 7 steps that the recorder saw, and no monitor
    fitted.fit(lambda: loss, bad=False, callbacks=[ld.Monitor(tmp_path)])
    assert steps(events(tmp_path), "loss") == [0, 10]


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_live_line_leaves_others_a_line_of_their_own() -> None:
    from lossdoctor.runtime.live import Live

    screen, file = Screen(), io.StringIO()
    for out in (screen, file):
        live = Live(out)
        live.show("step 10")
        live.show("step 20")
        live.keep("step 25")
        live.show("step 30")
    assert screen.getvalue() == "\r\x1b[Kstep 10\r\x1b[Kstep 20\r\x1b[Kstep 25\n\r\x1b[Kstep 30"
    assert file.getvalue() == "step 25\n"


def test_the_live_line_is_kept_once_and_takes_one_row() -> None:
    from lossdoctor.runtime.live import Live

    screen, file = Screen(), io.StringIO()
    for out in (screen, file):
        live = Live(out)
        live.keep("step 25")  # at the end of an epoch
        live.show("step 25")
        live.keep("step 25")  # at the end of the run
        live.show("x" * 200)
    assert screen.getvalue() == f"step 25\n\r\x1b[Kstep 25\r\x1b[K\r\x1b[K{'x' * 78}…"
    assert file.getvalue() == "step 25\n"


def test_long_code_leaves_room_for_the_numbers_beside_it() -> None:
    from lossdoctor.runtime.pages import _clipped

    assert _clipped("x = 1") == "x = 1" and len(_clipped("x" * 200)) == 60
