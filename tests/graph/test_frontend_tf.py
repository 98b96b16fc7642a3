"""TensorFlow losses become small graphs: canonical operations, exact places, shapes in the names of the spec."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lossdoctor.graph.ir import Graph, LossGraph
from lossdoctor.graph.parse import parse
from lossdoctor.graph.text import same
from lossdoctor.session import Pair
from lossdoctor.spec import parse_contract

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

VECTOR = "float32[B,3] real"
IMAGE = "float32[B,H,W,1] unit"


def live(loss: Callable[..., Any], y_true: str = VECTOR, y_pred: str = VECTOR) -> Any:
    from lossdoctor.graph.frontend_tf import trace

    return trace(loss, parse_contract(y_true, y_pred))


def graph(name: str, y_true: str = VECTOR, y_pred: str = VECTOR) -> LossGraph:
    from tests.graph import losses

    return live(getattr(losses, name), y_true, y_pred).traced


def pair(seed: int, shape: tuple[int, ...] = (5, 3)) -> Pair:
    rng = np.random.default_rng(seed)
    return Pair(rng.uniform(0.1, 0.9, shape).astype("f"), rng.uniform(0.1, 0.9, shape).astype("f"))


def test_mean_squared_error_is_ten_nodes_without_shape_arithmetic() -> None:
    import keras

    loss = live(keras.losses.mean_squared_error).traced
    forward = [node.op for node in loss.nodes if node.role == "forward"]
    assert forward == ["input", "input", "subtract", "square", "mean"]
    assert loss[loss.value].attrs["axis"] == -1
    assert loss[loss.value].shape == ("B",)
    gradient = [node.op for node in loss.nodes if node.role == "gradient"]
    assert len(gradient) <= 11
    assert not {"dims", "shape", "prod"} & set(gradient)
    assert loss[loss.gradients[0]].shape == ("B", 3)  # type: ignore[index]


def test_each_operation_of_a_line_has_its_own_expression() -> None:
    loss = graph("cross_entropy")
    texts = {node.op: node.call for node in loss.where(role="forward") if node.calls}
    assert texts["negative"] == "-y_true"
    assert texts["log"] == "ops.log(ops.clip(y_pred, 1e-7, 1.0))"
    assert texts["maximum"] == texts["minimum"] == "ops.clip(y_pred, 1e-7, 1.0)"
    assert texts["multiply"] == "-y_true * ops.log(ops.clip(y_pred, 1e-7, 1.0))"
    log = next(loss.where("log"))
    assert log.span is not None
    assert (log.span.column, log.span.end_column, log.span.function) == (31, 67, "cross_entropy")


def test_gradient_nodes_know_their_forward_node() -> None:
    loss = graph("cross_entropy")
    reciprocal = next(loss.where("reciprocal"))
    assert reciprocal.role == "gradient"
    assert loss.origin(reciprocal).op == "log"
    assert loss.calls(reciprocal)[-1].text.startswith("ops.log(")
    assert all(loss.origin(node).role == "forward" for node in loss.where(role="gradient"))


def test_helpers_methods_decorators_and_lambdas_keep_all_frames() -> None:
    from tests.graph import losses

    log = next(live(losses.Weighted().call).traced.where("log"))
    assert [span.function for span in log.calls] == ["Weighted.call", "cross_entropy"]
    absolute = next(graph("decorated").where("abs"))
    assert [span.function for span in absolute.calls] == ["wrapper", "decorated"]
    assert next(graph("short").where("square")).call == "tf.square(y_true - y_pred)"


def test_loops_and_branches_are_nodes_with_bodies() -> None:
    loop = next(graph("loop").where("while", role="forward"))
    assert [node.call for node in loop.bodies[0].where("less")] == ["i < 3"]
    square = next(loop.bodies[1].where("square"))
    assert square.call == "tf.square(y_pred - y_true)"
    assert square.shape == ("B", 3)
    branch = next(graph("branch").where("cond", role="forward"))
    assert [len(list(body.where("log"))) for body in branch.bodies] == [0, 1]  # else, then
    backward = [node for node in graph("branch").where("cond") if node.role == "gradient"]
    assert any(node.call == "tf.math.log(y_pred)" for node in nested(backward[0].bodies) if node.role == "gradient")


def test_a_variable_keeps_its_shape_in_a_body() -> None:
    """It reaches the body by its handle, which is a scalar."""
    import tensorflow as tf

    from lossdoctor.graph.frontend_tf import trace

    weights = tf.Variable([1.0, 2.0])

    def loss(y_true: Any, y_pred: Any) -> Any:
        def body(turn: Any, total: Any) -> Any:
            return turn + 1, total + tf.reduce_sum(weights * 2.0) * tf.reduce_mean(y_pred - y_true, -1)

        return tf.while_loop(lambda turn, _: turn < 3, body, (0, tf.zeros(tf.shape(y_pred)[:1])))[1]

    contract = parse_contract("float32[B,2] real", "float32[B,2] real")
    traced = trace(loss, contract, is_user=lambda _: True).traced
    product = next(next(traced.where("while", role="forward")).bodies[1].where("multiply"))
    assert product.shape == (2,)


def nested(bodies: tuple[Graph, ...]) -> list[Any]:
    return [node for body in bodies for node in (*body.nodes, *nested(tuple(b for n in body.nodes for b in n.bodies)))]


def test_a_map_over_the_batch_is_a_loop() -> None:
    loss = graph("mapped")
    assert list(loss.where("while", role="forward"))
    assert loss[loss.value].shape == ("B",)


def test_functions_inside_the_loss_are_traced_in_place_with_their_autograph() -> None:
    loss = graph("inner_function")
    branch = next(loss.where("cond", role="forward"))
    exponential = next(node for node in nested(branch.bodies) if node.op == "exp")
    assert [span.text for span in exponential.calls] == [
        "decide(y_pred - y_true)",
        "if tf.reduce_sum(x) > 0.0:",
        "tf.exp(x)",
    ]
    assert not [node for node in loss.nodes if "PartitionedCall" in node.op]


def test_what_a_function_does_inside_can_be_observed() -> None:
    from tests.graph import losses

    from lossdoctor.probes.observe import observe

    found = live(losses.inner_logarithm)
    (log,) = list(found.traced.where("log"))
    assert observe(found, Pair(np.ones((1, 3), "f"), np.zeros((1, 3), "f")), "traced").stats[log.id].inf == 3


def test_a_function_that_was_traced_before_is_inlined() -> None:
    loss = graph("traced_before")
    (log,) = list(loss.where("log"))
    assert [span.text for span in log.calls] == ["TRACED(y_pred)", "return tf.math.log(x)"]
    assert log.shape == ("B", 3)
    assert any(loss.origin(node) == log for node in loss.where("reciprocal", "divide"))


def test_a_custom_gradient_points_at_its_own_lines() -> None:
    loss = graph("custom")
    sigmoid = next(node for node in loss.where("sigmoid") if node.role == "gradient")
    assert sigmoid.call == "tf.sigmoid(x)"
    assert loss.origin(sigmoid).op == "identity"


def test_captured_values_are_in_the_graph() -> None:
    loss = graph("captured")
    variable = next(loss.where("variable"))
    assert np.array_equal(variable.constant, [1.0, 2.0, 3.0])  # type: ignore[arg-type]
    assert any(np.array_equal(node.constant, [0.5, 1.5, 2.5]) for node in loss.where("constant"))  # type: ignore[arg-type]
    assert next(graph("created").where("variable")).constant == 2.0


def test_size_arithmetic_becomes_one_node() -> None:
    loss = graph("per_batch")
    (size,) = list(loss.where("dims", role="forward"))
    assert (size.attrs["value"], size.dtype, size.shape) == ("3*B", "float32", ())


def test_what_holds_at_two_sizes_only_is_not_believed() -> None:
    loss = graph("few")
    limits = [node.attrs["end"] for node in loss.where("strided_slice", role="forward")]
    assert None in limits  # min(B, 5) is 5 at both reference sizes


def test_a_shape_that_depends_on_values_stays_unknown() -> None:
    loss = graph("masked")  # the mask keeps everything, so that both runs show 3*B elements
    (selected,) = list(loss.where("take", role="forward"))
    assert selected.shape == ("?",)
    mean = loss[loss.value]
    (count,) = [node for node in loss.where("prod") if node.forward == mean.id]  # the divisor is no `dims` node
    assert loss[count.args[0]].op == "take"
    assert loss[loss.gradients[0]].shape == ("B", 3)  # type: ignore[index]


def test_assertions_on_values_do_not_hide_the_shapes() -> None:
    loss = graph("guarded")
    assert all(node.shape is not None and "?" not in node.shape for node in loss.nodes)


def test_a_loss_that_fails_at_its_own_sizes_still_has_a_graph() -> None:
    mixed = graph("difference", "float32[B] real", "float32[B,10] real")
    difference = next(mixed.where("subtract"))
    assert [mixed[arg].shape for arg in difference.args] == [("B",), ("B", 10)]
    fixed = graph("fixed_batch")
    assert next(fixed.where("reshape")).shape == (16, 3)


def test_two_names_for_the_same_axis_are_seen_as_they_broadcast() -> None:
    loss = graph("difference", "float32[B] real", "float32[B,1] real")
    assert loss[loss.value].shape == ("B", "B")


@pytest.mark.parametrize(
    ("name", "spec", "op", "shape"),
    [
        ("similarity", IMAGE, None, ("B",)),
        ("einsum", VECTOR, "einsum", ("B",)),
        ("determinant", "float32[B,3,3] real", "matmul", ("B",)),
        ("host", VECTOR, None, None),
    ],
)
def test_other_operations(name: str, spec: str, op: str | None, shape: tuple[str] | None) -> None:
    loss = graph(name, spec, spec)
    assert loss[loss.value].shape == shape
    assert op is None or list(loss.where(op))


def test_structured_inputs_have_keys_and_a_gradient_each() -> None:
    loss = graph("structured", f'{{"a": "{VECTOR}", "b": "float32[B,2] real"}}', f'["{VECTOR}", "float32[B,2] real"]')
    assert [loss[node].attrs.get("key") for node in (*loss.y_true, *loss.y_pred)] == ["a", "b", "0", "1"]
    assert len([g for g in loss.gradients if g is not None]) == 2


def test_results_that_are_no_loss() -> None:
    from lossdoctor.graph.frontend_tf import NotATensor

    assert graph("number").gradients == (None,)
    with pytest.raises(NotATensor, match="returned None"):
        graph("nothing")
    with pytest.raises(TypeError, match="symbolic"):
        graph("branches_in_python")


def test_the_optimised_graph_shows_what_is_computed_instead() -> None:
    from tests.graph import losses

    found = live(losses.one_minus)
    before = list(found.traced.where("add", role="forward"))
    assert before
    (after,) = list(found.optimised.where("subtract", role="forward"))
    assert found.optimised[after.args[0]].constant == np.float32(1.0 + 1e-7)
    assert after.call == "1.0 - y_pred + 1e-7"
    assert not list(found.optimised.where("add", role="forward"))


def test_all_keras_losses_give_graphs_that_read_back() -> None:
    import keras

    specs = {"categorical": ("float32[B,4] onehot", "float32[B,4] probability"), "sparse": ("int32[B] label(4)", "")}
    specs |= {"generalized": specs["sparse"]}
    specs |= {
        "ctc": ("int32[B,3] label(4)", "float32[B,9,5] logit"),
        "circle": ("int32[B] label(4)", "float32[B,8] real"),
    }
    examined = 0
    for name, loss in vars(keras.losses).items():
        if not inspect.isfunction(loss) or name in ("get", "serialize", "deserialize"):
            continue
        y_true, y_pred = "float32[B,4] binary", "float32[B,4] unit"
        for part, (other_true, other_pred) in specs.items():
            if part in name:
                y_true, y_pred = other_true, other_pred or y_pred
        call = (lambda t, p, loss=loss: loss(t, p, 0.5)) if "generalized" in name else loss
        found = live(call, y_true, y_pred)
        examined += 1
        for stage in (found.traced, found.optimised):
            assert same(parse(str(stage)), stage), name
            unknown = [node.op for node in stage.nodes if node.op.startswith("tf.")]
            assert not unknown, name
            assert all(node.dtype == "tuple" or "?" not in (node.shape or ()) for node in stage.nodes), name
            assert stage.gradients[0] is not None, name
    assert examined > 20


@pytest.mark.parametrize("name", ["cross_entropy", "one_minus", "loop", "branch", "mapped", "custom", "captured"])
def test_both_graphs_compute_the_loss(name: str) -> None:
    import tensorflow as tf
    from tests.graph import losses

    loss = getattr(losses, name)
    found = live(loss)
    for seed in range(2):
        inputs = pair(seed)
        y_true, y_pred = tf.constant(inputs.y_true), tf.constant(inputs.y_pred)
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            value = loss(y_true, y_pred)
        gradient = np.asarray(tape.gradient(value, y_pred))
        for execution in ("graph", "unoptimised"):
            (evaluation,) = found.run([inputs], execution)
            assert evaluation.raised is None
            assert np.allclose(evaluation.value, value, rtol=1e-5)
            assert np.allclose(evaluation.gradients[0], gradient, rtol=1e-4, atol=1e-6)


def test_a_run_that_fails_names_the_line() -> None:
    from tests.graph import losses

    (evaluation,) = live(losses.fixed_batch).run([pair(0)], "unoptimised")
    assert evaluation.value is None
    assert evaluation.raised is not None
    assert evaluation.raised.type == "InvalidArgumentError"
    assert evaluation.raised.message == "Input to reshape is a tensor with 15 values, but the requested shape has 48"
    assert evaluation.raised.calls[-1].text.startswith("tf.reshape(")


def test_an_operation_without_a_gradient_is_asked_for_it_or_not() -> None:
    import tensorflow as tf

    def plain(y_true: Any, y_pred: Any) -> Any:
        return tf.reduce_mean(tf.abs(y_true - tf.image.adjust_hue(y_pred, 0.05)), axis=[1, 2, 3])

    @tf.custom_gradient
    def shifted(x: Any) -> Any:
        return tf.image.adjust_hue(x, 0.05), lambda upstream: upstream

    def mine(y_true: Any, y_pred: Any) -> Any:
        return tf.reduce_mean(tf.abs(y_true - shifted(y_pred)), axis=[1, 2, 3])

    image = "float32[B,4,4,3] unit"
    for loss, expected in ((plain, "asked"), (mine, "unasked")):
        found = live(loss, image, image).traced
        assert {node.attrs.get("unregistered") for node in found.nodes} - {None} == {expected}


def test_the_graph_optimiser_is_at_work_before_the_first_run() -> None:
    import tensorflow as tf

    ran = tf.Variable(0.0)

    def counting(y_true: Any, y_pred: Any) -> Any:
        ran.assign_add(1.0)
        return tf.reduce_mean(tf.square(y_true - y_pred), -1)

    def pure(y_true: Any, y_pred: Any) -> Any:
        return tf.reduce_mean(tf.square(y_true - y_pred), -1)

    for loss in (counting, pure):
        made, some = live(loss), pair(3)
        ran.assign(0.0)
        made.optimise()
        made.settle()
        assert float(ran) == 0.0  # nothing is run for nothing where it leaves a trace
        made.optimise()
        made.compile(some)
        graphs, compiled = made.run([some], "graph"), made.run([some, pair(4)], "xla")
        assert float(ran) == (3.0 if loss is counting else 0.0)
        for found in (*graphs, compiled[0]):
            np.testing.assert_allclose(found.value, np.mean((some.y_true - some.y_pred) ** 2, -1), rtol=1e-5)


def test_a_graph_is_pure_if_all_its_bodies_are() -> None:
    import tensorflow as tf

    from lossdoctor.graph.reading_tf import pure

    scale = tf.Variable(2.0)

    def looped(body: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
        def loss(y_true: Any, y_pred: Any) -> Any:
            start = (0, tf.reduce_mean(y_true - y_pred, -1))
            return tf.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, body(x)), start)[1]

        return loss

    bodies: dict[Callable[[Any], Any], bool] = {
        lambda x: x * 2.0: True,
        lambda x: x + tf.raw_ops.Empty(shape=tf.shape(x), dtype=tf.float32, init=True): True,
        lambda x: x * scale: False,
        lambda x: x + tf.random.normal(tf.shape(x)): False,
    }
    for body, expected in bodies.items():
        assert pure(live(looped(body)).program.graph) is expected


def test_branches_of_different_shapes_are_converted() -> None:
    """What TensorFlow leaves open of the shape after a branching is not what the branch has that the runs took."""

    def loss(y_true: Any, y_pred: Any) -> Any:
        import tensorflow as tf

        x = tf.nn.softmax(y_pred)

        def narrow() -> Any:
            return -tf.reduce_sum(y_true * tf.math.log(x), axis=-1, keepdims=True) / 3.0

        kept = tf.cond(tf.reduce_mean(x) > 0.2, lambda: tf.math.log(x) * y_true, narrow)
        return tf.reduce_mean(tf.cond(tf.size(x) > 2, lambda: kept * 2.0, lambda: kept))

    found = live(loss, "float32[4,3] real", "float32[4,3] real").traced
    assert [len(node.bodies) for node in found.where("cond", role="gradient")] == [2, 2]
