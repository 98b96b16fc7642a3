"""The frozen-state probe: Python numbers that a compiled loss no longer follows, and who changes them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.probes.fakes import REAL, standard_losses, written

from lossdoctor.probes.frozen import probe
from lossdoctor.readings import Frozen

pytestmark = pytest.mark.real

CLASS = """\
import keras
import numpy as np
import tensorflow as tf


class Custom(keras.losses.Loss):
    def __init__(self, weight=2.0, **kwargs):
        super().__init__(**kwargs)
        self.weight = weight
        self.step = {initial}

    def call(self, y_true, y_pred):
        error = tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)
        return {value}

    def get_config(self):
        return {{**super().get_config(), "weight": self.weight}}


{rest}
"""
FUNCTION = """\
import random

import numpy as np
import tensorflow as tf

WEIGHT = 0.5
STATE = {"beta": 1.0, "name": "x"}
RNG = np.random.default_rng(0)


class Schedule:
    def __init__(self):
        self.beta = 1.0

    def advance(self):
        self.beta *= 0.9


SCHEDULE = Schedule()


def loss(t, p):
    error = tf.reduce_mean(tf.square(t - p), axis=-1)
    return EXPRESSION


"""
CALLBACK = """\
class Tracker(keras.callbacks.Callback):
    def __init__(self, loss):
        super().__init__()
        self.loss = loss

    def on_epoch_begin(self, epoch, logs=None):
        {assignment}
"""


def of_class(
    folder: Path, rest: str = "", value: str = "error * self.weight + self.step", initial: str = "0.5"
) -> Frozen:
    return probe(written(folder, CLASS.format(**locals()), "Custom"), REAL)  # type: ignore[arg-type]


def of_function(folder: Path, expression: str, rest: str = "") -> Frozen:
    return probe(written(folder, FUNCTION.replace("EXPRESSION", expression) + rest), REAL)  # type: ignore[arg-type]


@pytest.mark.parametrize("assignment", ["self.loss.step = epoch", "setattr(self.loss, 'step', epoch)"])
def test_an_attribute_that_a_callback_changes(assignment: str, tmp_path: Path) -> None:
    reading = of_class(tmp_path, CALLBACK.format(assignment=assignment))
    assert [state.name for state in reading.states] == ["self.weight", "self.step"]
    (fault,) = reading.faults
    assert fault.name == "self.step"
    assert fault.span is not None
    assert (fault.span.line, fault.span.text, fault.span.function) == (14, "self.step", "Custom.call")
    assert fault.mutated_at is not None
    assert (fault.mutated_at.line, fault.mutated_at.text) == (26, assignment)
    assert fault.eager[0] != fault.eager[1]
    assert fault.graph[0] == fault.graph[1]
    assert not fault.in_call


@pytest.mark.parametrize(("step", "faults"), [("SCHEDULE.beta", 1), ("WEIGHT", 0)])
def test_a_decorated_loss_is_compared_with_its_python(step: str, faults: int, tmp_path: Path) -> None:
    """What `tf.function` keeps of its first call is the same eagerly and traced."""
    text = FUNCTION.replace("EXPRESSION", f"error * {step}").replace("def loss(", "@tf.function\ndef loss(")
    reading = probe(written(tmp_path, text), REAL)  # type: ignore[arg-type]
    assert reading.examined == (step,)
    assert [fault.name for fault in reading.faults] == [step] * faults


@pytest.mark.parametrize(
    "rest",
    [
        "",
        CALLBACK.format(assignment="self.step = epoch"),  # its own attribute
        CALLBACK.format(assignment="self.model.step = epoch"),
        CALLBACK.format(assignment="self.loss.other = epoch"),
    ],
)
def test_hyperparameters_are_healthy(rest: str, tmp_path: Path) -> None:
    reading = of_class(tmp_path, rest)
    assert len(reading.states) == 2
    assert not reading.faults


def test_a_variable_is_followed(tmp_path: Path) -> None:
    reading = of_class(
        tmp_path,
        CALLBACK.format(assignment="self.loss.step.assign(float(epoch))"),
        initial="tf.Variable(0.5, trainable=False)",
    )
    assert not reading.faults


def test_an_array_is_state_as_well(tmp_path: Path) -> None:
    rest = CALLBACK.format(assignment="global WEIGHTS\n        WEIGHTS = WEIGHTS * epoch")
    reading = of_function(
        tmp_path, "error * WEIGHTS[0]", "\n\nWEIGHTS = np.array([0.5, 2.0])\n\n\nimport keras\n" + rest
    )
    assert reading.examined == ("WEIGHTS",)
    assert [state.name for state in reading.states] == ["WEIGHTS"]


def test_a_number_that_the_graph_asks_for_is_followed(tmp_path: Path) -> None:
    asked = "error * tf.numpy_function(lambda: np.float32(self.step), [], tf.float32)"
    reading = of_class(tmp_path, CALLBACK.format(assignment="self.loss.step = epoch"), asked)
    assert reading.examined == ("self.step",)
    assert not reading.states


def test_a_method_of_the_loss_that_changes_it(tmp_path: Path) -> None:
    rest = "class Annealed(Custom):\n    def advance(self):\n        self.step += 1\n"
    source = CLASS.format(rest=rest, value="error * self.weight + self.step", initial="0")
    reading: Frozen = probe(written(tmp_path, source, "Annealed"), REAL)  # type: ignore[arg-type]
    (fault,) = reading.faults
    assert fault.name == "self.step"
    assert fault.mutated_at is not None
    assert fault.mutated_at.function == "Annealed.advance"


def test_a_counter_in_the_call(tmp_path: Path) -> None:
    value = "self.counted(error)"
    rest = ""
    source = CLASS.format(rest=rest, value=value, initial="0").replace(
        "    def get_config",
        "    def counted(self, error):\n        self.step += 1\n        return error * self.step\n\n    def get_config",
    )
    reading: Frozen = probe(written(tmp_path, source, "Custom"), REAL)  # type: ignore[arg-type]
    (fault,) = reading.faults
    assert fault.name == "self.step"
    assert fault.in_call


@pytest.mark.parametrize(
    ("expression", "rest", "name", "mutation"),
    [
        ("error * WEIGHT", "def anneal():\n    global WEIGHT\n    WEIGHT *= 0.5\n", "WEIGHT", "WEIGHT *= 0.5"),
        ("error * STATE['beta']", "def anneal(b):\n    STATE['beta'] = b\n", "STATE['beta']", "STATE['beta'] = b"),
        ("error * SCHEDULE.beta", "", "SCHEDULE.beta", "self.beta *= 0.9"),
        ("helper(error)", "def helper(e):\n    return e * WEIGHT\n\n\ndef f():\n    global WEIGHT\n    WEIGHT = 1\n",
         "WEIGHT", "WEIGHT = 1"),
    ],
)  # fmt: skip
def test_state_of_the_module(expression: str, rest: str, name: str, mutation: str, tmp_path: Path) -> None:
    reading = of_function(tmp_path, expression, rest)
    (fault,) = reading.faults
    assert fault.name == name
    assert fault.mutated_at is not None
    assert fault.mutated_at.text == mutation


CLOSURE = """\
import tensorflow as tf


def made(rate=0.5):
    step = 1
    table = {{"beta": 2.0}}
    parts = [3.0]

    def loss(t, p):
        {first}
        return {value} * tf.reduce_mean(tf.square(t - p), axis=-1)

    def advance():
        {change}

    loss.advance = advance
    return loss


custom = made()
"""


@pytest.mark.parametrize(
    ("first", "value", "change", "name", "in_call"),
    [
        ("nonlocal step; step += 1", "1.0 / step", "pass", "step", True),
        ("pass", "1.0 / step", "nonlocal step; step += 1", "step", False),
        ("pass", "table['beta']", "table['beta'] *= 0.5", "table['beta']", False),
        ("parts[0] += 1.0", "parts[0]", "pass", "parts[0]", True),
    ],
)
def test_state_of_an_enclosing_function(
    first: str, value: str, change: str, name: str, in_call: bool, tmp_path: Path
) -> None:
    reading = probe(written(tmp_path, CLOSURE.format(**locals()), "custom"), REAL)
    (fault,) = reading.faults
    assert (fault.name, fault.holder, fault.in_call) == (name, "closure", in_call)


def test_members_of_an_enumeration_are_constants(tmp_path: Path) -> None:
    rest = "import enum\n\n\nclass Mode(enum.IntEnum):\n    SLOW = 2\n\n\ndef f(Mode):\n    Mode.SLOW = 3\n"
    reading = of_class(tmp_path, rest, "error * Mode.SLOW")
    assert reading.applicable
    assert not reading.states


@pytest.mark.parametrize("value", ["rate", "step", "table['beta']"])
def test_settings_of_an_enclosing_function_are_healthy(value: str, tmp_path: Path) -> None:
    text = CLOSURE.format(first="pass", value=f"({value})", change="beta = step = rate; return beta")
    assert not probe(written(tmp_path, text, "custom"), REAL).faults


@pytest.mark.parametrize(
    ("value", "rest", "name"),
    [
        ("error * self.settings.beta", "def f(loss):\n    loss.settings.beta = 3.0\n", "self.settings.beta"),
        ("error * Custom.shared", "def f():\n    Custom.shared *= 0.5\n", "Custom.shared"),
        ("error * self.shared", "def f():\n    Custom.shared = 2.0\n", "self.shared"),
    ],
)
def test_state_of_a_class_and_of_an_object_of_the_loss(value: str, rest: str, name: str, tmp_path: Path) -> None:
    rest = f"class Settings:\n    beta = 1.5\n\n\nCustom.shared = 1.0\n\n\n{rest}"
    reading = of_class(tmp_path, rest, value, "0.0; self.settings = Settings()")
    assert [fault.name for fault in reading.faults] == [name]


@pytest.mark.parametrize(
    ("expression", "rest"),
    [
        ("error * WEIGHT", ""),
        ("error * WEIGHT", "def local():\n    WEIGHT = 3\n    return WEIGHT\n"),
        ("error * STATE['beta']", "def anneal(b):\n    STATE['gamma'] = b\n"),
    ],
)
def test_constants_of_the_module_are_healthy(expression: str, rest: str, tmp_path: Path) -> None:
    reading = of_function(tmp_path, expression, rest)
    assert len(reading.states) == 1
    assert not reading.faults


@pytest.mark.parametrize("draw", ["np.random.rand()", "random.random()", "RNG.normal()"])
def test_draws_of_numpy_and_python(draw: str, tmp_path: Path) -> None:
    reading = of_function(tmp_path, f"error * {draw}")
    assert reading.draw is not None
    assert reading.draw.eager[0] != reading.draw.eager[1]
    assert reading.draw.graph[0] == reading.draw.graph[1]
    assert reading.draw.span is not None
    assert (reading.draw.span.line, reading.draw.span.text) == (24, draw)


def test_an_iterator_that_outlives_the_call(tmp_path: Path) -> None:
    rest = "import itertools\n\nSTEPS = itertools.count()\n"
    draw = of_function(tmp_path, "error * next(STEPS)", rest).draw
    assert draw is not None and draw.span is not None
    assert draw.eager[0] != draw.eager[1]
    assert draw.span.text == "next(STEPS)"


def test_an_iterator_of_the_call_is_healthy(tmp_path: Path) -> None:
    assert of_function(tmp_path, "error * next(part for part in (1.0, 2.0))").draw is None


def test_draws_of_tensorflow_are_healthy(tmp_path: Path) -> None:
    reading = of_function(tmp_path, "error * tf.random.uniform([]) * WEIGHT")
    assert reading.draw is None
    assert not reading.states


def test_the_state_is_left_as_it_was(tmp_path: Path) -> None:
    subject = written(tmp_path, CLASS.format(rest="", value="error * self.weight + self.step", initial="0.5"), "Custom")
    probe(subject, REAL)  # type: ignore[arg-type]
    assert (subject.object.weight, subject.object.step) == (2.0, 0.5)


def test_standard_losses_are_clean() -> None:
    for name, subject, one in standard_losses():
        reading = probe(subject, one)  # type: ignore[arg-type]
        assert not reading.faults, name
        assert reading.draw is None, name
