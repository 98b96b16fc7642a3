"""What nodes depend on, where gradients end, and which terms of a loss have none."""

import numpy as np
import pytest

from lossdoctor.domains.dependence import cuts, dependence
from lossdoctor.domains.terms import terms
from lossdoctor.graph.ir import LossGraph
from lossdoctor.graph.parse import parse


def loss(text: str) -> LossGraph:
    graph = parse(text)
    assert isinstance(graph, LossGraph)
    return graph


HISTOGRAM = """
loss(%0 y_true: f32[B,4], %1 y_pred: f32[B,4]) -> %9, gradients none
  %2: f32[B,4] = squared_difference %0 %1
  %3: f32[B] = mean %2 axis=-1
  %4: i32[B,4] = astype %1 dtype='int32'
  %5: f32[B,4] = astype %4 dtype='float32'
  %6: f32[B] = mean %5 axis=-1
  %7: f32[] = constant {5.0}
  %8: f32[B] = multiply %7 %6
  %9: f32[B] = add %3 %8
"""


def test_an_integer_cast_cuts_one_term() -> None:
    graph = loss(HISTOGRAM)
    reading = dependence(graph)
    assert reading[5].y_pred and not reading[5].connected
    assert reading[9].connected
    assert [(cut.node, cut.reason) for cut in cuts(graph)] == [(4, "none")]
    first, second = terms(graph)
    assert first.node == 2 and first.connected and first.cut is None
    assert second.depends and not second.connected and second.weight == 5.0
    assert second.cut is not None and second.cut.node == 4


def test_a_mask_on_a_connected_factor_is_one_connected_term() -> None:
    graph = loss("""
    loss(%0 y_true: f32[B,4], %1 y_pred: f32[B,4]) -> %7, gradients none
      %2: f32[] = constant {0.5}
      %3: bool[B,4] = greater %1 %2
      %4: f32[B,4] = astype %3 dtype='float32'
      %5: f32[B,4] = abs %1
      %6: f32[B,4] = multiply %4 %5
      %7: f32[B] = sum %6 axis=-1
    """)
    (term,) = terms(graph)
    assert term.connected and term.cut is None
    assert [cut.node for cut in cuts(graph)] == [3]


def test_a_stabilising_stop_gradient_is_deliberate() -> None:
    graph = loss("""
    loss(%0 y_true: f32[B,4], %1 y_pred: f32[B,4]) -> %8, gradients none
      %2: f32[B,1] = max %1 axis=-1 keepdims=True
      %3: f32[B,1] = stop_gradient %2
      %4: f32[B,4] = subtract %1 %3
      %5: f32[B,4] = exp %4
      %6: f32[B,1] = sum %5 axis=-1 keepdims=True
      %7: f32[B,1] = log %6
      %8: f32[B,1] = add %7 %3
    """)
    stopped, kept = terms(graph)
    assert kept.connected
    assert not stopped.connected and stopped.cut is not None and stopped.cut.reason == "stop"


def test_a_straight_through_estimator_is_deliberate() -> None:
    """x + stop_gradient(round(x) - x): round cuts, but the author put a stop behind it."""
    graph = loss("""
    loss(%0 y_true: f32[B], %1 y_pred: f32[B]) -> %5, gradients none
      %2: f32[B] = round %1
      %3: f32[B] = subtract %2 %1
      %4: f32[B] = stop_gradient %3
      %5: f32[B] = add %1 %4
    """)
    through, stopped = terms(graph)
    assert through.connected
    assert dependence(graph)[4].link == "stopped"
    assert stopped.cut is not None and stopped.cut.reason == "stop"


def test_sign_is_connected_but_dead() -> None:
    graph = loss("""
    loss(%0 y_true: f32[B], %1 y_pred: f32[B]) -> %2, gradients none
      %2: f32[B] = sign %1
    """)
    assert dependence(graph)[2].connected and dependence(graph)[2].dead
    assert cuts(graph) == ()


def test_shapes_and_targets_are_no_dependence_on_predictions() -> None:
    graph = loss("""
    loss(%0 y_true: f32[B], %1 y_pred: f32[B]) -> %5, gradients none
      %2: f32[B] = zeros_like %1
      %3: f32[B] = add %0 %2
      %4: f32[B] = subtract %3 %1
      %5: f32[B] = negative %4
    """)
    reading = dependence(graph)
    assert reading[2].sources == frozenset()
    assert reading[3].sources == {"y_true"}
    assert [(term.node, term.sign, term.depends) for term in terms(graph)] == [(1, 1, True), (3, -1, False)]


def test_random_numbers_and_variables_are_sources() -> None:
    graph = loss("""
    loss(%0 y_true: f32[B], %1 y_pred: f32[B]) -> %4, gradients none
      %2: f32[] = variable {2.0}
      %3: f32[B] = multiply %2 %0
      %4: f32[B] = add %3 %1
    """)
    assert dependence(graph)[3].sources == {"y_true", "variables"}
    assert dependence(graph)[4].sources == {"y_true", "y_pred", "variables"}


def test_control_flow_joins_its_bodies() -> None:
    graph = loss("""
    loss(%0 y_true: f32[B], %1 y_pred: f32[B]) -> %4, gradients none
      %2: bool[] = constant {True}
      %3: tuple[...] = cond %2 %1 {
        body(%0: f32[B]) -> %1
          %1: f32[B] = round %0
        body(%0: f32[B]) -> %0
      }
      %4: f32[B] = item %3 index=0
    """)
    assert dependence(graph)[4].connected
    both = loss("""
    loss(%0 y_true: f32[B], %1 y_pred: f32[B]) -> %4, gradients none
      %2: bool[] = constant {True}
      %3: tuple[...] = cond %2 %1 {
        body(%0: f32[B]) -> %1
          %1: f32[B] = round %0
        body(%0: f32[B]) -> %1
          %1: f32[B] = floor %0
      }
      %4: f32[B] = item %3 index=0
    """)
    assert not dependence(both)[4].connected and dependence(both)[4].y_pred
    assert [cut.node for cut in cuts(both)] == [3]


def test_many_terms_stay_bounded() -> None:
    lines = ["loss(%0 y_true: f32[B], %1 y_pred: f32[B]) -> %60, gradients none"]
    lines += [f"  %{i}: f32[B] = add %{i - 1} %{i - 1}" for i in range(2, 61)]
    assert len(terms(loss("\n".join(lines)))) >= 1


@pytest.mark.real
def test_terms_of_a_traced_loss() -> None:
    tf = pytest.importorskip("tensorflow")
    from lossdoctor.graph.frontend_tf import trace
    from lossdoctor.spec import parse_contract

    contract = parse_contract("float32[B,5] onehot", "float32[B,5] logit")

    def accuracy_term(y_true, y_pred):
        entropy = tf.nn.softmax_cross_entropy_with_logits(y_true, y_pred)
        hit = tf.cast(tf.equal(tf.argmax(y_true, -1), tf.argmax(y_pred, -1)), tf.float32)
        return entropy - 0.1 * hit

    def healthy(y_true, y_pred):
        scores = tf.reduce_logsumexp(y_pred, axis=-1) - tf.reduce_sum(y_true * y_pred, axis=-1)
        hard = tf.cast(tf.reduce_max(y_pred, -1) > 0.5, tf.float32)
        return scores * (1.0 + hard) + tf.reduce_sum(y_true, -1)

    bad = [term for term in terms(trace(accuracy_term, contract).traced) if term.depends and not term.connected]
    assert [term.sign for term in bad] == [-1] and bad[0].weight == pytest.approx(np.float32(-0.1))
    assert bad[0].cut is not None and bad[0].cut.reason == "none"
    good = terms(trace(healthy, contract).traced)
    assert all(term.connected or not term.depends for term in good)


def test_a_count_of_what_was_selected_is_a_cut_term() -> None:
    """The number of rows of `where` depends on the prediction; without a mask of it, a size is no dependence."""
    text = """
    loss(%0 y_true: f32[B,4], %1 y_pred: f32[B,4]) -> %10, gradients none
      %2: f32[B,4] = squared_difference %0 %1
      %3: f32[] = constant {{0.5}}
      %4: bool[B,4] = greater {0} %3
      %5: i64[?,2] = nonzero %4
      %6: i32[2] = shape %5 dtype='int32'
      %7: i32[] = sum %6
      %8: f32[] = astype %7 dtype='float32'
      %9: f32[B,4] = add %2 %8
      %10: f32[B] = mean %9 axis=-1
    """
    counted = loss(text.format("%1"))
    assert dependence(counted)[8].y_pred and not dependence(counted)[8].connected
    assert [term.cut.node for term in terms(counted) if term.cut is not None] == [4]
    assert not dependence(loss(text.format("%0")))[8].y_pred


def test_a_value_put_into_a_variable_is_cut() -> None:
    graph = loss("""
    loss(%0 y_true: f32[B,4], %1 y_pred: f32[B,4]) -> %5, gradients none
      %2: f32[B,4] = squared_difference %0 %1
      %3: f32[B,4] = assigned %1
      %4: f32[B,4] = add %2 %3
      %5: f32[B] = mean %4 axis=-1
    """)
    assert [(term.connected, term.cut and term.cut.node) for term in terms(graph)] == [(True, None), (False, 3)]


@pytest.mark.parametrize("gradient", ["%7", "none"])
def test_a_custom_gradient_replaces_that_of_what_is_behind_it(gradient: str) -> None:
    graph = loss(f"""
    loss(%0 y_true: f32[B,4], %1 y_pred: f32[B,4]) -> %6, gradients {gradient}
      %2: f32[B,4] = squared_difference %0 %1
      %3: f32[B,4] = round %1
      %4: f32[B,4] = identity %3 custom=True
      %5: f32[B,4] = add %2 %4
      %6: f32[B] = mean %5 axis=-1
      %7: f32[B,4] = zeros_like %1
    """)
    assert [term.connected for term in terms(graph)] == [True, gradient != "none"]
