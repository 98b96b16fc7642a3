"""What holds between two losses, and what a name promises."""

from __future__ import annotations

import numpy as np
import pytest

from lossdoctor.standards.names import promised
from lossdoctor.standards.reading import Comparison, Relation, Row
from lossdoctor.standards.relate import Seen, relate


def seen(value, gradient, batches=(2, 3, 5) * 4, outputs: int = 4) -> list[Seen]:
    """A loss as functions of the error, seen at random errors."""
    found: list[Seen] = []
    for seed, batch in enumerate(batches):
        error = np.random.default_rng(seed).normal(size=(batch, outputs))
        found.append(Seen(np.asarray(value(error)), np.asarray(gradient(error)), error.shape))
    return found


def mean_square(e):
    return np.mean(e**2, axis=-1)


def slope(e):
    return 2.0 * e / e.shape[-1]


MSE = seen(mean_square, slope)


def test_the_same_function() -> None:
    found = relate(seen(mean_square, slope), MSE)
    assert (found.kind, found.gradients_agree, found.approximate) == ("same", True, False)
    assert found.gradient_cosine == pytest.approx(1.0)


def test_a_factor_an_offset_and_a_sign() -> None:
    found = relate(seen(lambda e: 3.0 - 0.5 * mean_square(e), lambda e: -0.5 * slope(e)), MSE)
    assert (found.kind, found.scale, found.offset, found.gradients_agree) == ("scaled", -0.5, 3.0, True)
    assert found.apart == "a factor of -0.5 and an offset of 3"


@pytest.mark.parametrize(
    ("value", "gradient", "said"),
    [
        (lambda e: np.sum(e**2, axis=-1), lambda e: 2.0 * e, "a sum of 4 elements for their mean"),
        (lambda e: np.sum(mean_square(e)), slope, "a sum over the batch for its mean"),
        (lambda e: np.sum(e**2), lambda e: 2.0 * e, "a sum over the elements of the batch for its mean"),
    ],
)
def test_reductions(value, gradient, said: str) -> None:
    found = relate(seen(value, gradient), MSE)
    assert (found.kind, found.reduction) == ("scaled", said)


def test_the_same_value_with_another_gradient() -> None:
    found = relate(seen(mean_square, lambda e: 2.0 * slope(e)), MSE)
    assert (found.kind, found.gradients_agree) == ("same", False)


def test_the_same_direction_only() -> None:
    root = seen(lambda e: np.sqrt(mean_square(e)), lambda e: slope(e) / np.sqrt(mean_square(e))[:, None] / 2)
    assert relate(root, MSE).kind == "same-direction"
    away = seen(lambda e: -np.sqrt(mean_square(e)), lambda e: -slope(e) / np.sqrt(mean_square(e))[:, None] / 2)
    assert relate(away, MSE).kind == "different"


def test_another_function_and_too_few_inputs() -> None:
    other = seen(lambda e: np.mean(np.abs(e), axis=-1), lambda e: np.sign(e) / e.shape[-1])
    found = relate(other, MSE)
    assert found.kind == "different" and 0.5 < found.gradient_cosine < 0.99
    assert relate(MSE[:5], MSE[:5]).kind == "different"


def test_constants_against_singular_points_make_it_approximate() -> None:
    found = relate(seen(lambda e: mean_square(e) * (1.0 + 1e-4), slope), MSE)
    assert found.kind in ("same", "scaled") and not (found.scale == 1.0 and not found.approximate)


@pytest.mark.parametrize("name", ["huber_loss", "SmoothL1Loss", "my_huber", "smooth_l1", "log_cosh", "MSELoss"])
def test_names_that_promise(name: str) -> None:
    assert promised(name) is not None


@pytest.mark.parametrize(
    "name",
    ["weighted_mse", "masked_huber_loss", "pseudo_huber", "dice_bce_loss", "rmse", "loss", "kl_loss"],
)
def test_names_that_promise_nothing_plain(name: str) -> None:
    assert promised(name) is None


@pytest.mark.parametrize(
    ("relation", "said"),
    [
        (Relation("scaled", scale=0.5), "is the same as MSE, up to a factor of 0.5"),
        (Relation("scaled", scale=-1.0), "is the same as MSE, up to the other sign"),
        (Relation("scaled", scale=2.0, offset=-3.0), "is the same as MSE, up to a factor of 2 and an offset of -3"),
        (Relation("scaled", offset=3.0), "is the same as MSE, up to an offset of 3"),
        (
            Relation("scaled", reduction="a mean of 4 elements for their sum", gradients_agree=False),
            "is the same as MSE, up to a mean of 4 elements for their sum, and another gradient",
        ),
    ],
)
def test_what_holds_of_another_loss_is_a_sentence(relation: Relation, said: str) -> None:
    found = Comparison(
        target="l.py:a",
        name="a",
        path="l.py",
        line=1,
        y_true="t",
        y_pred="p",
        origin="given",
        assumptions=(),
        other=Row("MSE", "MeanSquaredError()", relation),
        standards=(),
    )
    assert found.conclusion[0] == f"l.py:a {said}"
