"""The direction probe: scores are told from losses, and healthy exceptions from both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.probes.fakes import (
    BINARY,
    CLASS_LOGIT,
    CLASSES,
    LOGIT,
    MARGIN,
    POSITIVE,
    REAL,
    contract,
    standard_losses,
    written,
)

from lossdoctor.probes.direction import probe
from lossdoctor.readings import Comparison, Direction, Wrong
from lossdoctor.spec import Contract, parse_contract

pytestmark = pytest.mark.real

IMAGE = contract("float32[B,12,12,1] unit", "float32[B,12,12,1] unit")
COLUMN = contract("float32[B] real", "float32[B,1] real")
TWO = contract("float32[B,1] real", "float32[B,2] real")
LABEL_LOGIT = contract("int32[B,1] label(4)", "float32[B,4] logit")
SOFT = contract("float32[B,4] probability", "float32[B,4] probability")
DISTANCE = contract("float32[B,1] binary", "float32[B,1] positive")
RATE = contract("float32[B,1] positive", "float32[B,1] positive")

LOG = "tf.math.log(tf.clip_by_value(p, 1e-7, 1.0))"
HEALTHY: list[tuple[str, Contract, str]] = [
    ("pinball", REAL, "tf.reduce_mean(tf.maximum(0.9 * (t - p), -0.1 * (t - p)), -1)"),
    ("expectile", REAL, "tf.reduce_mean(tf.where(t > p, 0.8, 0.2) * tf.square(t - p), -1)"),
    ("offset", REAL, "tf.reduce_mean(tf.square(t - p), -1) + 1e6"),
    ("negative offset", REAL, "tf.reduce_mean(tf.square(t - p), -1) - 1e3"),
    ("cosine", REAL, "-tf.reduce_sum(tf.nn.l2_normalize(t, -1) * tf.nn.l2_normalize(p, -1), -1)"),
    ("one minus R2", REAL, "tf.reduce_sum(tf.square(t - p)) / tf.reduce_sum(tf.square(t - tf.reduce_mean(t)))"),
    ("robust", REAL, "tf.reduce_mean(tf.math.log1p(tf.square(t - p)), -1)"),
    ("squeezed", COLUMN, "tf.square(t - tf.squeeze(p, -1))"),
    ("poisson", POSITIVE, "tf.reduce_mean(p - t * tf.math.log(p + 1e-7), -1)"),
    ("gamma", POSITIVE, "tf.reduce_mean(t / p + tf.math.log(p), -1)"),
    ("focal", BINARY, f"-tf.reduce_mean(t * (1 - p) ** 2 * {LOG} + (1 - t) * p ** 2 * tf.math.log(1 - p + 1e-7), -1)"),
    ("smoothed", CLASSES, f"-tf.reduce_sum((0.8 * t + 0.05) * {LOG}, -1)"),
    ("smoothed logits", CLASS_LOGIT, "tf.nn.softmax_cross_entropy_with_logits(0.8 * t + 0.05, p)"),
    ("confidence penalty", CLASSES, f"-tf.reduce_sum(t * {LOG}, -1) + 0.1 * tf.reduce_sum(p * {LOG}, -1)"),
    ("recall only", BINARY, "1 - tf.reduce_sum(t * p, -1) / (tf.reduce_sum(t, -1) + 1e-7)"),
    ("soft labels", SOFT, f"-tf.reduce_sum(t * {LOG}, -1)"),
    ("hinge", MARGIN, "tf.reduce_mean(tf.nn.relu(1 - t * p), -1)"),
    ("least squares on signs", MARGIN, "tf.reduce_mean(tf.square(t - p), -1)"),
    ("sparse", LABEL_LOGIT, "tf.nn.sparse_softmax_cross_entropy_with_logits(tf.squeeze(t, -1), p)"),
    ("one minus SSIM", IMAGE, "1 - tf.image.ssim(t, p, 1.0)"),
    ("error less a little spread", REAL, "tf.reduce_mean(tf.square(t - p), -1) - 0.1 * tf.math.reduce_std(p, -1)"),
    ("error and size", REAL, "tf.reduce_mean(tf.square(t - p) + 0.3 * tf.abs(p), -1)"),
    ("minus PSNR", IMAGE, "-tf.image.psnr(t, p, 1.0)"),
    ("much smoothed logits", LOGIT, "tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(0.6 * t + 0.2, p), -1)"),
    ("small logits", LOGIT, "tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(t, p) + 0.05 * p * p, -1)"),
]
COLUMN = parse_contract("float32[B,1] binary", "float32[B,1] unit")
SCORES: list[tuple[str, Contract, str]] = [
    ("minus MSE", REAL, "-tf.reduce_mean(tf.square(t - p), -1)"),
    ("R2", REAL, "1 - tf.reduce_sum(tf.square(t - p)) / tf.reduce_sum(tf.square(t - tf.reduce_mean(t)))"),
    ("cosine", REAL, "tf.reduce_sum(tf.nn.l2_normalize(t, -1) * tf.nn.l2_normalize(p, -1), -1)"),
    ("log likelihood", CLASSES, f"tf.reduce_mean(t * {LOG}, -1)"),
    ("blind to the sign", REAL, "tf.abs(tf.reduce_sum(tf.nn.l2_normalize(t, -1) * tf.nn.l2_normalize(p, -1), -1))"),
    ("half a log likelihood", BINARY, f"tf.reduce_mean(t * {LOG}, -1)"),
    ("half of one column", COLUMN, f"tf.reduce_mean(t * {LOG}, -1)"),
    ("log likelihood of logits", LABEL_LOGIT, "tf.gather(tf.nn.log_softmax(p), tf.squeeze(t, -1), batch_dims=1)"),
    ("accuracy", BINARY, "tf.reduce_mean(tf.cast(tf.equal(t > 0.5, p > 0.5), tf.float32), -1)"),
    ("IoU", BINARY, "tf.reduce_sum(t * p, -1) / (tf.reduce_sum(t + p - t * p, -1) + 1e-7)"),
    ("SSIM", IMAGE, "tf.image.ssim(t, p, 1.0)"),
    ("minus hinge", MARGIN, "-tf.reduce_mean(tf.nn.relu(1 - t * p), -1)"),
    ("labels of logits exchanged", LOGIT, "tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(1 - t, p), -1)"),
    ("negated scores", CLASS_LOGIT, "tf.nn.softmax_cross_entropy_with_logits(t, -p)"),
    ("with an offset", BINARY, "100 + 2 * tf.reduce_sum(t * p, -1) / (tf.reduce_sum(t + p, -1) + 1e-7)"),
]


def read(folder: Path, one: Contract, expression: str) -> Direction:
    source = f"import tensorflow as tf\n\n\ndef loss(t, p):\n    return {expression}\n"
    return probe(written(folder, source), one)  # type: ignore[arg-type]


@pytest.mark.parametrize(("one", "expression"), [case[1:] for case in HEALTHY], ids=[case[0] for case in HEALTHY])
def test_healthy_losses_are_lowest_at_the_target(one: Contract, expression: str, tmp_path: Path) -> None:
    reading = read(tmp_path, one, expression)
    assert reading.applicable and reading.peak is None
    assert reading.comparison is not None
    assert not reading.comparison.worst_at_target
    assert not reading.comparison.not_lowest_at_target
    assert not reading.unbounded


@pytest.mark.parametrize(("one", "expression"), [case[1:] for case in SCORES], ids=[case[0] for case in SCORES])
def test_scores_are_worst_at_the_target(one: Contract, expression: str, tmp_path: Path) -> None:
    comparison = read(tmp_path, one, expression).comparison
    assert comparison is not None
    assert comparison.worst_at_target
    best = comparison.counterexamples[0]
    assert best.at_wrong < best.at_target


@pytest.mark.parametrize(
    "expression",
    [
        "-tf.reduce_sum(t * tf.math.log(tf.clip_by_value(1 - tf.nn.softmax(p), 1e-5, 1.0)), -1)",  # what is forbidden
        "tf.reduce_logsumexp(p - 1e4 * (1 - t), -1) - tf.reduce_min(p, -1)",  # a mask
        "tf.reduce_mean(t * tf.nn.softplus(p), -1)",  # the same for labels that cost nothing
    ],
)
def test_a_label_that_costs_nothing_says_what_is_not_wanted(expression: str, tmp_path: Path) -> None:
    reading = read(tmp_path, LOGIT, expression)
    assert reading.comparison is not None and reading.comparison.timid
    assert not reading.says_the_opposite


def test_scores_that_cost_more_the_surer_they_are_say_the_opposite(tmp_path: Path) -> None:
    assert read(tmp_path, LOGIT, "tf.reduce_mean(tf.nn.softplus((2 * t - 1) * p), -1)").says_the_opposite


@pytest.mark.parametrize(
    ("one", "expression", "rays"),  # those that fall whatever is drawn; others may
    [
        (REAL, "tf.reduce_mean(t - p, -1)", {"up"}),
        (REAL, "-tf.reduce_mean(tf.square(t - p), -1)", {"up", "down", "away", "random"}),
        (POSITIVE, "tf.reduce_mean(tf.abs(t - p) - 2 * p, -1)", {"up", "random"}),
        (MARGIN, "-tf.reduce_mean(t * p, -1)", {"towards"}),
        (LOGIT, "tf.reduce_mean(tf.nn.softplus(p) - 2 * p, -1)", {"up"}),
        (TWO, "tf.square(t - p[:, :1]) - tf.abs(p[:, 1:])", set()),
        # Falls, but never below what ordinary predictions give.
        (REAL, "tf.reduce_mean(tf.tanh(tf.square(t - p)) - 1e-5 * p, -1)", set()),
    ],
)
def test_endless_falls_are_followed(one: Contract, expression: str, rays: set[str], tmp_path: Path) -> None:
    found = {fall.ray: fall for fall in read(tmp_path, one, expression).unbounded}
    assert rays <= set(found)
    assert bool(rays) == bool(found)
    for fall in found.values():
        assert fall.growth == pytest.approx(2.0 if "square" in expression else 1.0, abs=0.15)
        assert fall.losses[-1] < fall.at_base


@pytest.mark.parametrize(
    ("one", "expression"),
    [
        (TWO, "tf.square(t - p[:, :1]) * tf.exp(-p[:, 1:]) + p[:, 1:]"),
        (DISTANCE, "t * tf.square(p) + (1 - t) * tf.square(tf.nn.relu(1 - p))"),
    ],
)
def test_unknown_meanings_make_no_claim(one: Contract, expression: str, tmp_path: Path) -> None:
    reading = read(tmp_path, one, expression)
    assert not reading.applicable
    assert reading.reason
    assert reading.comparison is None
    assert not reading.unbounded


@pytest.mark.parametrize(
    ("one", "expression"),
    [
        (REAL, "tf.reduce_mean(tf.square(t - p) - 0.4 * tf.abs(t - p), -1)"),
        (IMAGE, "tf.reduce_mean(10 * tf.square(t - p) - tf.abs(t - p), [1, 2, 3])"),
    ],
    ids=["real", "image"],
)
def test_a_term_of_wrong_sign_makes_the_target_a_peak(one: Contract, expression: str, tmp_path: Path) -> None:
    assert read(tmp_path, one, expression).peak is not None


def test_a_rate_is_no_score(tmp_path: Path) -> None:
    """An exponential density with p as its rate is lowest at 1/t: not a score, whatever the target is."""
    comparison = read(tmp_path, RATE, "tf.reduce_mean(p * t - tf.math.log(p), -1)").comparison
    assert comparison is not None
    assert not comparison.worst_at_target


def test_swapped_arguments(tmp_path: Path) -> None:
    """Cross-entropy of logits with the roles exchanged: linear in the prediction, right the other way round."""
    entropy = "tf.nn.sigmoid_cross_entropy_with_logits(labels={}, logits={})"
    assert read(tmp_path, LOGIT, entropy.format("p", "t")).arguments_swapped
    assert not read(tmp_path, LOGIT, entropy.format("t", "p")).arguments_swapped
    assert not read(tmp_path, MARGIN, "-tf.reduce_mean(t * p, -1)").arguments_swapped
    assert not read(tmp_path, REAL, "-tf.reduce_mean(tf.square(t - p), -1)").arguments_swapped


def test_swapped_arguments_that_a_mixed_batch_hides(tmp_path: Path) -> None:
    """Of many targets the largest meet the largest predictions: only targets that are alike show the exchange."""
    poisson = "tf.reduce_mean({0} - {1} * tf.math.log({0} + 1e-7), -1)"
    assert read(tmp_path, RATE, poisson.format("t", "p")).alike_wrong
    assert not read(tmp_path, RATE, poisson.format("p", "t")).alike_wrong
    single = contract("float32[B,1] real", "float32[B,1] real")
    shrunk = read(tmp_path, single, "tf.reduce_mean(tf.square(t - p), -1) + 2.0 * tf.reduce_mean(tf.square(p), -1)")
    assert not shrunk.alike_wrong


def test_a_term_of_one_label_that_lost_its_sign(tmp_path: Path) -> None:
    """In a mixed batch the two terms cancel; batches of one label show which is wrong."""
    ends = "tf.clip_by_value(p, 1e-6, 1 - 1e-6)"
    entropy = f"tf.reduce_mean(-t * tf.math.log({ends}) {{}} (1 - t) * tf.math.log(1 - {ends}), -1)"
    wrong = read(tmp_path, BINARY, entropy.format("+")).wrong_label
    assert wrong is not None and wrong[0] == 0.0
    assert wrong[1].counterexamples[0].at_wrong < wrong[1].counterexamples[0].at_target
    assert read(tmp_path, BINARY, entropy.format("-")).wrong_label is None
    assert read(tmp_path, BINARY, f"-tf.reduce_mean(t * tf.math.log({ends}), -1)").wrong_label is None


def test_a_penalty_of_the_prediction_does_not_swap_arguments(tmp_path: Path) -> None:
    """The other way round the penalty is a constant, so that the loss is lowest at the target there."""
    balance = "tf.reduce_mean(tf.square(t - p), -1) + tf.square(tf.reduce_sum(p, -1) - 1)"
    reading = read(tmp_path, parse_contract("float32[B,4] unit", "float32[B,4] unit"), balance)
    assert reading.swapped is not None and reading.swapped.lowest_at_target
    assert not reading.arguments_swapped


@pytest.mark.parametrize(
    ("one", "expression", "critic"),
    [
        (MARGIN, "tf.reduce_mean(t * p, -1)", True),
        (REAL, "tf.reduce_mean(t * p, -1)", True),
        (MARGIN, "-tf.reduce_mean(tf.nn.relu(1 - t * p), -1)", False),  # a hinge with its sign lost
        (REAL, "tf.reduce_mean(t - p, -1)", False),
        (REAL, "-tf.reduce_mean(tf.abs(t - p), -1)", False),
        (REAL, "tf.reduce_mean(tf.square(t - p), -1)", False),
    ],
)
def test_label_times_score_is_a_critic(one: Contract, expression: str, critic: bool, tmp_path: Path) -> None:
    assert read(tmp_path, one, expression).critic == critic


def test_standard_losses_are_clean() -> None:
    judged = 0
    for name, subject, one in standard_losses():
        reading = probe(subject, one)  # type: ignore[arg-type]
        assert not reading.unbounded, name
        if reading.comparison is not None:
            judged += 1
            assert reading.comparison.lowest_at_target, name
    assert judged > 40


def test_random_draws_are_reproducible(tmp_path: Path) -> None:
    first: Any = read(tmp_path, REAL, "tf.reduce_mean(tf.abs(t - p), -1)").comparison
    second: Any = read(tmp_path, REAL, "tf.reduce_mean(tf.abs(t - p), -1)").comparison
    assert first == second


@pytest.mark.parametrize(
    ("lower", "higher", "rises", "falls", "worst"),
    [
        (1.0, 0.0, 1.0, 0.0, True),
        (0.8, 0.0, 0.3, 0.0, True),  # ties
        (0.8, 0.2, 0.9, 0.05, False),  # better than some
        (0.9, 0.0, 0.5, 0.2, False),  # neither rising nor falling
        (0.4, 0.0, 1.0, 0.0, False),
        (0.45, 0.05, 1.0, 0.0, False),
        (0.0, 1.0, 0.0, 1.0, False),
    ],
)
def test_a_score_is_claimed_of_clear_cases_only(
    lower: float, higher: float, rises: float, falls: float, worst: bool
) -> None:
    classes: tuple[Wrong, ...] = ("opposite", "other", "random")
    comparison = Comparison(20, dict.fromkeys(classes, lower), dict.fromkeys(classes, higher), rises, falls)
    assert comparison.worst_at_target == worst
    few = Comparison(5, dict.fromkeys(classes, lower), dict.fromkeys(classes, higher), rises, falls)
    assert not few.worst_at_target
