"""What a batch means to a loss: rows, mean, sum, coupled, fixed, random."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.probes.fakes import REAL, contract, standard_losses, written

from lossdoctor.probes.batches import Batches, probe
from lossdoctor.spec import Contract

pytestmark = pytest.mark.real


def reading_of(folder: Path, body: str, specs: Contract = REAL) -> Batches:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return probe(written(folder, f"import tensorflow as tf\ndef loss(y_true, y_pred):\n{lines}"), specs)


@pytest.mark.parametrize(
    ("body", "relation", "scalar"),
    [
        ("return tf.reduce_mean((y_true - y_pred) ** 2, axis=-1)", "per-sample", False),
        ("return (y_true - y_pred) ** 2", "per-sample", False),
        ("return tf.reduce_mean((y_true - y_pred) ** 2)", "mean", True),
        ("return tf.reduce_mean((y_true - y_pred) ** 2, axis=0)", "mean", False),
        ("return tf.reduce_sum((y_true - y_pred) ** 2)", "sum", True),
        ("return tf.reduce_sum(tf.abs(y_true - y_pred)) / 32.0", "sum", True),
        ("return tf.reshape((y_true - y_pred) ** 2, [-1])", "flattened", False),
        ("return tf.norm(y_true - y_pred)", "coupled", True),
        (
            "p = y_pred - tf.reduce_mean(y_pred, axis=0)\nreturn tf.reduce_mean((y_true - p) ** 2, axis=-1)",
            "coupled",
            False,
        ),
        ("return tf.stack([tf.reduce_sum(y_pred, -1), tf.reduce_sum(y_true, -1)])", "per-sample", False),
        ("return tf.zeros([])", "unknown", True),
    ],
)
def test_relation(tmp_path: Path, body: str, relation: str, scalar: bool) -> None:
    reading = reading_of(tmp_path, body)
    assert (reading.relation, reading.scalar) == (relation, scalar)
    assert reading.deterministic is True
    assert reading.works == (1, 2, 3, 5)


def test_axis_of_the_batch(tmp_path: Path) -> None:
    assert reading_of(tmp_path, "return y_true - y_pred").axis == 0
    assert reading_of(tmp_path, "return tf.transpose(y_true - y_pred)").axis == 1


def test_sum_grows_and_has_evidence(tmp_path: Path) -> None:
    reading = reading_of(tmp_path, "return tf.reduce_sum(tf.abs(y_true - y_pred))")
    assert reading.ratios is not None
    assert reading.gradient_ratios is not None
    for size in (1, 2, 3, 5):
        assert reading.ratios[size] == pytest.approx(size, rel=1e-4)
        assert reading.gradient_ratios[size] == pytest.approx(1.0, rel=1e-4)
    assert reading.evidence is not None
    difference = np.abs(reading.evidence.y_true - reading.evidence.y_pred)
    assert difference.shape == (2, 5)
    np.testing.assert_allclose(np.asarray(reading.received), difference.sum(), rtol=1e-5)
    np.testing.assert_allclose(np.asarray(reading.expected), difference.sum() / 2, rtol=1e-5)


def test_mean_shares_the_gradient(tmp_path: Path) -> None:
    reading = reading_of(tmp_path, "return tf.reduce_mean((y_true - y_pred) ** 2)")
    assert reading.gradient_ratios is not None
    assert reading.gradient_ratios[5] == pytest.approx(0.2, rel=1e-4)
    assert reading.evidence is None


def test_broadcast_is_coupled_with_the_smallest_batch(tmp_path: Path) -> None:
    reading = reading_of(tmp_path, "return (y_true - y_pred) ** 2", contract("float32[B] real", "float32[B,1] real"))
    assert reading.relation == "coupled"
    assert reading.evidence is not None
    assert reading.evidence.y_true.shape == (2,)
    assert reading.received is not None
    assert reading.received.shape == (2, 2)


def test_fixed_batch_size(tmp_path: Path) -> None:
    reading = reading_of(tmp_path, "e = tf.reshape(y_true - y_pred, [16, 5])\nreturn tf.reduce_sum(e, axis=-1)")
    assert reading.fixed
    assert reading.works == (16,)
    first = reading.fails[0]
    assert (first.size, first.raised is not None) == (1, True)
    assert first.raised is not None
    assert first.raised.calls[-1].line == 3
    assert reading.relation == "unknown"


def test_hint_finds_an_odd_batch_size(tmp_path: Path) -> None:
    source = "import tensorflow as tf\ndef loss(t, p):\n    return tf.reshape(t - p, [24, 5])\n"
    subject = written(tmp_path, source)
    assert probe(subject, REAL).works == ()
    assert probe(subject, REAL, hints=(24,)).works == (24,)


def test_batch_of_one_loses_its_axis(tmp_path: Path) -> None:
    reading = reading_of(
        tmp_path,
        "return tf.abs(tf.squeeze(y_true) - tf.squeeze(y_pred))",
        contract("float32[B,1] real", "float32[B,1] real"),
    )
    assert reading.rank_changes
    assert reading.relation == "per-sample"
    assert [result.shape for result in reading.sizes[:2]] == [(), (2,)]


def test_random_loss_is_not_deterministic(tmp_path: Path) -> None:
    reading = reading_of(tmp_path, "return tf.reduce_mean(y_true - y_pred, -1) + tf.random.normal([])")
    assert reading.deterministic is False
    assert reading.relation == "unknown"


def test_loss_that_works_only_compiled(tmp_path: Path) -> None:
    reading = reading_of(
        tmp_path, "return tf.reduce_sum(y_true * y_pred, -1)", contract("int64[B,1] binary", "float32[B,1] real")
    )
    assert (reading.calling, reading.relation) == ("keras-compile", "per-sample")


def test_contract_without_a_batch_is_not_judged(tmp_path: Path) -> None:
    reading = reading_of(tmp_path, "return y_true - y_pred", contract("float32[3] real", "float32[3] real"))
    assert not reading.applicable


def test_structured_inputs(tmp_path: Path) -> None:
    from lossdoctor.spec import Spec

    specs = Contract({"a": Spec("float32", ("B",))}, (Spec("float32", ("B", 2)), Spec("float32", ("B",))))
    reading = reading_of(tmp_path, "return y_true['a'] - y_pred[0][:, 0] + y_pred[1]", specs)
    assert reading.relation == "per-sample"


def test_standard_functions_have_rows() -> None:
    """The functions of keras.losses return a loss per sample, but for the three that look at the whole batch."""
    seen: dict[str, str] = {}
    for name, subject, specs in standard_losses():
        if name.islower() and "generalized" not in name:  # that one needs a third argument
            seen[name] = probe(subject, specs).relation
    whole = {"dice", "tversky", "circle"}
    assert len(seen) > 15
    assert {name for name, relation in seen.items() if relation != "per-sample"} == whole, seen


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return tf.reduce_mean((y_true - y_pred) ** 2, axis=-1)", ()),
        ("return tf.reduce_sum((y_true - y_pred) ** 2)", (0.0,)),
        ("return tf.reduce_mean((y_true - y_pred) ** 2)", (np.nan,)),
        ("gap = y_true - y_pred\nreturn tf.abs(gap[0, 0]) + tf.reduce_sum(gap ** 2, -1)", None),
    ],
)
def test_no_samples_at_all(tmp_path: Path, body: str, expected: tuple[float, ...] | None) -> None:
    empty = reading_of(tmp_path, body).empty
    assert empty is not None
    if expected is None:
        assert empty.value is None and empty.raised is not None
    else:
        np.testing.assert_array_equal(empty.value.reshape(-1), expected)
