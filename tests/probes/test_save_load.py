"""The save/load probe: what get_config forgets is found, argument by argument."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.probes.fakes import REAL, standard_losses, subject_of

from lossdoctor.probes.save_load import probe
from lossdoctor.readings import SaveLoad

pytestmark = pytest.mark.real

SOURCE = """\
import keras
import tensorflow as tf


{decorator}
class Custom(keras.losses.Loss):
    def __init__(self, {parameters}):
        {construction}

    def call(self, y_true, y_pred):
        error = tf.abs(y_true - y_pred)
        return {value}

{config}
"""
GOOD = """\
    def get_config(self):
        return {**super().get_config(), "weight": self.weight}
"""


def read(
    folder: Path,
    value: str = "self.weight * tf.reduce_mean(error, -1)",
    config: str = GOOD,
    parameters: str = "weight=3.0, **kwargs",
    construction: str = "super().__init__(**kwargs); self.weight = weight",
    decorator: str = "# not registered",
) -> SaveLoad:
    path = folder / "user_losses.py"
    path.write_text(SOURCE.format(**locals()))
    return probe(subject_of(path, "Custom"), REAL)  # type: ignore[arg-type]


def outcomes(reading: SaveLoad) -> dict[str, str]:
    return {argument.name: argument.outcome for argument in reading.arguments}


def test_a_complete_configuration(tmp_path: Path) -> None:
    reading = read(tmp_path)
    assert outcomes(reading) == {"weight": "kept", "reduction": "kept"}
    assert reading.overrides_get_config
    assert reading.registered == ""
    assert reading.unchanged is None


def test_no_configuration_at_all(tmp_path: Path) -> None:
    reading = read(tmp_path, config="", decorator='@keras.saving.register_keras_serializable(package="mine")')
    assert outcomes(reading) == {"weight": "lost", "reduction": "kept"}
    (lost,) = reading.lost
    assert lost.before == pytest.approx(lost.after * lost.changed / lost.default)  # type: ignore[operator]
    assert lost.pair is not None
    assert lost.through == "from_config"
    assert not reading.overrides_get_config
    assert reading.registered == "mine>Custom"
    assert reading.span is not None
    assert (reading.span.line, reading.span.text) == (6, "class Custom(keras.losses.Loss):")
    assert reading.init_span is not None
    assert reading.init_span.line == 7


def test_a_configuration_without_the_reduction(tmp_path: Path) -> None:
    config = 'def get_config(self):\n        return {"weight": self.weight}'
    reading = read(tmp_path, config="    " + config)
    assert outcomes(reading) == {"weight": "kept", "reduction": "lost"}


def test_a_constructor_that_keeps_the_reduction_to_itself(tmp_path: Path) -> None:
    reading = read(tmp_path, construction="super().__init__(); self.weight = weight")
    assert outcomes(reading) == {"weight": "kept", "reduction": "ignored"}


def test_a_class_that_reduces_by_itself_ignores_no_reduction(tmp_path: Path) -> None:
    own = 'super().__init__(reduction="none"); self.weight = weight; self.total = reduction == "sum"'
    value = "self.weight * (tf.reduce_sum(error) if self.total else tf.reduce_mean(error))"
    config = (
        'def get_config(self):\n        return {"weight": self.weight, "reduction": "sum" if self.total else "none"}'
    )
    reading = read(
        tmp_path, value, "    " + config, construction=own, parameters='weight=3.0, reduction="none", **kwargs'
    )
    assert outcomes(reading) == {"weight": "kept", "reduction": "kept"}


def test_a_stale_value(tmp_path: Path) -> None:
    config = 'def get_config(self):\n        return {**super().get_config(), "weight": 3.0}'
    assert outcomes(read(tmp_path, config="    " + config))["weight"] == "lost"


def test_a_constructor_that_refuses_its_own_configuration(tmp_path: Path) -> None:
    reading = read(
        tmp_path, config="", parameters="weight=3.0", construction="super().__init__(); self.weight = weight"
    )
    assert reading.unchanged is not None
    assert reading.unchanged.type == "TypeError"
    (weight,) = reading.arguments
    assert weight.outcome == "raises"
    assert weight.raised is not None


def test_arguments_of_every_type(tmp_path: Path) -> None:
    reading = read(
        tmp_path,
        parameters="power=2, signed=False, mode='mean', floor=None, name='mine', **kwargs",
        construction="super().__init__(name=name, **kwargs); self.power, self.signed = power, signed; "
        "self.mode, self.floor = mode, floor",
        value="(tf.reduce_sum if self.mode == 'sum' else tf.reduce_mean)"
        "((y_true if self.signed else 1.0) * error ** self.power + (self.floor or 0.0), -1)",
        config="",
    )
    assert outcomes(reading) == {
        "power": "lost",
        "signed": "lost",
        "mode": "lost",
        "floor": "lost",
        "reduction": "kept",
    }


def test_what_does_not_show_is_not_judged(tmp_path: Path) -> None:
    reading = read(tmp_path, value="tf.reduce_mean(error, -1)", config="")
    assert outcomes(reading)["weight"] == "unjudged"
    assert "does not show" in reading.arguments[0].reason


def test_an_argument_behind_a_switch(tmp_path: Path) -> None:
    reading = read(
        tmp_path,
        parameters="weighted=False, weight=3.0, **kwargs",
        construction="super().__init__(**kwargs); self.weight, self.weighted = weight, weighted",
        value="(self.weight if self.weighted else 1.0) * tf.reduce_mean(error, -1)",
        config='    def get_config(self):\n        return {**super().get_config(), "weighted": self.weighted}',
    )
    assert outcomes(reading) == {"weighted": "kept", "weight": "lost", "reduction": "kept"}


def test_a_margin_beyond_ordinary_errors(tmp_path: Path) -> None:
    reading = read(tmp_path, value="tf.reduce_mean(tf.minimum(error, 5.0 + self.weight), -1)", config="")
    assert outcomes(reading)["weight"] == "lost"


def test_a_forgotten_base_constructor(tmp_path: Path) -> None:
    reading = read(tmp_path, parameters="weight=3.0", construction="self.weight = weight")
    assert not reading.attempted
    assert reading.construction is not None
    assert reading.construction.type == "AttributeError"


def test_standard_losses_are_clean() -> None:
    lost: set[tuple[str, str]] = set()
    for name, subject, one in standard_losses():
        reading = probe(subject, one)  # type: ignore[arg-type]
        assert reading.attempted == (not name[0].islower()), name
        assert reading.unchanged is None, name
        lost |= {(name, argument.name) for argument in reading.lost}
        assert not any(argument.outcome == "raises" for argument in reading.arguments), name
    # Keras 3.15's own: both define get_config as `return Loss.get_config(self)`, without their argument.
    assert lost <= {("Huber", "delta"), ("CosineSimilarity", "axis")}


def test_what_shows_that_a_loss_is_meant_to_be_saved(tmp_path: Path) -> None:
    assert read(tmp_path).meant_to_be_saved  # it has a get_config
    assert read(tmp_path, config="", decorator="@keras.saving.register_keras_serializable()").meant_to_be_saved
    assert not read(tmp_path, config="").meant_to_be_saved
    loading = 'def load(path):\n    return keras.models.load_model(path, custom_objects={"Custom": Custom})\n'
    assert read(tmp_path, config=loading).meant_to_be_saved


def test_an_argument_that_only_a_closure_holds_is_compared_by_its_value(tmp_path: Path) -> None:
    reading = read(
        tmp_path,
        value="self.scaled(tf.reduce_mean(error, -1))",
        config="",
        construction="super().__init__(**kwargs); self.scaled = lambda loss: weight * loss",
    )
    assert outcomes(reading) == {"weight": "lost", "reduction": "kept"}


def test_a_loss_that_holds_the_same_is_not_run_again(tmp_path: Path) -> None:
    path = tmp_path / "user_losses.py"
    config = GOOD + "\n    ran = []\n"
    construction = "super().__init__(**kwargs); self.weight = weight"
    value = "self.ran.append(self.weight) or self.weight * tf.reduce_mean(error, -1)"
    path.write_text(
        SOURCE.format(
            value=value,
            config=config,
            parameters="weight=3.0, **kwargs",
            construction=construction,
            decorator="# not registered",
        )
    )
    subject = subject_of(path, "Custom")
    assert outcomes(probe(subject, REAL)) == {"weight": "kept", "reduction": "kept"}  # type: ignore[arg-type]
    other = [weight for weight in subject.object.ran if weight != 3.0]
    assert len(other) == 3  # once a sample, not again after loading


def test_a_tensor_made_of_an_argument_is_compared_as_a_whole(tmp_path: Path) -> None:
    reading = read(
        tmp_path,
        value="tf.reduce_mean(error, -1) * self.weight[0] * self.weight[1]",
        parameters="weight=(1.0, 3.0), **kwargs",
        construction="super().__init__(**kwargs); self.weight = tf.constant(weight)",
        config="",
    )
    assert outcomes(reading)["weight"] == "lost" and reading.unchanged is None
