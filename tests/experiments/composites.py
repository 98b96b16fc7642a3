"""Composite losses as people write them, with what their terms are: names, and weights where these are numbers."""

# pyright: basic, reportArgumentType=false, reportOperatorIssue=false, reportCallIssue=false
# pyright: reportOptionalOperand=false
# ruff: noqa: C408, RET504 (as people write them)

import keras
import tensorflow as tf
from keras import ops

REAL = "float32[B,6] real"
UNIT = "float32[B,6] unit"
BINARY = "float32[B,6] binary"
IMAGE = "float32[B,8,8,3] unit"
LATENT = '["float32[B,6] unit", "float32[B,3] real", "float32[B,3] real"]'
COMPOSITES = {}


def composite(y_true, y_pred, terms):
    """Register a loss with its specs and terms; None for a weight that is no number."""

    def register(function):
        COMPOSITES[function.__name__] = (y_true, y_pred, terms)
        return function

    return register


# ---- variational autoencoders


def reconstruction(y_true, x_hat):
    return tf.reduce_sum(keras.losses.binary_crossentropy(y_true[..., None], x_hat[..., None]), axis=-1)


def kl_divergence(mu, logvar):
    return -0.5 * tf.reduce_sum(1.0 + logvar - tf.square(mu) - tf.exp(logvar), axis=-1)


@composite(UNIT, LATENT, {"reconstruction": 1.0, "kl_divergence": 4.0})
def beta_vae(y_true, y_pred):
    x_hat, mu, logvar = y_pred
    return reconstruction(y_true, x_hat) + 4.0 * kl_divergence(mu, logvar)


@composite(UNIT, LATENT, {"recon": 1.0, "kl": 0.1})
def vae_batch_mean(y_true, y_pred):
    x_hat, mu, logvar = y_pred
    recon = tf.reduce_mean(tf.square(y_true - x_hat))
    kl = -0.5 * tf.reduce_mean(1 + logvar - mu**2 - tf.exp(logvar))
    total = recon + 0.1 * kl
    return total


@composite(UNIT, LATENT, {"reconstruction": 1.0, "kl": 1.0, "sparsity": 0.01})
def vae_keras_ops(y_true, y_pred):
    x_hat, mu, logvar = y_pred
    losses = {
        "reconstruction": ops.mean(ops.abs(y_true - x_hat), axis=-1),
        "kl": -0.5 * ops.sum(1 + logvar - ops.square(mu) - ops.exp(logvar), axis=-1),
    }
    losses["sparsity"] = ops.mean(ops.abs(mu), axis=-1)
    return losses["reconstruction"] + losses["kl"] + 0.01 * losses["sparsity"]


# ---- generators with penalties


@composite(IMAGE, '["float32[B,8,8,3] unit", "float32[B,1] logit"]', {"adversarial": 1.0, "l1": 100.0})
def pix2pix_generator(y_true, y_pred):
    fake, logits = y_pred
    adversarial = tf.reduce_mean(
        tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.ones_like(logits), logits=logits), axis=-1
    )
    l1 = tf.reduce_mean(tf.abs(y_true - fake), axis=[1, 2, 3])
    return adversarial + 100.0 * l1


@composite("float32[B,1] real", "float32[B,1] real", {"critic": 1.0, "drift": 0.001})
def wgan_critic(y_true, y_pred):
    critic = -tf.reduce_mean(y_true * y_pred, axis=-1)
    drift = tf.reduce_mean(tf.square(y_pred), axis=-1)
    return critic + 1e-3 * drift


@composite("float32[B,4] real", '["float32[B,1] real", "float32[B,4] real"]', {"wasserstein": 1.0, "penalty": 10.0})
def wgan_gp(y_true, y_pred):
    score, slope = y_pred

    def penalty_of(gradient):
        norm = tf.sqrt(tf.reduce_sum(tf.square(gradient), axis=-1) + 1e-12)
        return tf.square(norm - 1.0)

    wasserstein = -score[:, 0] + 0.0 * y_true[:, 0]
    penalty = penalty_of(slope)
    return wasserstein + 10.0 * penalty


# ---- images


def gradient_loss(y_true, y_pred):
    dy_true, dx_true = tf.image.image_gradients(y_true)
    dy, dx = tf.image.image_gradients(y_pred)
    return tf.reduce_mean(tf.abs(dy - dy_true), axis=[1, 2, 3]) + tf.reduce_mean(tf.abs(dx - dx_true), axis=[1, 2, 3])


@composite(IMAGE, IMAGE, {"pixel": 1.0, "gradient_loss": 0.5, "smooth": 1e-3})
def perceptual_mix(y_true, y_pred):
    pixel = tf.reduce_mean(tf.square(y_true - y_pred), axis=[1, 2, 3])
    smooth = tf.image.total_variation(y_pred)
    return pixel + 0.5 * gradient_loss(y_true, y_pred) + 1e-3 * smooth


@composite(IMAGE, IMAGE, {"mse[scale=1]": 1.0, "mse[scale=2]": 0.5, "mse[scale=4]": 0.25})
def multi_scale(y_true, y_pred):
    def mse(a, b):
        return tf.reduce_mean(tf.square(a - b), axis=[1, 2, 3])

    total = 0.0
    for scale in (1, 2, 4):
        small = [tf.nn.avg_pool2d(x, scale, scale, "SAME") for x in (y_true, y_pred)]
        total += mse(*small) / scale
    return total


@composite(IMAGE, IMAGE, {"l1": 0.84, "ssim": 0.16})
def l1_ssim(y_true, y_pred):
    def moments(x):
        return tf.nn.avg_pool2d(x, 3, 1, "VALID")

    mu_x, mu_y = moments(y_true), moments(y_pred)
    var_x, var_y = moments(y_true**2) - mu_x**2, moments(y_pred**2) - mu_y**2
    cov = moments(y_true * y_pred) - mu_x * mu_y
    index = ((2 * mu_x * mu_y + 1e-4) * (2 * cov + 9e-4)) / ((mu_x**2 + mu_y**2 + 1e-4) * (var_x + var_y + 9e-4))
    ssim = 1.0 - tf.reduce_mean(index, axis=[1, 2, 3])
    l1 = tf.reduce_mean(tf.abs(y_true - y_pred), axis=[1, 2, 3])
    return 0.84 * l1 + 0.16 * ssim


# ---- segmentation and classification


def soft_dice(y_true, y_pred, smooth=1.0):
    overlap = tf.reduce_sum(y_true * y_pred, axis=-1)
    return 1.0 - (2.0 * overlap + smooth) / (tf.reduce_sum(y_true, -1) + tf.reduce_sum(y_pred, -1) + smooth)


def focal(y_true, y_pred, gamma=2.0):
    p = tf.clip_by_value(y_pred, 1e-7, 1 - 1e-7)
    pt = tf.where(y_true > 0.5, p, 1 - p)
    return tf.reduce_mean(-((1 - pt) ** gamma) * tf.math.log(pt), axis=-1)


@composite(BINARY, UNIT, {"focal": 0.7, "soft_dice": 0.3})
def focal_dice(y_true, y_pred):
    return 0.7 * focal(y_true, y_pred) + 0.3 * soft_dice(y_true, y_pred)


@composite(BINARY, UNIT, {"bce": 1.0, "dice": 1.0})
def bce_dice(y_true, y_pred):
    bce = keras.losses.binary_crossentropy(y_true, y_pred)
    dice = soft_dice(y_true, y_pred)
    return tf.add_n([bce, dice])


@composite(BINARY, UNIT, {"bce": 0.5, "1 - score": 2.0})
def dice_as_score(y_true, y_pred):
    bce = keras.losses.binary_crossentropy(y_true, y_pred)
    score = 2 * tf.reduce_sum(y_true * y_pred, -1) / (tf.reduce_sum(y_true + y_pred, -1) + 1.0)
    return 0.5 * bce + 2.0 * (1 - score)


@composite("float32[B,5] onehot", "float32[B,5] logit", {"categorical_crossentropy": 1.0, "confidence": 0.1})
def confidence_penalty(y_true, y_pred):
    loss = keras.losses.categorical_crossentropy(y_true, y_pred, from_logits=True)
    p = tf.nn.softmax(y_pred)
    confidence = tf.reduce_sum(p * tf.nn.log_softmax(y_pred), axis=-1)
    loss = loss + 0.1 * confidence
    return loss


@composite('["float32[B,5] onehot", "float32[B,5] logit"]', "float32[B,5] logit", {"hard": 0.3, "soft": 0.7 * 16.0})
def distillation(y_true, y_pred):
    labels, teacher = y_true
    temperature, alpha = 4.0, 0.3
    hard = tf.nn.softmax_cross_entropy_with_logits(labels=labels, logits=y_pred)
    soft = tf.nn.softmax_cross_entropy_with_logits(
        labels=tf.nn.softmax(teacher / temperature), logits=y_pred / temperature
    )
    return alpha * hard + (1 - alpha) * temperature**2 * soft


# ---- detection


@composite(
    "float32[B,4,4,8] unit",
    "float32[B,4,4,8] real",
    {"xy_loss": 5.0, "wh_loss": 5.0, "object_loss": 1.0, "empty_loss": 0.5, "class_loss": 1.0},
)
def yolo(y_true, y_pred):
    mask = tf.cast(y_true[..., 4] > 0.5, tf.float32)
    xy_loss = tf.reduce_sum(mask * tf.reduce_sum((y_true[..., 0:2] - y_pred[..., 0:2]) ** 2, -1), [1, 2])
    roots = tf.sqrt(tf.maximum(y_true[..., 2:4], 1e-6)) - tf.sqrt(tf.maximum(y_pred[..., 2:4], 1e-6))
    wh_loss = tf.reduce_sum(mask * tf.reduce_sum(roots**2, -1), [1, 2])
    conf = (y_true[..., 4] - y_pred[..., 4]) ** 2
    object_loss = tf.reduce_sum(mask * conf, [1, 2])
    empty_loss = tf.reduce_sum((1 - mask) * conf, [1, 2])
    class_loss = tf.reduce_sum(mask * tf.reduce_sum((y_true[..., 5:] - y_pred[..., 5:]) ** 2, -1), [1, 2])
    return 5.0 * (xy_loss + wh_loss) + object_loss + 0.5 * empty_loss + class_loss


@composite(
    {"box": "float32[B,4] real", "label": "float32[B,3] onehot"},
    {"box": "float32[B,4] real", "label": "float32[B,3] probability"},
    {"huber": 2.0, "categorical_crossentropy": 1.0},
)
def detection_head(y_true, y_pred):
    return 2.0 * keras.losses.huber(y_true["box"], y_pred["box"]) + keras.losses.categorical_crossentropy(
        y_true["label"], y_pred["label"]
    )


# ---- physics


@composite(REAL, '["float32[B,6] real", "float32[B,6] real"]', {"data_loss": 1.0, "pde_loss": 0.1, "boundary": 10.0})
def physics_informed(y_true, y_pred):
    u, residual = y_pred
    data_loss = tf.reduce_mean(tf.square(u - y_true))
    pde_loss = tf.reduce_mean(tf.square(residual + u * u))
    boundary = tf.reduce_mean(tf.square(u[:, 0])) + tf.reduce_mean(tf.square(u[:, -1]))
    return data_loss + 0.1 * pde_loss + 10.0 * boundary


@composite(REAL, REAL, {"fit": 1.0, "smoothness": 0.05, "mass": 0.5})
def conserved(y_true, y_pred):
    terms = dict(
        fit=tf.reduce_mean(tf.square(y_true - y_pred), axis=-1),
        smoothness=tf.reduce_mean(tf.square(y_pred[:, 1:] - y_pred[:, :-1]), axis=-1),
        mass=tf.square(tf.reduce_sum(y_pred - y_true, axis=-1)),
    )
    weights = {"fit": 1.0, "smoothness": 0.05, "mass": 0.5}
    return tf.add_n([weights[name] * value for name, value in terms.items()])


# ---- metric learning


@composite(
    REAL, '["float32[B,4] real", "float32[B,4] real", "float32[B,4] real"]', {"triplet": 1.0, "regulariser": 0.02}
)
def triplet_regularised(y_true, y_pred):
    anchor, positive, negative = y_pred
    near = tf.reduce_sum(tf.square(anchor - positive), -1)
    far = tf.reduce_sum(tf.square(anchor - negative), -1)
    triplet = tf.maximum(near - far + 0.2, 0.0)
    regulariser = tf.add_n([tf.reduce_sum(tf.square(x), -1) for x in y_pred])
    return triplet + 0.02 * regulariser


@composite(REAL, REAL, {"positive": 1.0, "negative": 0.5})
def contrastive_pair(y_true, y_pred):
    distance = tf.sqrt(tf.reduce_sum(tf.square(y_true - y_pred), -1) + 1e-9)
    positive, negative = tf.square(distance), tf.square(tf.maximum(1.0 - distance, 0.0))
    return positive + 0.5 * negative


# ---- several tasks


class UncertaintyWeighted(keras.losses.Loss):
    """Weights exp(-s) that are learned with the model (Kendall and others, 2018)."""

    def __init__(self):
        super().__init__()
        self.log_vars = tf.Variable([0.0, 1.0])

    def call(self, y_true, y_pred):
        depth = tf.reduce_mean(tf.abs(y_true[:, :3] - y_pred[:, :3]), -1)
        normal = tf.reduce_mean(tf.square(y_true[:, 3:] - y_pred[:, 3:]), -1)
        total = 0.0
        for i, task in enumerate([depth, normal]):
            total += tf.exp(-self.log_vars[i]) * task + self.log_vars[i]
        return total


COMPOSITES["UncertaintyWeighted"] = (
    REAL,
    REAL,
    {"depth": 1.0, "normal": 0.36787944, "self.log_vars[0]": 1.0, "self.log_vars[1]": 1.0},
)


class Weighted(keras.losses.Loss):
    """Weights as attributes, terms as methods."""

    def __init__(self, alpha=0.3, beta=0.7):
        super().__init__()
        self.alpha, self.beta = alpha, beta

    def smooth_part(self, y_true, y_pred):
        return tf.reduce_mean(tf.math.log(tf.cosh(y_pred - y_true)), axis=-1)

    def rank_part(self, y_true, y_pred):
        ahead = y_true[:, 1:] - y_true[:, :-1]
        return tf.reduce_mean(tf.nn.relu(0.1 - tf.sign(ahead) * (y_pred[:, 1:] - y_pred[:, :-1])), axis=-1)

    def call(self, y_true, y_pred):
        return self.alpha * self.smooth_part(y_true, y_pred) + self.beta * self.rank_part(y_true, y_pred)


COMPOSITES["Weighted"] = (REAL, REAL, {"smooth_part": 0.3, "rank_part": 0.7})


@composite(REAL, REAL, {"first": 0.3, "second": 0.7})
def stacked(y_true, y_pred):
    first = tf.reduce_mean(tf.abs(y_true - y_pred))
    second = tf.reduce_mean(tf.square(y_true - y_pred))
    return tf.reduce_sum(tf.stack([first, second]) * tf.constant([0.3, 0.7]))


@composite(REAL, REAL, {"first": 0.5, "second": 0.5})
def stacked_mean(y_true, y_pred):
    first = tf.reduce_mean(tf.abs(y_true - y_pred))
    second = tf.reduce_mean(tf.square(y_true - y_pred))
    return tf.reduce_mean(tf.stack([first, second]))


@composite(REAL, REAL, {"l1": 0.1, "l2": 3.0})
def table_of_functions(y_true, y_pred):
    functions = {
        "l1": lambda a, b: tf.reduce_mean(tf.abs(a - b), -1),
        "l2": lambda a, b: tf.reduce_mean(tf.square(a - b), -1),
    }
    return sum(weight * functions[name](y_true, y_pred) for name, weight in {"l1": 0.1, "l2": 3.0}.items())


def both(y_true, y_pred):
    near = tf.reduce_mean(tf.square(y_true - y_pred), -1)
    size = tf.reduce_mean(tf.abs(y_pred), -1)
    return near, size


@composite(REAL, REAL, {"fit": 1.0, "norm": 0.01})
def from_a_helper(y_true, y_pred):
    fit, norm = both(y_true, y_pred)
    return fit + 0.01 * norm


@composite(REAL, REAL, {"mean_squared_error": 0.9, "mean_absolute_error": 0.1})
def library_losses(y_true, y_pred):
    return 0.9 * keras.losses.mean_squared_error(y_true, y_pred) + 0.1 * keras.losses.mean_absolute_error(
        y_true, y_pred
    )


@composite(REAL, REAL, {"pinball[q=0.1]": 1.0, "pinball[q=0.5]": 1.0, "pinball[q=0.9]": 1.0})
def quantiles(y_true, y_pred):
    def pinball(error, q):
        return tf.reduce_mean(tf.maximum(q * error, (q - 1.0) * error), axis=-1)

    losses = []
    for q in (0.1, 0.5, 0.9):
        losses.append(pinball(y_true - y_pred, q))
    return tf.add_n(losses)


@composite(REAL, REAL, {"error": 1.0, "ridge": 1e-4})
def reduced_at_the_end(y_true, y_pred):
    error = tf.square(y_true - y_pred)
    ridge = tf.square(y_pred)
    return tf.reduce_mean(error + 1e-4 * ridge, axis=-1)


@composite(REAL, REAL, {"mse": 1.0, "bias": -0.5})
def subtracted(y_true, y_pred):
    mse = tf.reduce_mean(tf.square(y_true - y_pred), -1)
    bias = tf.reduce_mean(tf.tanh(y_pred), -1)
    return mse - 0.5 * bias


mse_fn = keras.losses.MeanSquaredError()


@composite(REAL, REAL, {"mse_fn": 1.0, "CosineSimilarity": 0.5})
def instances_of_the_library(y_true, y_pred):
    return mse_fn(y_true, y_pred) + 0.5 * keras.losses.CosineSimilarity()(y_true, y_pred)


@composite(REAL, REAL, {"first": 0.3, "second": 0.7})
def dot_product(y_true, y_pred):
    first = tf.reduce_mean(tf.square(y_true - y_pred))
    second = tf.reduce_mean(tf.abs(y_true - y_pred))
    return tf.tensordot(tf.stack([first, second]), tf.constant([0.3, 0.7]), 1)


@composite(REAL, REAL, {"data": 1 / 3, "size": 2 / 3})
def averaged(y_true, y_pred):
    data = tf.reduce_mean(tf.square(y_true - y_pred), -1)
    data = tf.identity(data, name="data")
    size = tf.reduce_mean(tf.abs(y_pred), -1)
    return (data + 2.0 * size) / 3.0


@composite(REAL, REAL, {"adversarial": 1.0, "penalty": 10.0})
def penalty_of_a_tape(y_true, y_pred):
    with tf.GradientTape() as tape:
        tape.watch(y_pred)
        score = tf.reduce_sum(tf.sin(y_pred), -1)
    slope = tape.gradient(score, y_pred)
    penalty = tf.square(tf.norm(slope + 1e-6, axis=-1) - 1.0)
    adversarial = -tf.reduce_mean(y_pred, -1)
    return adversarial + 10.0 * penalty
