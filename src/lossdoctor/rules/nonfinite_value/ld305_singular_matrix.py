"""LD305: a matrix that has to be inverted or factorised can be singular."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.rules.operands import named
from lossdoctor.rules.registry import Rule, Suspicion
from lossdoctor.rules.tracing import source_of

RULE = Rule(code="LD305", name="singular-matrix", family="nonfinite-value", severity="error")

_RAISES = "TensorFlow raises an error on the CPU and computes inf or nan on a GPU"
# What each operation does at a singular matrix.
_OUTCOMES = {
    "linalg.inv": f"a singular matrix has no inverse: {_RAISES}",
    "linalg.solve": f"a singular system has no solution: {_RAISES}",
    "linalg.triangular_solve": f"a zero on the diagonal makes the system singular: {_RAISES}",
    "linalg.slogdet": f"the determinant of a singular matrix is 0, its logarithm -inf, and in the gradient {_RAISES}",
    "linalg.det": f"the gradient of a determinant needs the inverse, which a singular matrix has not: {_RAISES}",
    "linalg.cholesky": "only a positive definite matrix has a Cholesky factor; of a singular one it is nan",
    "linalg.sqrtm": "the square root of a singular matrix has no finite derivative",
}
_LARGEST = 16.0  # of a witness: a regularised matrix becomes singular by rounding where numbers are far larger


@RULE.check
def singular_matrix(graph: LossGraph) -> Iterator[Suspicion]:
    for node in graph.where(*_OUTCOMES, role="forward"):
        message = (
            f"`{node.call}` is given {named(graph, node.args[0], node)}, which can be singular; {_OUTCOMES[node.op]}"
        )
        family = "nonfinite-gradient" if node.op == "linalg.det" else None
        yield RULE.at(node, message, stage=graph.stage, symptom="nonfinite-value", at_most=_LARGEST)
        yield RULE.at(
            node,
            message,
            stage=graph.stage,
            symptom="nonfinite-gradient",
            family="nonfinite-gradient",
            at_most=_LARGEST,
        )
        yield RULE.at(node, message, stage=graph.stage, symptom="raises-at", family=family, at_most=_LARGEST)
    for node in graph.where("log", "divide", "reciprocal", "rsqrt", role="forward"):
        if of_matrix(graph, node.args[-1]):
            outcome = "log of that is -inf (nan below)" if node.op == "log" else "the quotient is inf or nan"
            yield RULE.at(
                node,
                f"`{node.call}`: the determinant of a singular matrix is 0, and {outcome}",
                stage=graph.stage,
                symptom="nonfinite-value",
                at_most=_LARGEST,
            )


def of_matrix(graph: LossGraph, place: int) -> bool:
    """Whether a tensor is the determinant of a matrix."""
    node: Node = graph[source_of(graph, place, frozenset({"astype", "abs", "sqrt"}))]
    return node.op == "linalg.det"
