"""How losses are written in practice: wrappers, state, randomness, structure, deliberate pairs, unusual roles."""

import functools
import itertools

import keras
import tensorflow as tf
from keras import ops
from tensorflow.keras import backend as K


def batch_rank_net(y_true, y_pred):
    """Every sample against every other: (B, 1) against its transpose is meant."""
    order = tf.sign(y_true - tf.transpose(y_true))
    margins = y_pred - tf.transpose(y_pred)
    return tf.reduce_mean(tf.nn.softplus(-order * margins) * tf.abs(order), axis=1)


def critic(y_true, y_pred):
    """Wasserstein critic with real samples labelled -1, as the first Keras ports have it."""
    return K.mean(y_true * y_pred, axis=-1)


def identity(y_true, y_pred):
    """The model computes its own loss."""
    return tf.reduce_mean(y_pred, axis=-1)


@tf.custom_gradient
def _reverse(x):
    def gradient(upstream):
        return -0.1 * upstream

    return tf.identity(x), gradient


def domain_adversarial(y_true, y_pred):
    """Columns: task score and domain score; the domain branch learns against the features."""
    task = tf.nn.sigmoid_cross_entropy_with_logits(y_true[:, 0], y_pred[:, 0])
    domain = tf.nn.sigmoid_cross_entropy_with_logits(y_true[:, 1], _reverse(y_pred[:, 1]))
    return task + domain


@tf.custom_gradient
def _log1pexp(x):
    e = tf.exp(-tf.abs(x))

    def gradient(upstream):
        return upstream * tf.sigmoid(x)

    return tf.maximum(x, 0.0) + tf.math.log1p(e), gradient


def stable_logistic(y_true, y_pred):
    return tf.reduce_mean(_log1pexp(y_pred) - y_true * y_pred, axis=-1)


def straight_through_rounding(y_true, y_pred):
    rounded = y_pred + tf.stop_gradient(tf.round(y_pred) - y_pred)
    return tf.reduce_mean(tf.square(y_true - rounded), axis=-1)


@tf.function
def compiled_mse(y_true, y_pred):
    return tf.reduce_mean(tf.math.squared_difference(y_true, y_pred), axis=-1)


def _per_sample(function):
    @functools.wraps(function)
    def wrapped(y_true, y_pred):
        values = function(y_true, y_pred)
        return tf.reduce_mean(tf.reshape(values, [tf.shape(values)[0], -1]), axis=1)

    return wrapped


@_per_sample
def decorated(y_true, y_pred):
    return tf.abs(y_true - y_pred)


log_ratio = lambda y_true, y_pred: K.mean(K.abs(K.log(y_pred) - K.log(y_true)), axis=-1)  # noqa: E731


def _focal(y_true, y_pred, gamma):
    p = tf.clip_by_value(y_pred, 1e-7, 1.0 - 1e-7)
    return tf.reduce_mean(
        -y_true * (1.0 - p) ** gamma * tf.math.log(p) - (1.0 - y_true) * p**gamma * tf.math.log(1.0 - p), axis=-1
    )


focal_two = functools.partial(_focal, gamma=2.0)


@keras.saving.register_keras_serializable(package="healthy")
class LearnedBalance(keras.losses.Loss):
    """Two tasks whose log-variances are variables (Kendall et al. 2018)."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.log_variances = tf.Variable([0.0, 0.0])

    def call(self, y_true, y_pred):
        errors = tf.square(y_true - y_pred)
        return tf.reduce_sum(errors * tf.exp(-self.log_variances) + self.log_variances, axis=-1)


smooth_l1 = keras.losses.Huber(delta=0.5)


@keras.saving.register_keras_serializable(package="healthy")
class Annealed(keras.losses.Loss):
    """A weight in a variable, which a callback assigns."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.weight = tf.Variable(0.1, trainable=False)

    def call(self, y_true, y_pred):
        return ops.mean(ops.square(y_true - y_pred), axis=-1) + self.weight * ops.mean(ops.abs(y_pred), axis=-1)


def noisy_targets(y_true, y_pred):
    """Instance noise: other numbers in every step, on purpose."""
    return tf.reduce_mean(tf.square(y_true + tf.random.normal(tf.shape(y_true), stddev=0.05) - y_pred), axis=-1)


def sampled_negatives(y_true, y_pred):
    """Rows of embeddings against the shuffled batch; the indices are shuffled, as tf.random.shuffle of the
    embeddings themselves would have no gradient."""
    other = tf.gather(y_pred, tf.random.shuffle(tf.range(tf.shape(y_pred)[0])))
    positive = tf.reduce_sum(y_true * y_pred, axis=-1) / 8.0
    negative = tf.reduce_sum(y_true * other, axis=-1) / 8.0
    return tf.nn.softplus(-positive) + tf.nn.softplus(negative)


def sparse_float_labels(y_true, y_pred):
    """Labels as Keras hands them over: float, (B, 1)."""
    labels = tf.cast(tf.squeeze(y_true, axis=-1), tf.int32)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, y_pred)


def half_precision_dice(y_true, y_pred):
    true, pred = tf.cast(y_true, tf.float32), tf.cast(y_pred, tf.float32)
    overlap = tf.reduce_sum(true * pred, axis=[1, 2, 3])
    total = tf.reduce_sum(true, axis=[1, 2, 3]) + tf.reduce_sum(pred, axis=[1, 2, 3])
    return 1.0 - (2.0 * overlap + 1.0) / (total + 1.0)


def double_precision(y_true, y_pred):
    return tf.reduce_mean(tf.math.log1p(tf.square(y_true - y_pred)), axis=-1)


def bytes_mask(y_true, y_pred):
    """Masks come as bytes."""
    return tf.reduce_mean(keras.losses.binary_crossentropy(tf.cast(y_true, y_pred.dtype), y_pred), axis=[1, 2])


def multi_task(y_true, y_pred):
    boxes = tf.reduce_mean(tf.abs(y_true["box"] - y_pred["box"]), axis=-1)
    score = tf.nn.sigmoid_cross_entropy_with_logits(y_true["object"], y_pred["object"])[:, 0]
    return y_true["object"][:, 0] * boxes + score


def ssim_any_size(y_true, y_pred):
    return 1.0 - tf.image.ssim(y_true, y_pred, max_val=1.0)


def slopes(y_true, y_pred):
    return tf.reduce_mean(tf.abs((y_true[:, 1:] - y_true[:, :-1]) - (y_pred[:, 1:] - y_pred[:, :-1])), axis=1)


def patch_hinge(y_true, y_pred):
    values = tf.nn.relu(1.0 - y_true * y_pred)
    return tf.reduce_mean(values, axis=list(range(1, len(values.shape))))


def clipped_policy(y_true, y_pred, clip=0.2):
    """PPO: `y_true` holds advantage and old log-probability, `y_pred` the new one."""
    ratio = tf.exp(tf.clip_by_value(y_pred[:, 0] - y_true[:, 1], -10.0, 10.0))
    advantage = y_true[:, 0]
    return -tf.minimum(ratio * advantage, tf.clip_by_value(ratio, 1.0 - clip, 1.0 + clip) * advantage)


def reinforce(y_true, y_pred):
    """One-hot action times its return, over the policy's probabilities."""
    return -tf.reduce_sum(y_true * tf.math.log(tf.clip_by_value(y_pred, 1e-8, 1.0)), axis=-1)


def temporal_difference(y_true, y_pred):
    """Only the value of the action taken has a target; the others are NaN."""
    taken = tf.logical_not(tf.math.is_nan(y_true))
    error = tf.where(taken, y_true, 0.0) - tf.where(taken, y_pred, 0.0)
    absolute = tf.abs(error)
    return tf.reduce_sum(tf.where(absolute < 1.0, 0.5 * tf.square(error), absolute - 0.5), axis=-1)


def chamfer(y_true, y_pred):
    squared = tf.reduce_sum(tf.square(y_true[:, :, None, :] - y_pred[:, None, :, :]), axis=-1)
    there, back = tf.reduce_min(squared, axis=2), tf.reduce_min(squared, axis=1)
    return tf.reduce_mean(there, axis=1) + tf.reduce_mean(back, axis=1)


def sinkhorn(y_true, y_pred, iterations=5, strength=0.5):
    cost = tf.reduce_sum(tf.square(y_true[:, :, None, :] - y_pred[:, None, :, :]), axis=-1)
    scores = -cost / strength
    for _ in range(iterations):
        scores -= tf.reduce_logsumexp(scores, axis=2, keepdims=True)
        scores -= tf.reduce_logsumexp(scores, axis=1, keepdims=True)
    return tf.reduce_sum(tf.exp(scores) * cost, axis=[1, 2])


def permutation_invariant(y_true, y_pred):
    costs = [
        tf.add_n([tf.reduce_mean(tf.square(y_true[:, i] - y_pred[:, j]), axis=-1) for i, j in enumerate(order)])
        for order in itertools.permutations(range(3))
    ]
    return tf.reduce_min(tf.stack(costs, axis=-1), axis=-1)


def si_snr(y_true, y_pred, epsilon=1e-8):
    target = y_true - tf.reduce_mean(y_true, axis=-1, keepdims=True)
    estimate = y_pred - tf.reduce_mean(y_pred, axis=-1, keepdims=True)
    power = tf.reduce_sum(tf.square(target), axis=-1, keepdims=True)
    projection = tf.reduce_sum(target * estimate, axis=-1, keepdims=True) * target / (power + epsilon)
    noise = estimate - projection
    ratio = (tf.reduce_sum(tf.square(projection), -1) + epsilon) / (tf.reduce_sum(tf.square(noise), -1) + epsilon)
    return -10.0 * tf.math.log(ratio) / 2.302585


def log_spectrogram(y_true, y_pred):
    def magnitude(x):
        spectrum = tf.signal.stft(x, frame_length=32, frame_step=16, fft_length=32)
        return tf.math.log(tf.abs(spectrum) + 1e-3)

    return tf.reduce_mean(tf.abs(magnitude(y_true) - magnitude(y_pred)), axis=[1, 2])


def cholesky_nll(y_true, y_pred):
    """Mean of 2 and a lower triangular factor of the precision: 2 on its diagonal, 1 below."""
    mean, raw = y_pred[:, :2], y_pred[:, 2:]
    diagonal = tf.nn.softplus(raw[:, :2]) + 1e-3
    zeros = tf.zeros_like(raw[:, :1])
    factor = tf.stack([tf.concat([diagonal[:, :1], zeros], 1), tf.concat([raw[:, 2:], diagonal[:, 1:]], 1)], axis=1)
    z = tf.linalg.matvec(factor, y_true - mean, transpose_a=True)
    return 0.5 * tf.reduce_sum(tf.square(z), axis=1) - tf.reduce_sum(tf.math.log(diagonal), axis=1)


def correlation_alignment(y_true, y_pred):
    """Of the covariances of a batch of features: one number by its nature."""

    def covariance(x):
        centred = x - tf.reduce_mean(x, axis=0)
        degrees = tf.maximum(tf.cast(tf.shape(x)[0], tf.float32) - 1.0, 1.0)
        return tf.matmul(centred, centred, transpose_a=True) / degrees

    return tf.reduce_sum(tf.square(covariance(y_true) - covariance(y_pred))) / 64.0


def checked(y_true, y_pred):
    tf.debugging.assert_equal(tf.shape(y_true), tf.shape(y_pred))
    y_pred = tf.debugging.check_numerics(y_pred, "prediction")
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)


def branch_of_batch(y_true, y_pred):
    """Ordinary least squares unless nothing in the batch is positive."""
    return tf.cond(
        tf.reduce_any(y_true > 0.0),
        lambda: tf.reduce_mean(tf.square(y_true - y_pred), axis=-1),
        lambda: tf.reduce_mean(tf.abs(y_true - y_pred), axis=-1),
    )


def by_flag(from_logits=True, reduction=tf.reduce_mean):
    def loss(y_true, y_pred, sample_weight=None):
        values = K.binary_crossentropy(tf.cast(y_true, y_pred.dtype), y_pred, from_logits=from_logits)
        if sample_weight is not None:
            values = values * sample_weight
        return reduction(values, axis=-1)

    return loss


def safe_norm(y_true, y_pred):
    squared = tf.reduce_sum(tf.square(y_true - y_pred), axis=-1)
    away = squared > 0.0
    return tf.where(away, tf.sqrt(tf.where(away, squared, 1.0)), 0.0)


def softmax_by_hand(y_true, y_pred):
    shifted = y_pred - tf.reduce_max(y_pred, axis=-1, keepdims=True)
    log_total = tf.math.log(tf.reduce_sum(tf.exp(shifted), axis=-1))
    return log_total - tf.reduce_sum(y_true * shifted, axis=-1)


def weighted_by_batch(y_true, y_pred):
    """The share of positives in the batch balances the two classes."""
    share = tf.clip_by_value(tf.reduce_mean(y_true), 0.05, 0.95)
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(y_true, y_pred)
    return tf.reduce_mean(entropy * (y_true / share + (1.0 - y_true) / (1.0 - share)), axis=-1)


def dirichlet_nll(y_true, y_pred):
    concentration = tf.nn.softplus(y_pred) + 1.0
    log_p = tf.math.log(tf.clip_by_value(y_true, 1e-6, 1.0))
    log_norm = tf.reduce_sum(tf.math.lgamma(concentration), -1) - tf.math.lgamma(tf.reduce_sum(concentration, -1))
    return log_norm - tf.reduce_sum((concentration - 1.0) * log_p, axis=-1)


def soft_dtw(y_true, y_pred, gamma=1.0):
    """Soft dynamic time warping of series of six steps."""
    cost = tf.square(y_true[:, :, None] - y_pred[:, None, :])
    far = tf.fill([tf.shape(y_true)[0]], 1e10)
    previous = [tf.zeros_like(far)] + [far] * 6
    for i in range(6):
        row = [far]
        for j in range(6):
            paths = tf.stack([previous[j], previous[j + 1], row[j]], axis=-1)
            row.append(cost[:, i, j] - gamma * tf.reduce_logsumexp(-paths / gamma, axis=-1))
        previous = row
    return previous[-1]


def von_mises_nll(y_true, y_pred):
    direction, concentration = y_pred[:, 0], tf.nn.softplus(y_pred[:, 1]) + 1e-3
    log_norm = tf.math.log(tf.math.bessel_i0e(concentration)) + concentration
    return log_norm - concentration * tf.cos(y_true[:, 0] - direction)


class _Moments:
    """Helpers of a project, as methods."""

    @staticmethod
    def centred(x):
        return x - tf.reduce_mean(x, axis=-1, keepdims=True)


def centred_error(y_true, y_pred):
    return tf.reduce_mean(tf.square(_Moments.centred(y_true) - _Moments.centred(y_pred)), axis=-1)


def loop_over_horizons(y_true, y_pred):
    total = 0.0
    for step in range(y_pred.shape[1]):
        total += 0.9**step * tf.reduce_mean(tf.abs(y_true[:, step] - y_pred[:, step]), axis=-1)
    return total


def top_k_hard(y_true, y_pred, share=0.25):
    """Only the hardest quarter of the pixels counts."""
    entropy = K.batch_flatten(tf.nn.sigmoid_cross_entropy_with_logits(y_true, y_pred))
    count = tf.maximum(tf.cast(share * tf.cast(tf.shape(entropy)[1], tf.float32), tf.int32), 1)
    return tf.reduce_mean(tf.math.top_k(entropy, k=count).values, axis=1)


def hard_negatives(y_true, y_pred, ratio=3.0):
    """Three negatives for each positive, the hardest first (SSD)."""
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(y_true, y_pred)
    positives = tf.reduce_sum(y_true, axis=1)
    negatives = tf.minimum(ratio * positives + 1.0, tf.cast(tf.shape(y_true)[1], tf.float32) - positives)
    of_negatives = entropy * (1.0 - y_true)
    ranked = tf.sort(of_negatives, axis=1, direction="DESCENDING")
    places = tf.range(tf.shape(y_true)[1], dtype=tf.float32)
    kept = tf.cast(places[None, :] < negatives[:, None], tf.float32)
    total = tf.reduce_sum(entropy * y_true, axis=1) + tf.reduce_sum(ranked * kept, axis=1)
    return total / tf.maximum(positives, 1.0)


def weights_in_targets(y_true, y_pred):
    """The second channel of the target weights the first."""
    target, weight = y_true[..., :1], y_true[..., 1:]
    squared = weight * tf.square(target - y_pred)
    return tf.math.divide_no_nan(tf.reduce_sum(squared, axis=[1, 2]), tf.reduce_sum(weight, axis=[1, 2]))


def gumbel_choice(y_true, y_pred, temperature=0.5):
    noise = -tf.math.log(-tf.math.log(tf.random.uniform(tf.shape(y_pred), 1e-6, 1.0 - 1e-6)))
    choice = tf.nn.softmax((y_pred + noise) / temperature)
    return tf.reduce_sum(tf.square(y_true - choice), axis=-1)


def sparsity(y_true, y_pred, target=0.05):
    """Reconstruction, and a KL to the wanted mean activation."""
    mean = tf.clip_by_value(tf.reduce_mean(y_pred, axis=-1), 1e-6, 1.0 - 1e-6)
    divergence = target * tf.math.log(target / mean) + (1.0 - target) * tf.math.log((1.0 - target) / (1.0 - mean))
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1) + 0.1 * divergence


def kept_dims(y_true, y_pred):
    """(B, 1) as some projects return it."""
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1, keepdims=True)


def pixels_left(y_true, y_pred):
    """As the losses of Keras: only the last axis is reduced."""
    return K.mean(K.square(y_pred - y_true), axis=-1)


def macro_soft_f1(y_true, y_pred):
    """Of the whole batch, class by class: one number by its nature."""
    overlap = tf.reduce_sum(y_true * y_pred, axis=0)
    f1 = 2.0 * overlap / (tf.reduce_sum(y_true + y_pred, axis=0) + 1e-7)
    return 1.0 - tf.reduce_mean(f1)


def covariance_penalty(y_true, y_pred):
    """VICReg of two views, shared out to the samples."""
    first, second = y_pred[:, 0], y_pred[:, 1]
    invariance = tf.reduce_mean(tf.square(first - second), axis=-1)
    deviation = tf.sqrt(tf.math.reduce_variance(first, axis=0) + 1e-4)
    return invariance + tf.reduce_mean(tf.nn.relu(1.0 - deviation))


class WeightedSum:
    """A plain callable that holds other losses."""

    def __init__(self, weights):
        self.weights = weights
        self.parts = [keras.losses.MeanSquaredError(reduction=None), keras.losses.MeanAbsoluteError(reduction=None)]

    def __call__(self, y_true, y_pred):
        return sum(w * part(y_true, y_pred) for w, part in zip(self.weights, self.parts, strict=True))


weighted_sum = WeightedSum([1.0, 0.5])


@keras.saving.register_keras_serializable(package="healthy")
class Wrapped(keras.losses.Loss):
    """Another loss, scaled."""

    def __init__(self, scale=2.0, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        self.inner = keras.losses.Poisson(reduction=None)

    def call(self, y_true, y_pred):
        return self.scale * self.inner(y_true, y_pred)

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


def bfloat_labels(y_true, y_pred):
    return tf.reduce_mean(tf.abs(tf.cast(y_true, tf.float32) - tf.cast(y_pred, tf.float32)), axis=-1)


def log_domain_bce(y_true, y_pred):
    return tf.reduce_mean(
        -(y_true * tf.math.log_sigmoid(y_pred) + (1.0 - y_true) * tf.math.log_sigmoid(-y_pred)), axis=-1
    )


def ratio_of_totals(y_true, y_pred):
    """WAPE of each series."""
    return tf.reduce_sum(tf.abs(y_true - y_pred), 1) / tf.maximum(tf.reduce_sum(tf.abs(y_true), 1), 1e-3)


def polar_boxes(y_true, y_pred):
    """Angle from sine and cosine; atan2 is only taken away from the origin."""
    angle = tf.atan2(y_pred[:, 0], y_pred[:, 1] + tf.where(tf.abs(y_pred[:, 1]) < 1e-3, 1e-2, 0.0))
    return 1.0 - tf.cos(y_true[:, 0] - angle)
