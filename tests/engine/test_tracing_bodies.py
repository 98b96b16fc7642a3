"""What `trace` says of the bodies of loops and branches: values and gradients, iteration by iteration."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

import lossdoctor

CONVERTED = """\
import tensorflow as tf


@tf.function
def converted(y_true, y_pred):
    total = 0.0
    for i in tf.range(tf.shape(y_pred)[1]):
        d = y_pred[:, i] - y_true[:, i]
        if tf.reduce_mean(d) > 0.0:
            total += tf.reduce_mean(tf.square(d))
        else:
            total += tf.reduce_mean(tf.exp(d))
    return total
"""
RNG = np.random.default_rng(7)
T, P = (RNG.normal(size=(4, 5)).astype("float32") for _ in range(2))


def unrolled(y_true, y_pred):
    import tensorflow as tf

    total = tf.zeros([])
    for i in range(5):
        gap = y_pred[:, i] - y_true[:, i]
        root = tf.sqrt(tf.abs(gap))
        total = 0.5 * total + tf.reduce_mean(root * root * root)
    return tf.math.log(total)


def looped(y_true, y_pred):
    import tensorflow as tf

    def body(i, total):
        gap = y_pred[:, i] - y_true[:, i]
        root = tf.sqrt(tf.abs(gap))
        return i + 1, 0.5 * total + tf.reduce_mean(root * root * root)

    return tf.math.log(tf.while_loop(lambda i, _: i < 5, body, [0, tf.zeros([])])[1])


@pytest.mark.real
def test_gradients_in_a_loop_are_those_of_the_loop_unrolled() -> None:
    found, expected = lossdoctor.trace(looped, T, P), lossdoctor.trace(unrolled, T, P)
    for name in ("gap", "root", "y_true[:, i]", "0.5 * total", "tf.reduce_mean(root * root * root)"):
        (one,) = found[name]
        plain = expected[name]
        assert [turn.number for turn in one.iterations] == [(k,) for k in range(1, 6)]
        for turn, other in zip(one.iterations, plain, strict=True):
            assert np.allclose(turn.values, other.values, rtol=1e-5), name
            assert np.allclose(turn.slopes, other.slopes, rtol=1e-4), name
        slopes = np.array([other.slopes for other in plain])
        assert one.gradient.norm == pytest.approx(np.linalg.norm(slopes), rel=1e-4)
        assert (one.gradient.low, one.gradient.high) == pytest.approx((slopes.min(), slopes.max()), rel=1e-4)
    rows = {row["text"]: row for row in json.loads(found.to_json())["tensors"]}
    inside = rows["tf.sqrt(tf.abs(gap))"]["iterations"]
    assert [one["iteration"] for one in inside] == [[1], [2], [3], [4], [5]]
    assert inside[2]["gradient"]["norm"] == pytest.approx(expected["root"][2].gradient.norm, rel=1e-4)
    assert rows["i + 1"]["gradient"] is None


@pytest.mark.real
def test_gradients_in_branches_of_nested_loops() -> None:
    import tensorflow as tf

    def nested(y_true, y_pred):
        def outer(i, total):
            def inner(j, part):
                gap = y_pred[i, j] - y_true[i, j]
                return j + 1, part + tf.cond(gap > 0, lambda: gap * gap, lambda: tf.exp(gap))

            part = tf.while_loop(lambda j, _: j < 3, inner, [0, 0.0])[1]
            return i + 1, total + part * part

        return tf.while_loop(lambda i, _: i < 2, outer, [0, 0.0])[1]

    (gap,) = lossdoctor.trace(nested, T, P)["gap"]
    gaps = (P - T)[:2, :3].astype("float64")
    made = np.where(gaps > 0, gaps**2, np.exp(gaps))
    slopes = 2 * made.sum(axis=1, keepdims=True) * np.where(gaps > 0, 2 * gaps, np.exp(gaps))
    assert [one.number for one in gap.iterations] == [(i, j) for i in (1, 2) for j in (1, 2, 3)]
    assert [float(one.slopes) for one in gap.iterations] == pytest.approx(list(slopes.reshape(-1)), rel=1e-4)


@pytest.mark.real
def test_gradients_in_maps_and_scans() -> None:
    import tensorflow as tf

    def mapped(y_true, y_pred):
        def sample(pair):
            return tf.reduce_mean(tf.exp(pair[0] * pair[1]))

        return tf.map_fn(sample, (y_true, y_pred), fn_output_signature=tf.float32)

    def scanned(y_true, y_pred):
        return tf.scan(lambda a, e: a * 0.5 + tf.square(e), y_pred - y_true)[-1]

    one = next(one for one in lossdoctor.trace(mapped, T, P)["return"] if one.inner)
    assert [float(turn.slopes) for turn in one.iterations] == [1.0] * 4
    assert np.allclose([float(turn.values) for turn in one.iterations], np.exp(T * P).mean(axis=1), rtol=1e-5)
    (one,) = lossdoctor.trace(scanned, T, P)["tf.square(e)"]
    assert [float(turn.slopes[0]) for turn in one.iterations] == [0.25, 0.5, 1.0]


@pytest.mark.real
def test_the_line_whose_backward_pass_breaks_in_one_iteration_is_blamed() -> None:
    import tensorflow as tf

    def distances(y_true, y_pred):
        def body(i, total):
            gap = y_pred[:, i] - y_true[:, i]
            squares = tf.reduce_sum(gap * gap)
            root = tf.sqrt(squares)
            return i + 1, total + root

        return tf.while_loop(lambda i, _: i < 4, body, [0, 0.0])[1]

    near = P.copy()
    near[:, 2] = T[:, 2]
    found = lossdoctor.trace(distances, T, near)
    assert found.backward and found.blamed is not None and found.blamed.name == "root"
    (squares,) = found["squares"]
    assert [one.gradient.finite for one in squares.iterations] == [True, True, False, True]
    text = found.text()
    assert "gradient not finite in iteration 3" in text and "(line 0)" not in text
    assert lossdoctor.trace(distances, T, P).blamed is None


@pytest.mark.real
def test_what_autograph_converts_is_named_and_stands_beneath_its_loop(tmp_path: Path) -> None:
    path = tmp_path / "converted_losses.py"
    path.write_text(CONVERTED)
    spec = importlib.util.spec_from_file_location("converted_losses", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = lossdoctor.trace(module.converted, T, P)
    (d,) = found["d"]
    gaps = P - T
    up = gaps.mean(axis=0) > 0
    slopes = np.where(up, 2 * gaps, np.exp(gaps)) / 4
    assert np.allclose(np.array([one.slopes for one in d.iterations]).T, slopes, rtol=1e-4)
    assert [row.line for row in found.rows if row.line] == sorted(row.line for row in found.rows if row.line)
    assert [len(one.iterations) for one in found["total"]] == [int(up.sum()), int((~up).sum())]
    assert found["after the loop"][0].marks == ("loop, 5 iterations",)
    assert found["tf.reduce_mean(d) > 0.0"][0].dtype == "bool"
    text = found.text()
    assert "7 | for i in" in text and "8 |   d = y_pred" in text and "(inside of line 7)" in text
    page = found.to_html()
    assert "inside of line 7" in page


@pytest.mark.real
def test_a_body_without_a_gradient_still_shows_its_values() -> None:
    import tensorflow as tf

    def digest(y_true, y_pred):
        def body(i, total):
            gap = y_pred[:, i] - y_true[:, i]
            text = tf.strings.to_number(tf.strings.as_string(gap))
            return i + 1, total + tf.reduce_sum(text)

        return tf.while_loop(lambda i, _: i < 2, body, [0, 0.0])[1] + tf.reduce_mean(y_pred)

    (gap,) = lossdoctor.trace(digest, T, P)["gap"]
    assert len(gap.iterations) == 2 and gap.gradient is None
