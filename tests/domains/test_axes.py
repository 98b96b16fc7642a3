"""Origins of axes, and which broadcasts are accidents."""

import pytest

from lossdoctor.domains.axes import axes, broadcasts
from lossdoctor.graph.ir import LossGraph
from lossdoctor.graph.parse import parse


def loss(text: str) -> LossGraph:
    graph = parse(text)
    assert isinstance(graph, LossGraph)
    return graph


def difference(true: str, pred: str, result: str, op: str = "subtract") -> LossGraph:
    return loss(f"""
    loss(%0 y_true: f32[{true}], %1 y_pred: f32[{pred}]) -> %2, gradients none
      %2: f32[{result}] = {op} %0 %1
    """)


@pytest.mark.parametrize(
    ("true", "pred", "result"),
    [("B", "B,1", "B,B"), ("B,1", "B", "B,B"), ("B", "B,10", "?,10"), ("B,T", "B,T,1", "B,B,T"),
     ("B,4", "B,9,4", "?,?,4"), ("24", "24,1", "24,24")],
)  # fmt: skip
def test_a_left_padded_batch_axis_is_an_accident(true: str, pred: str, result: str) -> None:
    (found,) = broadcasts(difference(true, pred, result))
    assert found.accidental and found.why
    assert found.left_shape == tuple(int(d) if d.isdigit() else d for d in true.split(","))


@pytest.mark.parametrize(
    ("true", "pred", "result"),
    [("B,4", "B,4", "B,4"), ("4", "B,4", "B,4"), ("B,1", "1,B", "B,B"), ("B", "B,B", "B,B"), ("?", "B,1", "B,?"),
     ("B,1,4", "B,9,4", "B,9,4")],
)  # fmt: skip
def test_aligned_axes_are_no_accident(true: str, pred: str, result: str) -> None:
    assert not any(found.accidental or found.stretch for found in broadcasts(difference(true, pred, result)))


def test_one_target_for_many_outputs_is_a_stretch() -> None:
    (found,) = broadcasts(difference("B,1", "B,10", "B,10"))
    assert found.stretch and not found.accidental and "10" in found.why
    assert not broadcasts(difference("B,1", "B,10", "B,10", op="multiply"))[0].stretch


def test_quantiles_give_each_output_its_own_factor() -> None:
    graph = loss("""
    loss(%0 y_true: f32[B,1], %1 y_pred: f32[B,3]) -> %4, gradients none
      %2: f32[B,3] = subtract %0 %1
      %3: f32[3] = constant {0.1 0.5 0.9}
      %4: f32[B,3] = multiply %3 %2
    """)
    assert not any(found.stretch for found in broadcasts(graph))


@pytest.mark.parametrize(("spread", "stretch"), [("%4", False), ("%3", True)])
def test_mixtures_give_each_output_its_own_parameter(spread: str, stretch: bool) -> None:
    """(t - mean) / spread is meant where the spread is another part of y_pred, not where it is the mean itself."""
    graph = loss(f"""
    loss(%0 y_true: f32[B,1], %1 y_pred: f32[B,6]) -> %7, gradients none
      %2: f32[B,6] = square %1
      %3: f32[B,3] = strided_slice %1
      %4: f32[B,3] = strided_slice %2
      %5: f32[B,3] = subtract %0 %3
      %6: f32[B,3] = abs {spread}
      %7: f32[B,3] = divide %5 %6
    """)
    assert any(found.stretch for found in broadcasts(graph)) == stretch


def test_pairs_of_one_tensor_are_meant() -> None:
    graph = loss("""
    loss(%0 y_true: f32[B], %1 y_pred: f32[B]) -> %3, gradients none
      %2: f32[B,1] = expand_dims %1 axis=1
      %3: f32[B,B] = subtract %2 %1
    """)
    assert axes(graph)[2] is not None and [axis.origin for axis in axes(graph)[2] or ()] == ["input", "explicit"]
    assert not broadcasts(graph)[0].accidental


def test_an_expanded_target_against_flat_predictions_is_an_accident() -> None:
    graph = loss("""
    loss(%0 y_true: f32[B], %1 y_pred: f32[B]) -> %3, gradients none
      %2: f32[B,1] = expand_dims %0 axis=-1
      %3: f32[B,B] = subtract %2 %1
    """)
    assert broadcasts(graph)[0].accidental


def test_pairwise_rows_with_an_axis_put_in_are_meant() -> None:
    graph = loss("""
    loss(%0 y_true: f32[B,8], %1 y_pred: f32[B,8]) -> %3, gradients none
      %2: f32[B,1,8] = expand_dims %1 axis=1
      %3: f32[B,B,8] = subtract %2 %0
    """)
    assert not broadcasts(graph)[0].accidental


def test_weights_per_sample_against_a_map_are_an_accident() -> None:
    graph = loss("""
    loss(%0 y_true: f32[B,6], %1 y_pred: f32[B,6]) -> %4, gradients none
      %2: f32[B] = sum %0 axis=-1
      %3: f32[B,6] = abs %1
      %4: f32[?,6] = multiply %2 %3
    """)
    assert [found.accidental for found in broadcasts(graph)] == [True]


def test_keepdims_and_constants_are_meant() -> None:
    graph = loss("""
    loss(%0 y_true: f32[B,6], %1 y_pred: f32[B,6]) -> %7, gradients none
      %2: f32[B,1] = sum %0 axis=-1 keepdims=True
      %3: f32[B,6] = divide %1 %2
      %4: f32[6] = constant {1.0 2.0 3.0 4.0 5.0 6.0}
      %5: f32[B,6] = multiply %3 %4
      %6: f32[B,1] = sum %1 axis=-1 keepdims=True
      %7: f32[B,6] = subtract %5 %6
    """)
    assert [axis.origin for axis in axes(graph)[2] or ()] == ["input", "kept"]
    assert not any(found.accidental or found.stretch for found in broadcasts(graph))


def test_a_sliced_mask_channel_is_meant() -> None:
    graph = loss("""
    loss(%0 y_true: f32[B,9,5], %1 y_pred: f32[B,9,5]) -> %3, gradients none
      %2: f32[B,9,1] = strided_slice %0
      %3: f32[B,9,5] = subtract %2 %1
    """)
    assert not any(found.stretch for found in broadcasts(graph))


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "accidents"), [("flat", 1), ("reshaped", 0), ("pairwise", 0), ("gram", 0), ("weights", 1)]
)
def test_broadcasts_of_traced_losses(name: str, accidents: int) -> None:
    tf = pytest.importorskip("tensorflow")
    from lossdoctor.graph.frontend_tf import trace
    from lossdoctor.spec import parse_contract

    def gram(t, p):
        same = tf.cast(t[:, None] == t[None, :], tf.float32)
        scores = tf.matmul(p, p, transpose_b=True) - tf.reduce_logsumexp(p, axis=-1, keepdims=True)
        return tf.reduce_mean(same * scores, axis=-1)

    losses = {
        "flat": (lambda t, p: tf.reduce_mean(tf.abs(t - p), -1), "float32[B] real", "float32[B,1] real"),
        "reshaped": (lambda t, p: tf.abs(tf.reshape(t, (-1, 1)) - p), "float32[B] real", "float32[B,1] real"),
        "pairwise": (
            lambda t, p: tf.reduce_mean(tf.abs((t[:, None] - t) * (p[:, None] - p)), -1),
            "float32[B] real",
            "float32[B] real",
        ),
        "gram": (gram, "float32[B] real", "float32[B,4] real"),
        "weights": (
            lambda t, p: tf.reduce_max(t, -1) * tf.square(t - p),
            "float32[B,7] real",
            "float32[B,7] real",
        ),
    }
    function, true, pred = losses[name]
    found = broadcasts(trace(function, parse_contract(true, pred)).traced)
    assert sum(one.accidental for one in found) == accidents
    assert not any(one.stretch for one in found)


@pytest.mark.parametrize(("made", "accident"), [("%5", True), ("%6", False)])
def test_a_mask_with_its_new_axis_in_the_middle(made: str, accident: bool) -> None:
    graph = loss(f"""
    loss(%0 y_true: f32[B,7], %1 y_pred: f32[B,7]) -> %7, gradients none
      %2: f32[] = constant {{0.0}}
      %3: bool[B,7] = not_equal %0 %2
      %4: f32[B,7] = astype %3 dtype='float32'
      %5: f32[B,1,7] = expand_dims %4 axis=1
      %6: f32[B,1,7] = expand_dims %0 axis=1
      %7: f32[B,B,7] = multiply %1 {made}
    """)
    assert [found.accidental for found in broadcasts(graph)] == [accident]
