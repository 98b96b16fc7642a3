"""The decorator that states a contract."""

import functools

import pytest

from lossdoctor.contract import contract, contract_of, stated_of
from lossdoctor.findings import UsageError

SPEC = "float32[B,4] real"


def test_the_loss_is_returned_as_it_is():
    def loss(y_true, y_pred):
        return y_true - y_pred

    assert contract(y_true=SPEC, y_pred=SPEC)(loss) is loss
    assert contract_of(lambda y_true, y_pred: 0) is None


def test_the_contract_is_found_through_wrappers_and_instances():
    @contract(y_true=SPEC, y_pred="float32[B,4] unit", formula="y_true - y_pred")
    def loss(y_true, y_pred, scale=1.0):
        return scale * (y_true - y_pred)

    @functools.wraps(loss)
    def wrapped(*arguments):
        return loss(*arguments)

    @contract(y_true=SPEC, y_pred=SPEC)
    class Loss:
        pass

    for item in (loss, wrapped, functools.partial(loss, scale=2.0)):
        found = contract_of(item)
        assert str(found.y_pred) == "float32[B,4] unit"
        assert found.origin == "contract"
    assert contract_of(Loss()) is not None
    assert stated_of(loss).formula == "y_true - y_pred"


def test_a_wrong_spec_is_an_error_of_the_examination_not_of_the_program():
    @contract(y_true="float[B]", y_pred=SPEC)
    def loss(y_true, y_pred):
        return y_true - y_pred

    assert loss(3, 1) == 2
    with pytest.raises(UsageError, match="did you mean `float32`"):
        contract_of(loss)
