import tensorflow as tf
from tensorflow.keras import backend as K


class FocalTversky(tf.keras.losses.Loss):
    def __init__(self, alpha=0.7, gamma=0.75, smooth=1.0):
        super().__init__()
        self.alpha, self.gamma, self.smooth = alpha, gamma, smooth

    def index(self, truth, guess):
        axes = [1, 2, 3]
        tp = K.sum(truth * guess, axis=axes)
        fn = K.sum(truth * (1 - guess), axis=axes)
        fp = K.sum((1 - truth) * guess, axis=axes)
        return (tp + self.smooth) / (tp + self.alpha * fn + (1 - self.alpha) * fp + self.smooth)

    def call(self, y_true, y_pred):
        return K.pow(1 - self.index(y_true, y_pred), self.gamma)
