"""More tasks with a known answer: each has one, its standard loss finds it, and a loss is taken for what it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lossdoctor.experiments.scenarios import NAMES, SCENARIOS, drawn, overlap, scenarios
from lossdoctor.experiments.tasks import error_of
from lossdoctor.findings import UsageError
from lossdoctor.spec import Contract, parse_contract

REAL, POSITIVE = "float32[B,2] real", "float32[B,2] positive"
# Specs for each scenario, in the order of SCENARIOS.
SPECS: dict[str, list[tuple[str, str]]] = {
    "padded": [("int32[B,8] label(4)", "float32[B,8,4] logit"), ("int32[B,8] label(4)", "float32[B,8,4] probability")],
    "gaussian": [("float32[B,1] real", "float32[B,2] real"), ("float32[B] real", "float32[B,2] real")],
    "quantiles": [("float32[B,1] real", "float32[B,3] real")],
    "ordinal": [("int32[B] label(5)", "float32[B,4] logit"), ("int32[B,1] label(5)", "float32[B,4] unit")],
    "survival": [("float32[B,2] real", "float32[B,1] real"), ("float32[B,2] positive", "float32[B] real")],
    "boxes": [("float32[B,4] unit", "float32[B,4] unit"), ("float32[B,4] real", "float32[B,4] real")],
    "counts": [(POSITIVE, REAL), (POSITIVE, POSITIVE)],
    "outliers": [(REAL, REAL)],
    "heteroscedastic": [(REAL, REAL)],
    "imbalanced": [("float32[B,1] binary", "float32[B,1] logit"), ("float32[B,1] binary", "float32[B,1] unit")],
    "shapes": [("float32[B,8,8,1] binary", "float32[B,8,8,1] unit")],
}
CASES = [(name, *specs) for name, several in SPECS.items() for specs in several]


def test_there_are_specs_for_every_scenario() -> None:
    assert set(SPECS) == set(NAMES)


@pytest.mark.parametrize(("name", "y_true", "y_pred"), CASES)
def test_the_answer_has_no_error_and_worse_predictions_have(name: str, y_true: str, y_pred: str) -> None:
    contract = parse_contract(y_true, y_pred)
    fitting = [one for one in scenarios(contract) if one.name == name]
    assert fitting
    for scenario in fitting:
        for convention in scenario.conventions:
            task = drawn(contract, scenario, convention, 3)
            assert task.answer is not None
            assert error_of(task, task.answer) == pytest.approx(0.0, abs=1e-9)
            for wrong, prediction in task.wrong.items():
                if wrong not in ("the opposite scales", "the quantiles in the opposite order") and "moved" not in wrong:
                    assert error_of(task, np.asarray(prediction)) > 0.15, (convention, wrong)
            if name == "padded":
                assert error_of(task, task.alike[0].other_prediction) == 0.0
            again = drawn(contract, scenario, convention, 3)
            assert np.array_equal(again.truths[0], task.truths[0])


@pytest.mark.parametrize(
    ("y_true", "y_pred"),
    [
        ("float32[B,3] onehot", "float32[B,3] probability"),
        ("int32[B] label(5)", "float32[B,5] logit"),  # as many as classes: no thresholds
        ("int32[B] label(2)", "float32[B,1] logit"),
        ("float32[B,5] real", "float32[B,1] real"),
        ("float32[3,4] real", "float32[3,4] real"),  # no batch
    ],
)
def test_what_does_not_fit_is_not_offered(y_true: str, y_pred: str) -> None:
    offered = {one.name for one in scenarios(parse_contract(y_true, y_pred)) if one.place != "asked"}
    assert not offered


def test_overlap_of_boxes() -> None:
    one = np.array([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]])
    other = np.array([[1.0, 1.0, 3.0, 3.0], [0.0, 0.0, 1.0, 1.0], [2.0, 2.0, 3.0, 3.0]])
    assert overlap(one, other) == pytest.approx([1 / 7, 1.0, 0.0])


@pytest.mark.real
@pytest.mark.parametrize(("name", "y_true", "y_pred"), CASES)
def test_the_standard_loss_finds_the_answer(name: str, y_true: str, y_pred: str) -> None:
    from lossdoctor.experiments.standards import standard
    from lossdoctor.experiments.training import Trainer

    contract = parse_contract(y_true, y_pred)
    for scenario in [one for one in SCENARIOS if one.name == name and one in scenarios(contract)]:
        for convention in scenario.conventions:
            task = drawn(contract, scenario, convention, 1)
            made = Trainer(standard(task.standard), contract, task, 150).train(task, 1, 0.03)
            before, after = (error_of(task, np.asarray(part[0])) for part in (made.first, made.last))
            assert after < 0.5 * before, (convention, before, after)


# ---- losses as people write them, and what they are taken for


def iou(tf: Any, t: Any, p: Any) -> Any:
    low, high = tf.maximum(t[:, :2], p[:, :2]), tf.minimum(t[:, 2:], p[:, 2:])
    both = tf.reduce_prod(tf.maximum(high - low, 0.0), -1)
    areas = [tf.reduce_prod(tf.maximum(x[:, 2:] - x[:, :2], 0.0), -1) for x in (t, p)]
    return 1.0 - both / (areas[0] + areas[1] - both + 1e-6) + 0.1 * tf.reduce_mean(tf.abs(t - p), -1)


def iou_of_centres(tf: Any, t: Any, p: Any) -> Any:
    return iou(tf, *(tf.concat([x[:, :2] - x[:, 2:] / 2, x[:, :2] + x[:, 2:] / 2], -1) for x in (t, p)))


def poisson_of_log(tf: Any, t: Any, p: Any) -> Any:
    return tf.reduce_mean(tf.exp(p) - t * p, -1)


def gaussian(tf: Any, t: Any, p: Any) -> Any:
    return 0.5 * (p[:, 1:] + tf.square(t - p[:, :1]) * tf.exp(-p[:, 1:]))


def quantile(tf: Any, t: Any, p: Any) -> Any:
    error = t - p
    taus = tf.constant([0.05, 0.5, 0.95])
    return tf.reduce_mean(tf.maximum(taus * error, (taus - 1.0) * error), -1)


def cumulative(tf: Any, t: Any, p: Any) -> Any:
    above = tf.cast(tf.cast(t, tf.float32)[:, None] > tf.range(4.0), tf.float32)
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(above, p), -1)


def partial_likelihood(tf: Any, t: Any, p: Any) -> Any:
    time, event, risk = t[:, 0], t[:, 1], p[:, 0]
    later = tf.cast(time[None, :] >= time[:, None], tf.float32)
    return tf.reduce_mean(event * (tf.math.log(tf.reduce_sum(later * tf.exp(risk)[None, :], 1)) - risk))


def masked(tf: Any, t: Any, p: Any) -> Any:
    each = tf.nn.sparse_softmax_cross_entropy_with_logits(t, p)
    real = tf.cast(t > 0, tf.float32)
    return tf.reduce_sum(real * each, -1) / (tf.reduce_sum(real, -1) + 1e-6)


def unmasked(tf: Any, t: Any, p: Any) -> Any:
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(t, p), -1)


def mse(tf: Any, t: Any, p: Any) -> Any:
    return tf.reduce_mean(tf.square(t - p), -1)


@pytest.mark.real
@pytest.mark.parametrize(
    ("make", "y_true", "y_pred", "task", "convention"),
    [
        (iou, *SPECS["boxes"][0], "boxes", "corners"),
        (iou_of_centres, *SPECS["boxes"][0], "boxes", "centres"),
        (mse, *SPECS["boxes"][0], "regression", ""),
        (poisson_of_log, *SPECS["counts"][0], "counts", "log"),
        (gaussian, *SPECS["gaussian"][0], "gaussian", "log variance, mean first"),
        (quantile, *SPECS["quantiles"][0], "quantiles", "rising"),
        (cumulative, *SPECS["ordinal"][0], "ordinal", "above"),
        (partial_likelihood, *SPECS["survival"][0], "survival", "time first, risk"),
        (masked, *SPECS["padded"][0], "padded", ""),
        (unmasked, *SPECS["padded"][0], "classes", ""),
    ],
)
def test_a_loss_is_taken_for_what_it_is_and_trains(
    make: Any, y_true: str, y_pred: str, task: str, convention: str
) -> None:
    import tensorflow as tf

    import lossdoctor as ld

    found = ld.experiment(lambda t, p: make(tf, t, p), y_true, y_pred)
    assert (found.task, found.convention) == (task, convention)
    assert found.verdict == "trains", [finding.message for finding in found.findings]


def evidential(tf: Any, t: Any, p: Any) -> Any:
    """Amini and others, Deep evidential regression (2020): four parameters, none of them a quantile."""
    gamma, nu, alpha, beta = p[:, :1], *(tf.nn.softplus(p[:, k : k + 1]) + float(k == 2) for k in (1, 2, 3))
    omega = 2.0 * beta * (1.0 + nu)
    value = 0.5 * tf.math.log(3.14159 / nu) - alpha * tf.math.log(omega)
    value += (alpha + 0.5) * tf.math.log(nu * tf.square(t - gamma) + omega)
    return value + tf.math.lgamma(alpha) - tf.math.lgamma(alpha + 0.5)


def interval(tf: Any, t: Any, p: Any) -> Any:
    return tf.nn.relu(t[:, 0] - p[:, 0]) + tf.nn.relu(p[:, 0] - t[:, 1])


def weighted(tf: Any, t: Any, p: Any) -> Any:
    return t[:, 1] * tf.square(t[:, 0] - p[:, 0])


@pytest.mark.real
@pytest.mark.parametrize(
    ("make", "y_true", "y_pred"),
    [
        (evidential, "float32[B,1] real", "float32[B,4] real"),
        (interval, *SPECS["survival"][0]),
        (weighted, *SPECS["survival"][1]),
    ],
)
def test_losses_of_other_meanings_are_not_blamed(make: Any, y_true: str, y_pred: str) -> None:
    import tensorflow as tf

    import lossdoctor as ld

    y_pred = "float32[B,1] real" if y_pred == "float32[B] real" else y_pred
    found = ld.experiment(lambda t, p: make(tf, t, p), y_true, y_pred)
    assert found.verdict != "trains wrongly", [finding.message for finding in found.findings]


@pytest.mark.real
@pytest.mark.parametrize(
    ("make", "y_true", "y_pred"),
    [
        (lambda tf, t, p: -iou(tf, t, p), *SPECS["boxes"][0]),
        (lambda tf, t, p: -mse(tf, t, p), *SPECS["boxes"][1]),
        (lambda tf, t, p: -unmasked(tf, t, p), *SPECS["padded"][0]),
        (lambda tf, t, p: tf.reduce_mean(tf.square(t - 2.0 * p), -1), *SPECS["boxes"][0]),
    ],
)
def test_the_choice_of_a_task_excuses_nothing(make: Any, y_true: str, y_pred: str) -> None:
    import tensorflow as tf

    import lossdoctor as ld

    found = ld.experiment(lambda t, p: make(tf, t, p), y_true, y_pred)
    assert found.verdict == "trains wrongly"


@pytest.mark.real
def test_a_task_that_is_asked_for() -> None:
    import tensorflow as tf

    import lossdoctor as ld

    def square(t: Any, p: Any) -> Any:
        return mse(tf, t, p)

    found = ld.experiment(square, REAL, REAL, task="outliers")
    assert (found.task, found.standard) == ("outliers", "mae")
    assert found.comparison is not None
    assert found.comparison.low > 0  # what the mean absolute error is for
    with pytest.raises(UsageError, match="Expected one of outliers, heteroscedastic, which fit"):
        ld.experiment(square, REAL, REAL, task="survival")


def test_contracts_of_structures_have_none() -> None:
    assert scenarios(Contract((parse_contract(REAL, REAL).y_true,), parse_contract(REAL, REAL).y_pred)) == ()
