"""Losses against formulas: the right ones are accepted, the wrong ones refuted at their line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.formula.pairs import KERAS, RIGHT, WRONG, Example

from lossdoctor.domains.intervals import ranges
from lossdoctor.formula.compare import common, compare
from lossdoctor.formula.parse import parse_formula
from lossdoctor.formula.reading import FormulaCheck
from lossdoctor.session import Session, Settings
from lossdoctor.spec import parse_contract

SIZES = {"B": 3}


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    from lossdoctor.worker.local import LocalSession

    session = LocalSession()
    yield session
    session.close()


def compared(session: Session, target: str, specs: tuple[str, str], formula: str) -> FormulaCheck:
    session.load(target)
    contract = parse_contract(*specs)
    graph = session.trace(contract).traced
    assert graph is not None
    known = ranges(graph, contract, 1e4)
    return compare(session, parse_formula(formula), contract, graph, known, Settings(), SIZES)


def written(example: Example, folder: Path) -> str:
    # A module's name must be new in each test: the session imports it.
    path = folder / f"{example.name.replace('-', '_')}.py"
    path.write_text(example.source, encoding="utf-8")
    return f"{path}:loss"


@pytest.mark.real
@pytest.mark.parametrize("example", RIGHT, ids=lambda example: example.name)
def test_a_right_loss_is_accepted(example: Example, session: Session, tmp_path: Path) -> None:
    found = compared(session, written(example, tmp_path), example.specs, example.formula)
    assert found.difference is None and found.gradient is None
    assert found.agrees and found.gradients >= 40


@pytest.mark.real
@pytest.mark.parametrize("example", WRONG, ids=lambda example: example.name)
def test_a_wrong_loss_is_refuted_at_its_line(example: Example, session: Session, tmp_path: Path) -> None:
    found = compared(session, written(example, tmp_path), example.specs, example.formula)
    assert found.difference is not None
    assert found.calls and found.calls[-1].line == example.line
    assert example.relation in found.relation


@pytest.mark.real
@pytest.mark.parametrize(("name", "specs", "formula"), KERAS, ids=[name for name, _, _ in KERAS])
def test_the_losses_of_keras_equal_their_formulas(
    name: str, specs: tuple[str, str], formula: str, session: Session
) -> None:
    found = compared(session, f"keras.losses:{name}", specs, formula)
    assert found.difference is None and found.gradient is None
    assert found.agrees


@pytest.mark.real
def test_the_counterexample_is_plain_and_has_both_values(session: Session, tmp_path: Path) -> None:
    example = next(example for example in WRONG if example.name == "sum-for-mean")
    found = compared(session, written(example, tmp_path), example.specs, example.formula).difference
    assert found is not None
    assert found.pair.y_pred.shape == (1, 4)
    assert set(np.unique([found.pair.y_true, found.pair.y_pred])) <= {0.0, 1.0}
    np.testing.assert_allclose(found.value, 4.0 * found.expected)


@pytest.mark.real
def test_a_gradient_that_is_not_the_derivative_is_found_where_the_values_agree(
    session: Session, tmp_path: Path
) -> None:
    body = "d = y_true - y_pred\nreturn tf.reduce_mean(d * tf.stop_gradient(d), axis=-1)"
    example = Example("stopped", ("float32[B,4] real", "float32[B,4] real"), "mean((t - p)**2, axis=-1)", body)
    found = compared(session, written(example, tmp_path), example.specs, example.formula)
    assert found.difference is None and found.gradient is not None
    assert found.gradient.used == pytest.approx(0.5 * found.gradient.expected, rel=1e-4)


@pytest.mark.parametrize(
    ("value", "expected", "reduction"),
    [
        ((3,), (3,), ""),
        ((3, 1), (3,), ""),
        ((3,), (), "loss to its mean"),
        ((), (3,), "formula to its mean"),
        ((3, 2), (3,), "loss to its mean for each sample"),
    ],
)
def test_up_to_the_reduction(value: tuple[int, ...], expected: tuple[int, ...], reduction: str) -> None:
    found = common(np.ones(value), np.ones(expected))
    assert found is not None and found[0].shape == found[1].shape and found[2] == reduction


def test_another_axis_is_no_reduction() -> None:
    assert common(np.ones(4), np.ones(3)) is None
