"""Caption loss over the words of a sentence; the decoder ends in a softmax."""
import keras
from keras import ops


class CaptionLoss(keras.losses.Loss):
    def call(self, y_true, y_pred):
        words = ops.categorical_crossentropy(y_true, y_pred, from_logits=True)
        return ops.mean(words, axis=-1)
