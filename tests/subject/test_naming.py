"""Names of wrappers are those that Keras gives."""

from __future__ import annotations

import pytest

from lossdoctor.subject.naming import scope_name

NAMES = ("<lambda>", "FocalLoss", "dice_loss", "DiceBCE", "BCEDice", "Loss2D", "_Private", "aB", "ABc", "A1B", "lossV2")


@pytest.mark.real
@pytest.mark.parametrize("name", NAMES)
def test_the_name_is_that_of_keras(name: str) -> None:
    import keras

    made = type(name, (keras.losses.Loss,), {"call": lambda self, y_true, y_pred: y_pred})()
    assert keras.losses.Loss.get_config(made)["name"].startswith(scope_name(name))
