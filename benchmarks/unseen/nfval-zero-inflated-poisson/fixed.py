import keras
from keras import ops


class ZeroInflatedPoisson(keras.losses.Loss):
    def call(self, y_true, y_pred):
        rate = ops.softplus(y_pred[:, 1:]) + 1e-3
        zero = ops.logaddexp(ops.log_sigmoid(y_pred[:, :1]), ops.log_sigmoid(-y_pred[:, :1]) - rate)
        count = ops.log_sigmoid(-y_pred[:, :1]) + y_true * ops.log(rate) - rate
        return -ops.mean(ops.where(y_true < 0.5, zero, count), axis=-1)
