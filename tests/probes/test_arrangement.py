"""Losses of triples and of embeddings with labels: exchanged distances are told from every healthy way of writing."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent

import pytest
from tests.probes.fakes import contract, written

from lossdoctor.probes.direction import probe
from lossdoctor.readings import Direction
from lossdoctor.spec import Contract

pytestmark = pytest.mark.real

STACKED = contract("float32[B,1] real", "float32[B,3,8] real")
BESIDE = contract("float32[B,1] real", "float32[B,24] real")
LABELLED = contract("int32[B] label(4)", "float32[B,8] real")
TWO_CLASSES = contract("float32[B,1] binary", "float32[B,8] real")

PARTS = "anchor, positive, negative = p[:, 0], p[:, 1], p[:, 2]\n"
SPLIT = "anchor, positive, negative = tf.split(p, 3, axis=-1)\n"
SLICED = "anchor = p[:, :8]\npositive = p[:, 8:16]\nnegative = p[:, 16:]\n"
UNIT = "anchor, positive, negative = tf.unstack(tf.math.l2_normalize(p, -1), axis=1)\n"
SQUARED = """\
near = tf.reduce_sum((anchor - positive) ** 2, -1)
far = tf.reduce_sum((anchor - negative) ** 2, -1)
"""
COSINES = "near, far = tf.reduce_sum(anchor * positive, -1), tf.reduce_sum(anchor * negative, -1)\n"
PAIRS = """\
labels = tf.reshape(t, [-1])
apart = tf.reduce_sum((p[:, None] - p[None]) ** 2, -1)
same = tf.cast(labels[:, None] == labels[None, :], tf.float32)
"""
HARD = PAIRS + "near = tf.reduce_max(apart * same, 1)\nfar = tf.reduce_min(apart + 1e6 * same, 1)\n"
PULLED, PUSHED = "return tf.nn.relu(near - far + 0.5)", "return tf.nn.relu(far - near + 0.5)"
SUPERVISED = (
    PAIRS
    + """\
logits = -apart - 1e9 * tf.eye(tf.shape(p)[0])
others = same - tf.eye(tf.shape(p)[0])
found = tf.reduce_sum(others * tf.nn.log_softmax(logits), 1)
return -tf.math.divide_no_nan(found, tf.reduce_sum(others, 1))
"""
)
NEGATIVE_FIRST = PARTS.replace("positive, negative", "negative, positive")
UNNAMED = "a, b, c = p[:, 0], p[:, 1], p[:, 2]\nnear, far = tf.norm(a - b, axis=-1), tf.norm(a - c, axis=-1)\n"
SWAPPED_ANCHOR = "other = tf.reduce_sum((positive - negative) ** 2, -1)\nfar = tf.minimum(far, other)\n"
PUSH = "push = tf.nn.relu(4.0 - apart)\n"
SCORES = "return tf.nn.sparse_softmax_cross_entropy_with_logits(tf.reshape(t, [-1]), -p)"

CIRCLE = """\
alike = tf.matmul(tf.math.l2_normalize(p, -1, 1e-6), tf.math.l2_normalize(p, -1, 1e-6), transpose_b=True)
labels = tf.reshape(t, [-1])
same = tf.cast(labels[:, None] == labels[None, :], tf.float32)
own = -8.0 * tf.nn.relu(1.2 - tf.stop_gradient(alike)) * (alike - 0.8)
other = 8.0 * tf.nn.relu(tf.stop_gradient(alike) + 0.2) * (alike - 0.2)
own = own - 1e4 * (1.0 - same) - 1e4 * tf.eye(tf.shape(p)[0])
return tf.nn.softplus(tf.reduce_logsumexp(own, 1) + tf.reduce_logsumexp(other - 1e4 * same, 1))
"""

TWO_VIEWS = contract("float32[B,1] real", "float32[B,2,8] real")
TWO_LABELLED = contract("float32[B,1] binary", "float32[B,2,8] real")
VIEWS = """\
first, second = tf.math.l2_normalize(p[:, 0], -1, 1e-6), tf.math.l2_normalize(p[:, 1], -1, 1e-6)
chosen = tf.linalg.diag_part(tf.nn.log_softmax(tf.matmul(first, second, transpose_b=True) / 0.1, axis=-1))
"""
SIAMESE = """\
apart = tf.norm(p[:, 0] - p[:, 1] + 1e-6, axis=-1)
return t[:, 0] * apart ** 2 + (1.0 - t[:, 0]) * tf.nn.relu(4.0 - apart) ** 2
"""

HEALTHY: list[tuple[str, Contract, str]] = [
    ("triplet_loss", STACKED, PARTS + SQUARED + PULLED),
    ("short_names", STACKED, PARTS + "pos, neg = p[:, 1], p[:, 2]\n" + SQUARED + PULLED),
    ("negative_first", STACKED, NEGATIVE_FIRST + SQUARED + PULLED),
    ("beside", BESIDE, SPLIT + SQUARED + "return tf.nn.softplus(near - far)"),
    ("sliced", BESIDE, SLICED + SQUARED + PULLED),
    ("similarities", STACKED, UNIT + COSINES + PUSHED),
    ("anchor_swap", STACKED, PARTS + SQUARED + SWAPPED_ANCHOR + PULLED),
    ("no_roles", STACKED, UNNAMED + PUSHED),
    ("only_the_anchor", STACKED, PARTS + "return tf.reduce_sum(anchor ** 2, -1)"),
    ("supervised_contrastive", LABELLED, SUPERVISED),
    ("batch_hard_triplet", LABELLED, HARD + PULLED),
    ("contrastive", TWO_CLASSES, PAIRS + PUSH + "return tf.reduce_mean(same * apart + (1.0 - same) * push, 1)"),
    ("circle_loss", LABELLED, CIRCLE),
    ("pair_repulsion", LABELLED, PAIRS + "return tf.reduce_mean((1.0 - same) * tf.nn.relu(4.0 - apart), 1)"),
    ("info_nce", TWO_VIEWS, VIEWS + "return -chosen"),
    # Whether two embeddings belong together is for the label to say, one way or the other.
    ("contrastive_pairs", TWO_LABELLED, SIAMESE),
    ("contrastive_distances", TWO_LABELLED, SIAMESE.replace("t[:, 0]", "(1.0 - t[:, 0])")),
    # Named after nothing of the kind: views that are to differ.
    ("diversity", TWO_VIEWS, VIEWS + "return chosen"),
    # The aim of an independence penalty is the opposite, and nothing calls it a loss of pairs.
    ("independence", LABELLED, PAIRS + "return tf.reduce_mean(same * tf.exp(-apart), 1)"),
    # Scores of classes: a loss that changes as the labels are renamed is no loss of pairs.
    ("triplet_of_scores", LABELLED, SCORES),
]
WRONG: list[tuple[str, Contract, str]] = [
    ("exchanged", STACKED, PARTS + SQUARED + PUSHED),
    ("exchanged_beside", BESIDE, SPLIT + SQUARED + "return tf.nn.softplus(far - near)"),
    ("one_by_one", BESIDE, SLICED + SQUARED + PUSHED),
    ("similarity_taken_for_distance", STACKED, UNIT + COSINES + PULLED),
    ("batch_hard_triplet", LABELLED, HARD + PUSHED),
    ("info_nce", TWO_VIEWS, VIEWS + "return chosen"),
    # All that is near costs something: what has the same label, and what has not.
    ("circle_loss", LABELLED, CIRCLE.replace("-8.0", "8.0")),
    ("contrastive", TWO_CLASSES, PAIRS + PUSH + "return tf.reduce_mean((1.0 - same) * apart + same * push, 1)"),
]


def probed(tmp_path: Path, name: str, spec: Contract, body: str) -> Direction:
    source = f"import tensorflow as tf\n\n\ndef {name}(t, p):\n" + indent(body, "    ") + "\n"
    return probe(written(tmp_path, source, name), spec)


@pytest.mark.parametrize(("name", "spec", "body"), HEALTHY, ids=[name for name, _, _ in HEALTHY])
def test_a_healthy_loss_of_arrangements_is_not_accused(tmp_path: Path, name: str, spec: Contract, body: str) -> None:
    assert not probed(tmp_path, name, spec, body).exchanged


@pytest.mark.parametrize(("name", "spec", "body"), WRONG, ids=[name for name, _, _ in WRONG])
def test_exchanged_distances_are_found(tmp_path: Path, name: str, spec: Contract, body: str) -> None:
    found = probed(tmp_path, name, spec, body)
    assert found.exchanged and found.arranged is not None
    assert found.arranged.counterexamples[0].at_wrong < found.arranged.counterexamples[0].at_target
