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


@pytest.mark.real
def test_random_numbers_in_a_body_are_those_of_the_run_that_is_shown() -> None:
    import tensorflow as tf

    def noisy(y_true, y_pred):
        def body(i, total):
            noise = tf.random.uniform([])
            part = y_pred * noise
            return i + 1, total + part

        total = tf.while_loop(lambda i, _: i < 3, body, [0, y_true])[1]
        return tf.reduce_mean(total, axis=-1)

    found = lossdoctor.trace(noisy, T, P)
    (noise,), (part,) = found["noise"], found["part"]
    drawn = [float(one.values) for one in noise.iterations]
    assert len(set(drawn)) == 3 and noise.marks == () and found.varies == "random"
    assert np.allclose([one.values for one in part.iterations], [P * one for one in drawn], rtol=1e-5)
    assert np.allclose([one.slopes for one in part.iterations], 0.2, rtol=1e-5)
    total = found["tf.while_loop(lambda i, _: i < 3, body, [0, y_true])"][-1]
    assert np.allclose(total.values, T + P * sum(drawn), rtol=1e-4)  # of the same run
    (pred,) = found["y_pred"]
    assert np.allclose(pred.slopes, sum(drawn) / 5, rtol=1e-4)


@pytest.mark.real
def test_a_variable_in_a_body_is_followed_and_left_as_it_was() -> None:
    import tensorflow as tf

    count, scale = tf.Variable(0.0), tf.Variable(2.0)

    def counted(y_true, y_pred):
        def body(i, total):
            count.assign_add(1.0)
            gap = (y_pred - y_true) * scale
            part = tf.square(gap) * count
            return i + 1, total + part

        return tf.reduce_mean(tf.while_loop(lambda i, _: i < 3, body, [0, tf.zeros_like(y_true)])[1], axis=-1)

    found = lossdoctor.trace(counted, T, P)
    assert (float(count), float(scale)) == (0.0, 2.0)
    (part,), (gap,) = found["part"], found["gap"]
    gaps = 2.0 * (P - T)
    assert np.allclose([one.values for one in part.iterations], [gaps**2 * k for k in (1, 2, 3)], rtol=1e-4)
    assert np.allclose([one.slopes for one in gap.iterations], [2 * gaps * k / 5 for k in (1, 2, 3)], rtol=1e-4)
    assert found.varies == "state" and part.marks == () and "loop, 3 iterations" in found.text()


@pytest.mark.real
def test_all_of_two_thousand_turns_are_counted_as_if_unrolled() -> None:
    import tensorflow as tf

    def long(y_true, y_pred):
        def body(i, total):
            gap = y_pred[0] - y_true[0] * tf.cast(i, tf.float32) / 1000.0
            part = tf.square(gap)
            return i + 1, 0.999 * total + part

        return tf.reduce_sum(tf.while_loop(lambda i, _: i < 2000, body, [0, tf.zeros([5])])[1])

    found = lossdoctor.trace(long, T, P)
    (gap,), (part,) = found["gap"], found["part"]
    turns = np.arange(2000)[:, None]
    gaps = P[0].astype("float64") - T[0] * turns / 1000.0
    slopes = 0.999 ** (1999 - turns) * np.ones(5)
    assert gap.value.size == gap.gradient.size == 10_000 and len(gap.iterations) == 1000
    assert (gap.value.low, gap.value.mean) == pytest.approx((gaps.min(), gaps.mean()), rel=1e-4, abs=1e-5)
    assert part.value.norm == pytest.approx(np.linalg.norm(gaps**2), rel=1e-4)
    assert part.gradient.norm == pytest.approx(np.linalg.norm(slopes), rel=1e-4)
    assert gap.gradient.norm == pytest.approx(np.linalg.norm(2 * gaps * slopes), rel=1e-4)
    assert part.iterations[0].gradient.mean == pytest.approx(0.999**1999, rel=1e-3)


@pytest.mark.real
def test_a_run_that_takes_too_long_shows_how_far_it_got(monkeypatch: pytest.MonkeyPatch) -> None:
    from lossdoctor.probes import lines

    monkeypatch.setattr(lines, "_SECONDS", 0.02)
    import tensorflow as tf

    def long(y_true, y_pred):
        body = lambda i, total: (i + 1, total + tf.square(y_pred - y_true))  # noqa: E731
        return tf.reduce_mean(tf.while_loop(lambda i, _: i < 3000, body, [0, tf.zeros_like(y_true)])[1], axis=-1)

    found = lossdoctor.trace(long, T, P)
    (square,) = found["tf.square(y_pred - y_true)"]
    assert not square.graded and square.gradient is None and square.iterations[0].gradient is None
    (mark,) = square.marks
    assert mark.startswith("over the first ") and mark.endswith(" iterations: all of them take too long")
    assert found["return"][-1].gradient is not None


@pytest.mark.real
def test_branches_of_a_case_and_branches_around_random_numbers() -> None:
    import tensorflow as tf

    def cased(y_true, y_pred):
        index = tf.argmax(tf.reduce_sum(y_pred, axis=0), output_type=tf.int32)
        part = tf.switch_case(index, [lambda k=k: y_pred * float(k) for k in range(5)])
        drop = tf.cond(
            tf.reduce_mean(part) < 1e9,
            lambda: part * tf.random.uniform([4, 5]),
            lambda: part,
        )
        return tf.reduce_mean(drop - y_true, axis=-1)

    found = lossdoctor.trace(cased, T, P)
    chosen = int(P.sum(axis=0).argmax())
    (taken,) = found["y_pred * float(k)"]
    assert np.allclose(taken.values if taken.values is not None else taken.iterations[0].values, P * chosen)
    assert f"branch: {chosen}" in found["part"][0].marks
    (times,) = found["part * tf.random.uniform([4, 5])"]
    assert times.marks == () and np.allclose(times.iterations[0].values, found["drop"][0].values)


@pytest.mark.real
def test_a_map_says_how_many_it_maps_over() -> None:
    import tensorflow as tf

    def mapped(y_true, y_pred):
        return tf.map_fn(lambda t: tf.reduce_mean(tf.square(t)), y_true - y_pred)

    found = lossdoctor.trace(mapped, T, P)
    (inner,), outer = found["tf.square(t)"], found["return"][-1]
    assert inner.inner and inner.marks == () and len(inner.iterations) == 4
    assert outer.marks == ("loop, 4 iterations",)


@pytest.mark.real
def test_what_a_vectorized_map_maps_is_shown_for_the_whole_batch() -> None:
    import tensorflow as tf

    def vectorized(y_true, y_pred):
        def sample(pair):
            gap = pair[0] - pair[1]
            part = tf.square(gap)
            return tf.reduce_mean(part)

        each = tf.vectorized_map(sample, (y_true, y_pred))
        return tf.sqrt(each)

    found = lossdoctor.trace(vectorized, T, P)
    (gap,), (part,), (each,) = found["gap"], found["part"], found["each"]
    assert np.allclose(gap.values, T - P) and np.allclose(part.values, (T - P) ** 2, rtol=1e-5)
    root = np.sqrt(np.mean((T - P) ** 2, axis=1))
    assert np.allclose(each.values, root**2, rtol=1e-5) and np.allclose(each.slopes, 0.5 / root, rtol=1e-4)
    assert np.allclose(part.slopes, np.repeat(0.1 / root, 5).reshape(4, 5), rtol=1e-4)
    line = vectorized.__code__.co_firstlineno + 2
    assert gap.calls[-1].line == line and found[line] == (gap,)
