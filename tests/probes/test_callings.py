"""Every calling of a loss: where it works, where it raises, what it returns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.probes.fakes import BINARY, REAL, contract, standard_losses, written

from lossdoctor.probes.callings import probe
from lossdoctor.worker.local import LocalSession
from lossdoctor.worker.state import name_scopes

pytestmark = pytest.mark.real


def test_healthy_loss_works_everywhere(tmp_path: Path) -> None:
    subject = written(
        tmp_path,
        "import tensorflow as tf\ndef loss(t, p):\n    return tf.reduce_mean((t - p) ** 2, axis=-1)\n",
    )
    reading = probe(subject, REAL)
    assert all(outcome.ok for outcome in reading.outcomes), [o.raised for o in reading.outcomes]
    assert [(o.calling, o.execution, o.weighted) for o in reading.outcomes] == [
        ("raw", "eager", False),
        ("raw", "graph", False),
        ("keras-compile", "eager", False),
        ("keras-compile", "graph", False),
        ("keras-compile", "eager", True),
        ("keras-loss", "eager", False),
        ("keras-loss", "eager", True),
    ]
    batch = reading.pair.y_pred.shape[0]
    for outcome in reading.outcomes:
        assert outcome.shape == (batch,)
        assert not outcome.scalar
        assert outcome.returned == "tensor"
    compiled = reading.get("keras-compile", "graph")
    assert compiled is not None
    np.testing.assert_allclose(np.asarray(compiled.reduced), np.mean(np.asarray(compiled.value)), rtol=1e-6)


def test_loss_without_a_name_works_as_in_fit(tmp_path: Path) -> None:
    subject = written(tmp_path, "loss = lambda t, p: (t - p)[:, 0] ** 2\n")
    assert subject.loaded.name == "<lambda>"  # which is no name of a scope
    assert all(outcome.ok for outcome in probe(subject, REAL).outcomes)
    assert not name_scopes()


def test_batch_has_the_size_of_no_other_dimension(tmp_path: Path) -> None:
    subject = written(tmp_path, "def loss(y_true, y_pred):\n    return (y_true - y_pred)[:, 0]\n")
    reading = probe(subject, contract("float32[B,4] real", "float32[B,5] real"))
    assert reading.pair.y_pred.shape[0] not in (4, 5)


def test_python_if_fails_in_fit_only(tmp_path: Path) -> None:
    subject = written(
        tmp_path,
        """\
import tensorflow as tf

def loss(y_true, y_pred):
    error = tf.reduce_mean(tf.abs(y_true - y_pred), axis=-1)
    if tf.reduce_max(error) > 100.0:
        error = error / 2.0
    return error
""",
    )
    reading = probe(subject, REAL)
    for calling, execution, works in [
        ("raw", "eager", True),
        ("raw", "autograph", True),
        ("raw", "graph", False),
        ("keras-compile", "graph", False),
        ("keras-compile", "eager", True),
    ]:
        outcome = reading.get(calling, execution)  # type: ignore[arg-type]  # the literals of the table
        assert outcome is not None
        assert outcome.ok is works, (calling, execution)
    failed = reading.get("keras-compile", "graph")
    assert failed is not None
    assert failed.raised is not None
    assert failed.raised.calls[-1].line == 5


def test_integer_labels_fail_raw_and_work_compiled(tmp_path: Path) -> None:
    subject = written(
        tmp_path,
        "import tensorflow as tf\ndef loss(y_true, y_pred):\n    return tf.reduce_mean(y_true * y_pred, axis=-1)\n",
    )
    reading = probe(subject, contract("int64[B,1] binary", "float32[B,1] real"))
    raw, compiled = reading.get("raw", "eager"), reading.get("keras-compile", "graph")
    assert raw is not None
    assert compiled is not None
    assert not raw.ok
    assert compiled.ok


def test_compile_squeezes_for_a_function_and_not_for_a_loss_class(tmp_path: Path) -> None:
    body = "tf.square(y_true - y_pred)"
    specs = contract("float32[B] real", "float32[B,1] real")
    function = written(tmp_path, f"import tensorflow as tf\ndef loss(y_true, y_pred):\n    return {body}\n")
    reading = probe(function, specs)
    batch = reading.pair.y_pred.shape[0]
    raw, compiled = reading.get("raw", "eager"), reading.get("keras-compile", "eager")
    assert raw is not None
    assert compiled is not None
    assert (raw.shape, compiled.shape) == ((batch, batch), (batch, 1))

    (tmp_path / "cls").mkdir()
    source = (
        "import keras\nimport tensorflow as tf\n"
        f"class Squared(keras.losses.Loss):\n    def call(self, y_true, y_pred):\n        return {body}\n"
    )
    compiled = probe(written(tmp_path / "cls", source, "Squared"), specs).get("keras-compile", "eager")
    assert compiled is not None
    assert compiled.shape == (batch, batch)


def test_sample_weight_meets_an_unreduced_loss(tmp_path: Path) -> None:
    subject = written(tmp_path, "import tensorflow as tf\ndef loss(t, p):\n    return tf.square(t - p)\n")
    reading = probe(subject, REAL)
    plain, weighted = reading.get("keras-loss", "eager"), reading.get("keras-loss", "eager", weighted=True)
    assert plain is not None
    assert weighted is not None
    assert plain.ok
    assert not weighted.ok


@pytest.mark.parametrize(
    ("returned", "kind"),
    [("None", "none"), ("'low'", "string"), ("(error, error)", "tuple"), ("0.5", "number"), ("error", "tensor")],
)
def test_kind_of_what_is_returned(tmp_path: Path, returned: str, kind: str) -> None:
    source = f"import tensorflow as tf\ndef loss(t, p):\n    error = tf.reduce_mean(t - p)\n    return {returned}\n"
    reading = probe(written(tmp_path, source), REAL)
    assert {outcome.returned for outcome in reading.outcomes if outcome.execution == "eager"} == {kind}
    raw = reading.get("raw", "eager")
    assert raw is not None
    assert raw.ok is (kind in ("tensor", "number"))
    assert raw.scalar is raw.ok


def test_prints_are_counted_and_kept_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subject = written(tmp_path, "def loss(y_true, y_pred):\n    print('a')\n    print('b')\n    return y_pred\n")
    outcome = probe(subject, REAL).get("raw", "eager")
    assert outcome is not None
    assert outcome.prints == 2
    assert capsys.readouterr().out == ""


def test_structured_inputs_are_called_raw(tmp_path: Path) -> None:
    source = "def loss(y_true, y_pred):\n    return y_true['a'] - y_pred['b'][:, 0]\n"
    from lossdoctor.spec import Contract, Spec

    specs = Contract({"a": Spec("float32", ("B",))}, {"b": Spec("float32", ("B", 2)), "a": Spec("float32", ("B",))})
    reading = probe(written(tmp_path, source), specs)
    raw = reading.get("raw", "graph")
    assert raw is not None
    assert raw.ok, raw.raised
    assert reading.get("keras-compile", "graph") is None


def test_standard_losses_work_as_keras_calls_them() -> None:
    seen = 0
    for name, subject, specs in standard_losses():
        if name in ("MeanSquaredError", "BinaryCrossentropy", "CTC", "Dice", "SparseCategoricalCrossentropy", "Circle"):
            seen += 1
            for outcome in probe(subject, specs).outcomes:
                if outcome.calling != "raw":
                    assert outcome.ok, (name, outcome)
    assert seen >= 6


def test_unit_predictions_are_drawn_from_the_contract(tmp_path: Path) -> None:
    reading = probe(written(tmp_path, "def loss(y_true, y_pred):\n    return y_pred\n"), BINARY)
    assert set(np.unique(reading.pair.y_true)) <= {0.0, 1.0}
    assert reading.pair.y_pred.min() >= 0.0
    assert reading.pair.y_pred.max() <= 1.0


@pytest.mark.parametrize(
    "body",
    [
        "return tf.reduce_mean((y_true - y_pred) ** 2, axis=-1)",
        "print('a'); print('b'); return tf.reduce_mean((y_true - y_pred) ** 2)",
        "error = y_true - y_pred; return error, error",
        "return 1.0",
        "return tf.function(lambda x: tf.reduce_mean(x, axis=-1), jit_compile=True)(y_true - y_pred)",
        "tf.debugging.assert_less(y_pred, -1e9); return y_true - y_pred",
        "return tf.cast(y_true - y_pred, 'bfloat16')",
    ],
)
def test_the_graph_that_is_there_tells_the_same(tmp_path: Path, body: str) -> None:
    path = tmp_path / "losses.py"
    path.write_text(f"import tensorflow as tf\ndef loss(y_true, y_pred):\n    {body}\n")
    session = LocalSession()
    session.load(f"{path}:loss")
    session.trace(REAL)
    anew = probe(session._loaded(), REAL)
    there = session.probe("callings", REAL)
    for one, other in zip(anew.outcomes, there.outcomes, strict=True):
        assert repr(one) == repr(other)


@pytest.mark.parametrize(("slow", "calls"), [(1e9, 5), (0.0, 2)])
def test_a_slow_loss_is_not_run_again_on_what_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: float, calls: int
) -> None:
    monkeypatch.setattr("lossdoctor.probes.callings._SLOW", slow)
    source = """\
import tensorflow as tf

ran = []

def loss(y_true, y_pred):
    if tf.executing_eagerly():
        ran.append(y_true.dtype)
    return tf.reduce_mean(tf.abs(tf.cast(y_true, y_pred.dtype) - y_pred), axis=-1)
"""
    subject = written(tmp_path, source)
    reading = probe(subject, contract("int32[B,4] binary", "float32[B,4] unit"))
    assert all(outcome.ok for outcome in reading.outcomes), [o.raised for o in reading.outcomes]
    assert len(subject.object.__globals__["ran"]) == calls  # Keras hands it another dtype than the raw call does
    values = {outcome.calling: np.asarray(outcome.value) for outcome in reading.outcomes}
    for value in values.values():
        np.testing.assert_allclose(value, values["raw"], rtol=1e-6)
