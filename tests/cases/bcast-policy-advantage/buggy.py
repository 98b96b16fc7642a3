"""REINFORCE: the first four columns are the one-hot action, the last is the advantage."""
from keras import ops


def reinforce(y_true, y_pred):
    action = y_true[:, :4]
    advantage = y_true[:, 4:]
    prob = ops.sum(ops.clip(action, 0.0, 1.0) * y_pred, axis=1)
    log_prob = ops.log(ops.clip(prob, 1e-6, 1.0))
    return -ops.mean(advantage * log_prob, axis=-1)
