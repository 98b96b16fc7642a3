"""The losses of Keras as people write them again: other names, other algebra. `recognition.py` examines them."""

import tensorflow as tf
from keras import ops

TINY = 1e-7


def squares_expanded(target, output):
    return ops.mean(target * target - 2.0 * target * output + output * output, axis=-1)


def squares_by_norm(a, b):
    return tf.norm(b - a, axis=-1) ** 2 / tf.cast(tf.shape(a)[-1], a.dtype)


def absolute_by_maximum(a, b):
    return tf.reduce_mean(tf.maximum(a, b) - tf.minimum(a, b), axis=-1)


def percentage(actual, forecast):
    return tf.reduce_mean(tf.abs(1.0 - forecast / actual), axis=-1) * 100.0


def log_ratio_squared(a, b):
    ratio = (1.0 + a) / (1.0 + b)
    return tf.reduce_mean(tf.math.log(ratio) ** 2, axis=-1)


def huber_by_minimum(a, b):
    size = tf.abs(a - b)
    inner = tf.minimum(size, 1.0)
    return tf.reduce_mean(0.5 * inner**2 + (size - inner), axis=-1)


def huber_wide(a, b):
    size = tf.abs(b - a)
    clipped = tf.clip_by_value(size, 0.0, 2.5)
    return tf.reduce_mean(clipped * (size - clipped / 2.0), axis=-1)


def log_cosh_by_exponentials(a, b):
    d = b - a
    return tf.reduce_mean(tf.math.log((tf.exp(d) + tf.exp(-d)) / 2.0), axis=-1)


def log_cosh_by_library(a, b):
    return tf.reduce_mean(tf.nn.softplus(2.0 * (a - b)) - (a - b) - 0.6931471805599453, axis=-1)


def two_classes_by_choice(label, chance):
    right = tf.where(label > 0.5, chance, 1.0 - chance)
    return -tf.reduce_mean(tf.math.log(tf.maximum(right, TINY)), axis=-1)


def two_classes_product(label, chance):
    chance = tf.clip_by_value(chance, TINY, 1.0 - TINY)
    odds = tf.math.log(chance / (1.0 - chance))
    return tf.reduce_mean(tf.nn.softplus(odds) - label * odds, axis=-1)


def two_classes_smoothed(label, chance):
    soft = 0.9 * label + 0.05
    chance = tf.clip_by_value(chance, TINY, 1.0 - TINY)
    gain = soft * tf.math.log(chance) + (1.0 - soft) * tf.math.log(1.0 - chance)
    return -tf.reduce_mean(gain, axis=-1)


def scores_of_two_classes(label, score):
    return tf.reduce_mean(tf.maximum(score, 0.0) - score * label + tf.math.log1p(tf.exp(-tf.abs(score))), axis=-1)


def focal_by_right_chance(label, chance):
    chance = tf.clip_by_value(chance, TINY, 1.0 - TINY)
    right = label * chance + (1.0 - label) * (1.0 - chance)
    return tf.reduce_mean(-tf.math.log(right) * (1.0 - right) ** 2, axis=-1)


def focal_balanced(label, chance):
    chance = tf.clip_by_value(chance, TINY, 1.0 - TINY)
    positive = -0.25 * label * (1.0 - chance) ** 3 * tf.math.log(chance)
    negative = -0.75 * (1.0 - label) * chance**3 * tf.math.log(1.0 - chance)
    return tf.reduce_mean(positive + negative, axis=-1)


def classes_by_right_chance(label, chances):
    return -tf.math.log(tf.maximum(tf.reduce_sum(label * chances, axis=-1), TINY))


def classes_smoothed(label, scores):
    flat = tf.reduce_mean(scores, axis=-1)
    hit = tf.reduce_sum(label * scores, axis=-1)
    return tf.reduce_logsumexp(scores, axis=-1) - 0.8 * hit - 0.2 * flat


def scores_shifted(label, scores):
    right = tf.reduce_sum(label * scores, axis=-1, keepdims=True)
    return tf.math.log(tf.reduce_sum(tf.exp(scores - right), axis=-1))


def class_numbers(label, scores):
    spread = scores - tf.reduce_max(scores, axis=-1, keepdims=True)
    chosen = tf.gather(spread, label, axis=-1, batch_dims=1)
    return tf.math.log(tf.reduce_sum(tf.exp(spread), axis=-1)) - chosen


def focal_classes(label, chances):
    chances = tf.clip_by_value(chances, TINY, 1.0)
    right = tf.reduce_sum(label * chances, axis=-1)
    return -0.25 * (1.0 - right) ** 2 * tf.math.log(right)


def relative_entropy(p, q):
    p, q = tf.clip_by_value(p, TINY, 1.0), tf.clip_by_value(q, TINY, 1.0)
    return tf.reduce_sum(p * tf.math.log(p) - p * tf.math.log(q), axis=-1)


def counts(count, rate):
    return tf.reduce_mean(rate, axis=-1) - tf.reduce_mean(count * tf.math.log(rate + TINY), axis=-1)


def margin(sign, score):
    return tf.reduce_mean(tf.nn.relu(1.0 - sign * score), axis=-1)


def margin_squared(sign, score):
    gap = 1.0 - sign * score
    return tf.reduce_mean(gap * tf.nn.relu(gap), axis=-1)


def margin_of_classes(label, score):
    right = tf.reduce_sum(label * score, axis=-1)
    wrong = tf.reduce_max(score * (1.0 - label), axis=-1)
    return tf.nn.relu(1.0 + wrong - right)


def angle(a, b):
    along = tf.reduce_sum(a * b, axis=-1)
    return -along * tf.math.rsqrt(tf.reduce_sum(a * a, axis=-1)) * tf.math.rsqrt(tf.reduce_sum(b * b, axis=-1))


def overlap_of_images(mask, chance):
    both = tf.reduce_sum(mask * chance)
    either = tf.reduce_sum(mask + chance)
    return (either - 2.0 * both) / (either + TINY)


def overlap_of_each_image(mask, chance):
    axes = [1, 2, 3]
    both = tf.reduce_sum(mask * chance, axes)
    return 1.0 - both / (0.5 * (tf.reduce_sum(mask, axes) + tf.reduce_sum(chance, axes)))


def missed_and_false(mask, chance):
    hit = tf.reduce_sum(mask * chance)
    missed = tf.reduce_sum(mask) - hit
    false = tf.reduce_sum(chance) - hit
    return (0.3 * missed + 0.7 * false) / (hit + 0.3 * missed + 0.7 * false)


def noisy_labels(label, chances):
    right = tf.gather(chances, label, axis=-1, batch_dims=1)
    return 2.0 - 2.0 * tf.sqrt(right)


def circle_of_pairs(label, embedding):
    far = tf.maximum(1.0 - tf.matmul(embedding, embedding, transpose_b=True), 0.0)
    same = label[:, None] == label[None, :]
    own = tf.eye(tf.shape(label)[0], dtype=tf.bool)
    near = tf.where(tf.logical_and(same, tf.logical_not(own)), -80.0 * (0.4 + far) * (0.4 - far), -float("inf"))
    away = tf.where(tf.logical_not(same), 80.0 * tf.nn.relu(1.4 - far) * (0.6 - far), -float("inf"))
    return tf.nn.softplus(tf.reduce_logsumexp(near, axis=1) + tf.reduce_logsumexp(away, axis=1))
