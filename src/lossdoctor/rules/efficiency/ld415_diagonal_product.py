"""LD415: a diagonal matrix is multiplied or inverted as if it were a full one."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.graph.dims import of_batch
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.rules.efficiency.counted import counted
from lossdoctor.rules.efficiency.memory import said
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD415", name="diagonal-product", family="efficiency", severity="warning")

# What is done to a matrix, and what the same is of its diagonal.
_OF_DIAGONAL = {
    "linalg.inv": "1 / x of its diagonal",
    "linalg.solve": "a division by its diagonal",
    "linalg.triangular_solve": "a division by its diagonal",
    "linalg.det": "the product of its diagonal",
    "linalg.slogdet": "the sum of the logarithms of its diagonal",
    "linalg.cholesky": "the root of its diagonal",
}
_MANY = 16  # rows, from which the cube of their number is felt
_VOCABULARY = 512  # … and the square of it: a mebibyte


@RULE.check
def diagonal_product(graph: LossGraph) -> Iterator[Suspicion]:
    if graph.stage != "traced":
        return
    for node in graph.where("matmul", role="forward"):
        for arg in node.args:
            if _scales(graph, graph[arg]):
                yield RULE.at(
                    node,
                    f"`{' '.join(node.call.split())}` multiplies with a diagonal matrix, which has the square of the "
                    f"batch as entries ({said(graph[arg]) or 'B×B'}) and does what an elementwise product with its "
                    "diagonal does",
                    evidence="proved",
                    symptom="grows-squared",
                    replay="welcome",
                )
                break


@RULE.check
def diagonal_solved(graph: LossGraph) -> Iterator[Suspicion]:
    """The inverse, determinant or factor of a matrix that was made from its diagonal."""
    if graph.stage != "traced":
        return
    for node in graph.where(*_OF_DIAGONAL, role="forward"):
        made = _diagonal(graph, graph[node.args[0]])
        rows = made.shape[-1] if made is not None and made.shape else 0
        if made is None or (isinstance(rows, int) and rows < _MANY):
            continue
        memory = said(made) if any(map(of_batch, made.shape or ())) else ""
        yield RULE.at(
            node,
            f"`{' '.join(node.call.split())}` treats a diagonal matrix of {rows}×{rows} as a full one, with the cube "
            f"of {rows} operations{f'; {memory}' if memory else ''}: it is {_OF_DIAGONAL[node.op]}",
            evidence="proved",
            **counted(graph, node.op),
        )
        return


@RULE.check
def gathered_from_identity(graph: LossGraph) -> Iterator[Suspicion]:
    """Rows of an identity matrix that are picked by a label, where a one-hot row needs no matrix."""
    if graph.stage != "traced":
        return
    for node in graph.where("take", role="forward"):
        made = _diagonal(graph, graph[node.args[0]])
        rows = made.shape[-1] if made is not None and made.shape else 0
        if made is None or not isinstance(rows, int) or rows < _VOCABULARY:
            continue
        if graph[made.args[0]].op in ("constant", "full", "ones_like"):
            yield RULE.at(
                node,
                f"`{' '.join(node.call.split())}` picks rows of an identity matrix of {rows}×{rows}, which takes "
                f"{4 * rows * rows / 2**20:.3g} MiB and is made in every step: tf.one_hot needs no matrix",
                evidence="proved",
                **counted(graph, made.op),
            )
            return


def _scales(graph: LossGraph, node: Node) -> bool:
    """A diagonal matrix made of one number a sample."""
    made = _diagonal(graph, node)
    return made is not None and made.shape is not None and len(made.shape) == 2 and of_batch(made.shape[-1])


def _diagonal(graph: LossGraph, node: Node) -> Node | None:
    """The operation that made a diagonal matrix, of numbers on its main diagonal alone."""
    while node.op in ("identity", "permute_dims", "astype"):
        node = graph[node.args[0]]
    return node if node.op == "matrix_diag" and node.attrs.get("k", 0) in (0, (0, 0), (0,)) else None
