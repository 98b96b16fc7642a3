"""The catalogue against Keras itself: every loss is there, and every formula computes what Keras computes."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from lossdoctor.formula.evaluate import in_floats
from lossdoctor.formula.parse import parse_formula
from lossdoctor.spec import parse_contract, sample
from lossdoctor.standards.catalogue import STANDARDS, Standard

pytestmark = pytest.mark.real
# Not formulas over arrays: an alignment, and all pairs of a batch. `compare` runs Keras's own.
WITHOUT_FORMULA = {"CTC", "Circle"}
# Keras turns labels 0 and 1 into -1 and 1 by looking at them; the formulas say which.
KINDS = {"label": "int32[B] label(4)", "sign": "float32[B,4] sign"}


def test_every_loss_of_keras_is_in_the_catalogue() -> None:
    import keras

    classes = {
        name
        for name, value in vars(keras.losses).items()
        if inspect.isclass(value) and issubclass(value, keras.losses.Loss) and value is not keras.losses.Loss
    }
    assert classes == {standard.name for standard in STANDARDS} | WITHOUT_FORMULA


def specs(standard: Standard) -> tuple[str, str]:
    true = standard.true[0] if standard.true else "positive"
    pred = standard.pred[0] if standard.pred else ("real" if true in ("sign", "onehot") else "positive")
    return KINDS.get(true, f"float32[B,4] {true}"), f"float32[B,4] {pred}"


@pytest.mark.parametrize("standard", STANDARDS, ids=lambda standard: standard.title)
@pytest.mark.parametrize("shifted", [False, True], ids=["defaults", "other parameters"])
def test_formulas_compute_what_keras_computes(standard: Standard, shifted: bool) -> None:
    import keras

    parameters = {name: value * 0.5 + 0.1 for name, value in standard.defaults.items()} if shifted else {}
    arguments = {name: float(value) for name, value in {**standard.defaults, **parameters}.items()}
    for item in filter(None, standard.arguments.split(", ")):
        arguments[item.split("=")[0]] = True
    loss = getattr(keras.losses, standard.name)(reduction=None, **arguments)
    contract = parse_contract(*specs(standard))
    assert standard.accepts(contract)
    rng = np.random.default_rng(1)
    formula = parse_formula(standard.text(parameters, classes=4))
    for _ in range(4):
        y_true, y_pred = (sample(spec, rng, {"B": 3}, style="realistic") for spec in (contract.y_true, contract.y_pred))
        ours = in_floats(formula, y_true, y_pred)
        theirs = np.asarray(loss.call(y_true, y_pred.astype(np.float64)), np.float64)
        assert ours.shape == theirs.shape
        assert np.allclose(ours, theirs, rtol=2e-5, atol=1e-6)


def test_what_is_not_made_for_the_specs_is_left_out() -> None:
    def accepted(y_true: str, y_pred: str) -> set[str]:
        contract = parse_contract(y_true, y_pred)
        return {standard.name for standard in STANDARDS if standard.accepts(contract)}

    real = accepted("float32[B,4] real", "float32[B,4] real")
    assert {"MeanSquaredError", "Huber"} <= real and "BinaryCrossentropy" not in real
    assert accepted("float32[B] real", "float32[B,4] real") == set()
