"""Every float node at one input, in both stages."""

from __future__ import annotations

import numpy as np
import pytest

from lossdoctor.session import Pair
from lossdoctor.spec import parse_contract

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def test_the_infinity_is_seen_where_it_arises() -> None:
    import tensorflow as tf

    from lossdoctor.graph.frontend_tf import trace
    from lossdoctor.probes.observe import observe

    def loss(y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        return -tf.reduce_sum(y_true * tf.math.log(y_pred), axis=-1)

    live = trace(loss, parse_contract("float32[B,2] binary", "float32[B,2] unit"))
    pair = Pair(np.array([[1.0, 1.0], [1.0, 0.0]], "f"), np.array([[0.5, 0.5], [0.25, 0.0]], "f"))
    seen = observe(live, pair, "traced")
    (log,) = live.traced.where("log")
    assert (seen.stats[log.id].inf, seen.stats[log.id].nan, seen.stats[log.id].size) == (1, 0, 4)
    assert seen.stats[log.id].first_bad == (1, 1)
    assert seen.stats[log.id].low == pytest.approx(np.log(0.25))
    assert seen.stats[live.traced.value].nan == 1
    gradient = live.traced.gradients[0]
    assert gradient is not None and seen.stats[gradient].size == 4
    assert seen.agrees


def test_stages_differ_where_the_optimiser_changes_the_numbers() -> None:
    import tensorflow as tf

    from lossdoctor.graph.frontend_tf import trace
    from lossdoctor.probes.observe import observe

    def loss(y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        return y_true - tf.math.log(1.0 - y_pred + 1e-8)  # 1 + 1e-8 is 1 once the two constants meet

    live = trace(loss, parse_contract("float32[B] unit", "float32[B] unit"))
    pair = Pair(np.zeros(1, "f"), np.ones(1, "f"))
    before, after = observe(live, pair, "traced"), observe(live, pair, "optimised")
    assert before.stats[live.traced.value].high == pytest.approx(-np.log(1e-8), rel=1e-5)
    assert live.optimised is not None
    assert after.stats[live.optimised.value].inf == 1
    assert before.agrees and after.agrees
    plain, graph = live.run([pair], "unoptimised")[0], live.run([pair], "graph")[0]
    assert plain.finite_value and not graph.finite_value
