import keras
from keras import ops


class MultiLabel(keras.losses.Loss):
    def __init__(self, epsilon=1e-6, name="multi_label"):
        super().__init__(name=name)
        self.epsilon = epsilon

    def call(self, y_true, y_pred):
        p = ops.clip(y_pred, self.epsilon, 1.0 - self.epsilon)
        present = y_true * ops.log(p)
        absent = (1.0 - y_true) * ops.log(1.0 - p)
        return -ops.mean(present + absent, axis=-1)

    def get_config(self):
        return {"epsilon": self.epsilon, "name": self.name}
