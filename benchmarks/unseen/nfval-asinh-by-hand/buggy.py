import keras.ops as ops


def arcsinh(x):
    return ops.log(x + ops.sqrt(ops.square(x) + 1.0))


def log_space_mae(y_true, y_pred):
    return ops.mean(ops.abs(arcsinh(y_true) - arcsinh(y_pred)), axis=-1)
