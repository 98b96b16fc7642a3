"""Against TensorFlow: kernels stay inside the intervals, losses inside the ranges, and no proof is refuted."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lossdoctor.ops as _rows
from lossdoctor.domains.intervals import Ranges, ranges
from lossdoctor.domains.intervals.elementwise import known, transfer
from lossdoctor.domains.intervals.enclosure import Enclosure
from lossdoctor.graph.ir import LossGraph, Node
from lossdoctor.ops.table import TABLE, Op
from lossdoctor.session import Pair
from lossdoctor.spec import Contract, parse_contract, sample

pytestmark = pytest.mark.real
assert _rows.TABLE is TABLE

REAL, UNIT = "float32[B,3] real", "float32[B,3] unit"
SIMPLEX, ONEHOT, BINARY = "float32[B,3] probability", "float32[B,3] onehot", "float32[B,3] binary"
LOGIT, LABEL, SIGN = "float32[B,3] logit", "int32[B] label(3)", "float32[B,3] sign"
POSITIVE = "float32[B,3] positive"
# name of the loss, its keywords, y_true, y_pred, and what is proved: value, gradient.
LOSSES: tuple[tuple[str, dict[str, Any], str, str, tuple[bool, bool]], ...] = (
    ("hinge", {}, SIGN, REAL, (True, True)),
    ("squared_hinge", {}, BINARY, REAL, (True, True)),
    ("categorical_hinge", {}, ONEHOT, REAL, (True, True)),
    ("mean_squared_error", {}, REAL, REAL, (True, True)),
    ("mean_absolute_error", {}, REAL, REAL, (True, True)),
    ("mean_absolute_percentage_error", {}, REAL, REAL, (True, True)),
    ("mean_squared_logarithmic_error", {}, POSITIVE, REAL, (True, True)),
    ("huber", {}, REAL, REAL, (True, True)),
    ("log_cosh", {}, REAL, REAL, (True, True)),
    ("kl_divergence", {}, SIMPLEX, UNIT, (True, True)),
    ("poisson", {}, POSITIVE, POSITIVE, (True, True)),
    ("categorical_crossentropy", {}, ONEHOT, SIMPLEX, (True, True)),
    ("categorical_crossentropy", {"from_logits": True}, ONEHOT, LOGIT, (True, True)),
    ("categorical_focal_crossentropy", {}, ONEHOT, SIMPLEX, (True, True)),
    ("categorical_focal_crossentropy", {"from_logits": True}, ONEHOT, LOGIT, (True, True)),
    ("sparse_categorical_crossentropy", {}, LABEL, SIMPLEX, (True, True)),
    ("sparse_categorical_crossentropy", {"from_logits": True}, LABEL, LOGIT, (True, True)),
    ("binary_crossentropy", {}, BINARY, UNIT, (True, True)),
    ("binary_crossentropy", {"from_logits": True}, BINARY, LOGIT, (True, True)),
    ("binary_focal_crossentropy", {}, BINARY, UNIT, (True, True)),
    ("binary_focal_crossentropy", {"from_logits": True}, BINARY, LOGIT, (True, True)),
    ("dice", {}, BINARY, UNIT, (True, True)),
    ("tversky", {}, BINARY, UNIT, (True, True)),
    # Not finite everywhere: rsqrt at the zero vector, log(p + eps) below zero, p / sum(p) at the zero vector.
    ("cosine_similarity", {}, REAL, REAL, (True, False)),
    ("poisson", {}, POSITIVE, REAL, (False, False)),
    ("categorical_crossentropy", {}, ONEHOT, UNIT, (False, False)),
    ("circle", {}, LABEL, "float32[B,8] real", (False, False)),
)


def _violations(graph: LossGraph, tensors: dict[int, Any], found: Ranges, run: Callable[..., list[Any]], live: Any,
                given: Contract) -> list[str]:  # fmt: skip
    """Nodes that held something outside their range, over batches of every regime and size."""
    rng = np.random.default_rng(7)
    wrong: list[str] = []
    numbers = list(tensors)
    for batch in (1, 2, 5, 64, 700):
        pair = Pair(sample(given.y_true, rng, {"B": batch}), sample(given.y_pred, rng, {"B": batch}))
        for number, tensor in zip(numbers, run(live.feeds(pair), optimised=False), strict=True):
            held = np.asarray(tensor).astype(np.float64)
            bound, kept = found[number], held[~np.isnan(held)]
            outside = kept.size and (kept.min() < bound.low or kept.max() > bound.high)
            if outside or (np.isnan(held).any() and not bound.nan):
                wrong.append(f"%{number} {graph[number].op} {bound}: {kept.min(initial=0)} {kept.max(initial=0)}")
    return wrong


@pytest.mark.parametrize(("name", "options", "y_true", "y_pred", "proved"), LOSSES)
def test_losses_of_keras(
    name: str, options: dict[str, Any], y_true: str, y_pred: str, proved: tuple[bool, bool]
) -> None:
    import keras

    from lossdoctor.graph.frontend_tf import trace
    from lossdoctor.graph.run_tf import Executable

    given = parse_contract(y_true, y_pred)
    live = trace(functools.partial(getattr(keras.losses, name), **options), given)
    for staged in (live.staged, live.staged_optimised):
        assert staged is not None
        found = ranges(staged.loss, given)
        proof = found.proof()
        assert (proof.finite_value, proof.finite_gradient) == proved, [node.op for node in proof.limits]
        assert found.gaps == () or not all(proved)
        tensors = {
            number: tensor
            for number, tensor in staged.tensors.items()
            if staged.loss[number].dtype in ("float32", "int32", "int64", "bool")
        }
        run = Executable(staged.graph, list(tensors.values()), effects=False)
        assert not _violations(staged.loss, tensors, found, run, live, given)


KERNELS = [row for row in TABLE.by_name.values() if row.kind == "elementwise" and row.tf and known(row.name)
           and row.name not in ("astype", "add_n", "real", "imag", "conj")]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("row", KERNELS, ids=lambda row: row.name)
def test_kernels_stay_inside_the_interval_of_a_point(row: Op, dtype: str) -> None:
    import tensorflow as tf

    rng = np.random.default_rng(3)
    count = 20_000
    tensors, args = [], []
    for argument in range(len(row.trend)):
        if dtype == "float32":  # all exponents alike
            values = rng.integers(0, 2**32, count, dtype=np.uint64).astype(np.uint32).view(np.float32)
        else:
            values = (np.exp(rng.uniform(-15, 11, count)) * rng.choice([-1.0, 1.0], count)).astype(np.float16)
        with np.errstate(invalid="ignore"):
            values = np.where(np.isnan(values), np.asarray(0.5, dtype), values)
            values = np.where(np.abs(values) < np.finfo(dtype).tiny, np.asarray(0.0, dtype), values)
        values[: count // 2] = rng.normal(0.0, 3.0, count // 2)
        values[:500] = rng.choice([0.0, 1.0, -1.0, 2.0, 0.5, np.inf, -np.inf, 1e4, -1e4, 1 - 6e-8, 6.0, -0.0], 500)
        truth = row.name.startswith("logical") or (row.name.startswith("where") and not argument)
        tensor = tf.constant(values > 0 if truth else values)
        tensors.append(tensor)
        point = tensor.numpy().astype(np.float64)
        args.append(Enclosure(point, point, np.zeros(count, bool)))
    kernel = getattr(tf.raw_ops, row.tf[0])
    names = list(inspect.signature(kernel).parameters)[: len(tensors)]
    try:
        got = kernel(**dict(zip(names, tensors, strict=True)))
    except (tf.errors.NotFoundError, tf.errors.InvalidArgumentError) as problem:
        pytest.skip(f"TensorFlow has no such kernel: {problem.message[:60]}")
    node = Node(9, row.name, tuple(range(len(args))), (), "bool" if got.dtype == tf.bool else dtype)
    with np.errstate(all="ignore"):
        result = transfer(node, args)
    assert result is not None
    held = got.numpy().astype(np.float64)
    inside = np.where(np.isnan(held), result.nan, (result.low <= held) & (held <= result.high))
    worst = np.flatnonzero(~inside)[:3]
    assert not worst.size, [([arg.low[i] for arg in args], held[i], result.low[i], result.high[i]) for i in worst]
