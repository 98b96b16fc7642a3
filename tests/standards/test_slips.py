"""One slip away from a formula: what it gives, and that it can tell a slip from the formula itself."""

from __future__ import annotations

import numpy as np
import pytest

from lossdoctor.formula.evaluate import in_floats
from lossdoctor.formula.parse import parse_formula
from lossdoctor.standards.catalogue import STANDARDS, Standard
from lossdoctor.standards.slips import slips

FOCAL = "mean(where(t > 0.5, -(1-p)**2*log(p), -p**2*log(1-p)), axis=-1)"


def found(text: str) -> dict[str, str]:
    return {slip.words: slip.text for slip in slips(text)}


def test_the_weight_of_the_other_side_on_both_sides_at_once() -> None:
    wanted = "mean(where(t > 0.5, -p ** 2 * log(p), -(1 - p) ** 2 * log(1 - p)), axis=-1)"
    assert found(FOCAL)["with p for 1 - p in the power"] == wanted


@pytest.mark.parametrize(
    ("text", "words", "wanted"),
    [
        ("abs(t - p)/abs(t)", "with y_true and y_pred exchanged", "abs(p - t) / abs(p)"),
        ("mean((log(1 + t) - log(1 + p))**2)", "without the 1 that is added", "mean((log(t) - log(p)) ** 2)"),
        ("maximum(1 - t*p, 0)", "with minimum for maximum", "minimum(1 - t * p, 0)"),
        ("where(abs(t-p) < 1, t, p)", "with the branches exchanged", "where(abs(t - p) < 1, p, t)"),
        ("sum(sqrt(t*p))", "without sqrt", "sum(t * p)"),
        ("1 - 2*sum(t*p)/sum(t + p)", "without the factor 2", "1 - sum(t * p) / sum(t + p)"),
        ("where(t < 1, t**2/2, t - 1/2)", "without the factor 2", "where(t < 1, t ** 2, t - 1)"),
        ("mean((1-p)**2)", "with the exponent of 1 - p as a factor", "mean((1 - p) * 2)"),
    ],
)
def test_slips(text: str, words: str, wanted: str) -> None:
    assert found(text)[words] == wanted


def test_an_input_in_one_place() -> None:
    texts = {slip.text for slip in slips("mean(p - t*log(p))") if "one place" in slip.words}
    assert texts == {"mean(t - t * log(p))", "mean(p - p * log(p))", "mean(p - t * log(t))"}


def test_a_parameter_of_one_is_no_slip() -> None:
    tversky = "1 - sum(t*p)/(sum(t*p) + (0.5)*sum(t*(1-p)) + (0.5)*sum((1-t)*p))"
    assert "without the factor 0.5" in found(tversky)
    assert "without the factor 0.5" not in {slip.words for slip in slips(tversky, [0.5])}
    focal = {slip.words for slip in slips("mean(-(1-p)**(2.0)*log(p))", [2.0])}
    assert "without the power of 1 - p" not in focal
    assert "with p for 1 - p in the power" in focal


def test_what_changes_nothing_is_no_slip() -> None:
    assert "without log" not in found("mean(t - p)")
    assert list(slips("t*t")) != []
    assert "without abs" not in found("t + 2*p")


@pytest.mark.parametrize("standard", STANDARDS, ids=lambda standard: standard.title)
def test_every_slip_of_every_standard_loss_is_a_formula(standard: Standard) -> None:
    rng = np.random.default_rng(0)
    y_true, y_pred = rng.uniform(0.1, 0.9, (3, 4)), rng.uniform(0.1, 0.9, (3, 4))
    if not standard.shared:
        y_true = np.array([0, 3, 1])
    for slip in slips(standard.text({}, classes=4)):
        formula = parse_formula(slip.text)
        if standard.shared:
            with np.errstate(all="ignore"):
                assert in_floats(formula, y_true, y_pred).shape in ((3,), ())
