"""What to write instead of an expression that cancels, by what it is made of."""

from __future__ import annotations

from lossdoctor.graph.ir import LossGraph, Node


def mend(graph: LossGraph, node: Node) -> str | None:
    """A stable form of the operation that loses the bits; None where no general one is known."""
    args = [_through(graph, graph[arg]) for arg in node.args]
    match node.op:
        case "subtract":
            return _difference(graph, *args)
        case "log" if args[0].op == "add":
            return _log_of_sum(graph, args[0])
        case "acos":
            return (
                "tf.atan2(norm of the cross product, dot product), or 2 * asin(norm(u - v) / 2) for unit vectors u, v"
            )
        case "sigmoid" | "tanh":
            return "the form of the loss that takes logits, such as tf.nn.sigmoid_cross_entropy_with_logits"
        case _:
            return None


def _difference(graph: LossGraph, left: Node, right: Node) -> str | None:
    if _is_one(left):
        match right.op:
            case "sigmoid":
                return "tf.sigmoid(-x) for 1 - tf.sigmoid(x), or tf.nn.sigmoid_cross_entropy_with_logits"
            case "exp":
                return "-tf.math.expm1(x) for 1 - tf.exp(x)"
            case _:
                return _one_minus_square(graph, right)
    if _is_one(right):
        match left.op:
            case "exp":
                return "tf.math.expm1(x) for tf.exp(x) - 1"
            case "sqrt":
                return "x / (tf.sqrt(1 + x) + 1) for tf.sqrt(1 + x) - 1"
            case _:
                return None
    if left.op == "mean" and _is_square(right):
        return "tf.math.reduce_variance(x), or the mean of (x - mean(x))², for mean(x²) - mean(x)²"
    if left.op == "add" and _is_twice_product(graph, right):
        return "the sum of tf.square(a - b) for |a|² + |b|² - 2 a·b"
    return None


def _one_minus_square(graph: LossGraph, square: Node) -> str | None:
    if _is_square(square) and _through(graph, graph[square.args[0]]).op == "tanh":
        return "4 * tf.sigmoid(2 * x) * tf.sigmoid(-2 * x) for 1 - tf.tanh(x)²; its logarithm from tf.nn.softplus"
    return None


def _log_of_sum(graph: LossGraph, total: Node) -> str | None:
    terms = [_through(graph, graph[arg]) for arg in total.args]
    if not any(_is_one(term) for term in terms):
        return None
    if any(term.op == "exp" for term in terms):
        return "tf.nn.softplus(x) for tf.math.log(1 + tf.exp(x))"
    return "tf.math.log1p(x) for tf.math.log(1 + x)"


def _is_twice_product(graph: LossGraph, node: Node) -> bool:
    """2 a·b, of vectors or of matrices."""
    if node.op != "multiply":
        return False
    factors = [_through(graph, graph[arg]) for arg in node.args]
    product = next((factor for factor in factors if factor.op != "constant"), None)
    if product is None or not any(_is_number(factor, 2) for factor in factors):
        return False
    return product.op in ("matmul", "einsum") or (product.op == "sum" and graph[product.args[0]].op == "multiply")


def _is_square(node: Node) -> bool:
    return node.op == "square" or (node.op == "multiply" and node.args[0] == node.args[1])


def _is_one(node: Node) -> bool:
    return _is_number(node, 1)


def _is_number(node: Node, number: int) -> bool:
    return node.op == "constant" and node.constant is not None and bool((node.constant == number).all())


def _through(graph: LossGraph, node: Node) -> Node:
    while node.op in ("identity", "reshape", "broadcast_to", "astype") and node.args:
        node = graph[node.args[0]]
    return node
