"""The machine reads a graph node by node with the program's dtypes."""

from __future__ import annotations

import numpy as np
import pytest

from lossdoctor.domains.machine import UNKNOWN, machine
from lossdoctor.graph.ir import Graph, Node


def node(
    place: int, op: str, *args: int, shape: tuple[int | str, ...] | None = (), dtype: str = "float32", **facts
) -> Node:
    return Node(place, op, args, shape, dtype, **facts)


def argument(place: int, index: int, shape: tuple[int | str, ...] = (), dtype: str = "float32") -> Node:
    return Node(place, "input", (), shape, dtype, {"role": "argument", "index": index})


def chain(*nodes: Node, inputs: tuple[int, ...] = (0,)) -> Graph:
    return Graph(nodes, inputs, (len(nodes) - 1,))


def single(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_mean_squared_error() -> None:
    graph = chain(
        node(0, "input", shape=("B", 3)),
        node(1, "input", shape=("B", 3)),
        node(2, "subtract", 0, 1, shape=("B", 3)),
        node(3, "square", 2, shape=("B", 3)),
        node(4, "mean", 3, shape=("B",), attrs={"axis": (-1,)}),
        inputs=(0, 1),
    )
    t, p = np.zeros((2, 3), np.float32), np.array([[1, 2, 3], [0, 0, 6]], np.float32)
    reading = machine(graph, {0: t, 1: p})
    np.testing.assert_allclose(reading[4], [14 / 3, 12], rtol=1e-6)
    assert reading[4].dtype == np.float32 and not reading.gaps


def test_float32_overflows_where_float64_does_not() -> None:
    for dtype, finite in (("float32", False), ("float64", True)):
        graph = chain(node(0, "input", dtype=dtype), node(1, "exp", 0, dtype=dtype))
        assert bool(np.isfinite(machine(graph, {0: np.array(100.0, dtype)})[1])) == finite


@pytest.mark.parametrize(("dtype", "tiny"), [("float32", 1e-40), ("float64", 1e-310)])
def test_denormals_are_zero_in_arithmetic_and_kept_by_moves(dtype: str, tiny: float) -> None:
    graph = chain(
        node(0, "input", shape=(1,), dtype=dtype),
        node(1, "log", 0, shape=(1,), dtype=dtype),
        node(2, "negative", 0, shape=(1,), dtype=dtype),
        node(3, "reshape", 2, shape=(1, 1), dtype=dtype),
    )
    reading = machine(graph, {0: np.array([tiny], dtype)})
    assert reading[1] == -np.inf
    assert reading[3] == -np.array(tiny, dtype)


def test_products_that_are_denormal_are_zero() -> None:
    graph = chain(node(0, "input"), node(1, "multiply", 0, 0))
    result = machine(graph, {0: np.float32(1e-20) * np.ones((), np.float32)})[1]
    assert result == 0 and not np.signbit(result)


def test_half_precision_has_denormals() -> None:
    graph = chain(node(0, "input", dtype="float16"), node(1, "add", 0, 0, dtype="float16"))
    assert machine(graph, {0: np.array(6e-8, np.float16)})[1] == np.float16(1.2e-7)


def test_dims_and_parameters_take_their_sizes() -> None:
    graph = chain(
        node(0, "input", shape=("B", 4)),
        node(1, "dims", dtype="float32", attrs={"value": "4*B"}),
        node(2, "reshape", 0, shape=("2*B", 2)),
        node(3, "strided_slice", 2, shape=("B", 2), attrs={"begin": (0, 0), "end": ("B", 2), "strides": (1, 1)}),
        node(4, "sum", 3, attrs={"axis": (0, 1)}),
        node(5, "divide", 4, 1),
    )
    reading = machine(graph, {0: np.ones((3, 4), np.float32)})
    assert reading[1] == 12 and reading[2].shape == (6, 2) and reading[3].shape == (3, 2)
    assert reading[5] == 0.5 and not reading.gaps


def test_a_parameter_that_is_computed_comes_as_an_argument() -> None:
    graph = chain(
        node(0, "input", shape=(4,)),
        node(1, "input", shape=(1,), dtype="int32"),
        node(2, "input", shape=(1,), dtype="int32"),
        node(3, "strided_slice", 0, 1, 2, shape=("?",), attrs={"begin": None, "end": None, "strides": (1,)}),
        inputs=(0, 1, 2),
    )
    reading = machine(graph, {0: single(1, 2, 3, 4), 1: np.array([1], np.int32), 2: np.array([3], np.int32)})
    np.testing.assert_array_equal(reading[3], [2, 3])


def test_tuples_and_items() -> None:
    graph = chain(
        node(0, "input", shape=(1, 3)),
        node(1, "top_k", 0, shape=None, dtype="tuple", attrs={"k": 2}),
        node(2, "item", 1, shape=(1, 2), attrs={"index": 0}),
        node(3, "item", 1, shape=(1, 2), dtype="int32", attrs={"index": 1}),
    )
    reading = machine(graph, {0: np.array([[1, 5, 3]], np.float32)})
    np.testing.assert_array_equal(reading[2], [[5, 3]])
    np.testing.assert_array_equal(reading[3], [[1, 2]])


@pytest.mark.parametrize(("decider", "expected"), [(True, 9.0), (False, -3.0)])
def test_cond_takes_one_body(decider: bool, expected: float) -> None:
    otherwise = chain(argument(0, 0), node(1, "negative", 0))
    then = chain(argument(0, 0), node(1, "square", 0))
    graph = chain(
        node(0, "input", dtype="bool"), node(1, "input"), node(2, "cond", 0, 1, bodies=(otherwise, then)), inputs=(0, 1)
    )
    assert machine(graph, {0: np.array(decider), 1: np.array(3.0, np.float32)})[2] == expected


def loop(limit: float) -> Graph:
    """Doubles the second variable while the first is below a limit."""
    one = node(2, "constant", constant=np.array(1.0, np.float32))
    condition = chain(
        argument(0, 0),
        argument(1, 1),
        node(2, "constant", constant=np.array(limit, np.float32)),
        node(3, "less", 0, 2, dtype="bool"),
        inputs=(0, 1),
    )
    body = Graph((argument(0, 0), argument(1, 1), one, node(3, "add", 0, 2), node(4, "add", 1, 1)), (0, 1), (3, 4))
    return chain(
        node(0, "input"),
        node(1, "input"),
        node(2, "while", 0, 1, shape=None, dtype="tuple", bodies=(condition, body)),
        node(3, "item", 2, attrs={"index": 1}),
        inputs=(0, 1),
    )


def test_while_runs_its_body() -> None:
    start = {0: np.array(0.0, np.float32), 1: np.array(1.0, np.float32)}
    assert machine(loop(5.0), start)[3] == 32.0


def test_a_loop_without_end_is_unknown() -> None:
    start = {0: np.array(0.0, np.float32), 1: np.array(1.0, np.float32)}
    reading = machine(loop(np.inf), start)
    assert reading[3] is UNKNOWN
    assert [gap.op for gap in reading.gaps] == ["while"]


def test_an_unknown_operation_is_one_gap() -> None:
    graph = chain(node(0, "input"), node(1, "tf.Strange", 0), node(2, "exp", 1), node(3, "negative", 0))
    reading = machine(graph, {0: np.array(1.0, np.float32)})
    assert [gap.op for gap in reading.gaps] == ["tf.Strange"]
    assert reading[1] is UNKNOWN and reading[2] is UNKNOWN
    assert reading[3] == -1


def test_what_tensorflow_refuses_is_unknown() -> None:
    graph = chain(
        node(0, "input", shape=(3,)),
        node(1, "input", shape=(1,), dtype="int32"),
        node(2, "take", 0, 1, shape=(1,), attrs={"axis": 0}),
        inputs=(0, 1),
    )
    reading = machine(graph, {0: single(1, 2, 3), 1: np.array([3], np.int32)})
    assert reading[2] is UNKNOWN and len(reading.gaps) == 1


def test_a_result_against_the_graph_is_unknown() -> None:
    wrong_shape = chain(node(0, "input", shape=(3,)), node(1, "exp", 0, shape=(4,)))
    wrong_dtype = chain(node(0, "input", shape=(3,)), node(1, "exp", 0, shape=(3,), dtype="float64"))
    for graph in (wrong_shape, wrong_dtype):
        assert machine(graph, {0: single(1, 2, 3)})[1] is UNKNOWN


def test_rows_are_chosen_only_where_that_is_certain() -> None:
    condition, x = np.array([True, False]), np.array([[1, 2], [3, 4]], np.float32)
    found = {}
    for rows in (True, False, None):
        attrs = {} if rows is None else {"rows": rows}
        graph = chain(
            node(0, "input", shape=(2,), dtype="bool"),
            node(1, "input", shape=(2, 2)),
            node(2, "negative", 1, shape=(2, 2)),
            node(3, "where", 0, 1, 2, shape=(2, 2), attrs=attrs),
            inputs=(0, 1),
        )
        found[rows] = machine(graph, {0: condition, 1: x})[3]
    np.testing.assert_array_equal(found[True], [[1, 2], [-3, -4]])
    np.testing.assert_array_equal(found[False], [[1, -2], [3, -4]])
    assert found[None] is UNKNOWN


@pytest.mark.real
@pytest.mark.parametrize(
    "name", ["crossentropy", "huber", "ssim", "cond", "map_fn", "while_loop", "cholesky", "top_k", "boolean_mask"]
)
def test_value_and_gradient_agree_with_tensorflow(name: str) -> None:
    tf = pytest.importorskip("tensorflow")
    from lossdoctor.graph.frontend_tf import trace
    from lossdoctor.session import Pair
    from lossdoctor.spec import Contract, Spec

    losses = {
        "crossentropy": lambda t, p: tf.nn.softmax_cross_entropy_with_logits(tf.nn.softmax(t), p),
        "huber": lambda t, p: tf.reduce_mean(tf.where(tf.abs(p - t) < 1, (p - t) ** 2 / 2, tf.abs(p - t) - 0.5), -1),
        "ssim": lambda t, p: 1 - tf.image.ssim(t, p, 1.0, filter_size=5),
        "cond": lambda t, p: tf.cond(tf.reduce_sum(p) > 0, lambda: p * 2, lambda: tf.exp(p)),
        "map_fn": lambda t, p: tf.map_fn(
            lambda x: tf.reduce_sum(tf.square(x[0] - x[1])), (t, p), fn_output_signature=tf.float32
        ),
        "while_loop": lambda t, p: tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * p), (0, p))[1],
        "cholesky": lambda t, p: tf.linalg.cholesky(tf.matmul(p, p, transpose_a=True) + 3 * tf.eye(5)),
        "top_k": lambda t, p: tf.math.top_k(p, 2).values,
        "boolean_mask": lambda t, p: tf.boolean_mask(p, t > 0),
    }
    dims = ("B", 12, 12, 1) if name == "ssim" else ("B", 5)
    live = trace(losses[name], Contract(Spec("float32", dims), Spec("float32", dims)))
    rng = np.random.default_rng(2)
    t, p = (rng.normal(size=(4, *dims[1:])).astype(np.float32) for _ in range(2))
    (expected,) = live.run([Pair(t, p)])
    assert expected.value is not None and expected.gradients[0] is not None
    for graph in (live.traced, live.optimised):
        assert graph is not None and graph.gradients[0] is not None
        reading = machine(graph, {graph.y_true[0]: t, graph.y_pred[0]: p})
        assert not reading.gaps
        np.testing.assert_allclose(reading[graph.value], expected.value, rtol=2e-4, atol=1e-5)
        np.testing.assert_allclose(reading[graph.gradients[0]], expected.gradients[0], rtol=2e-4, atol=1e-5)
