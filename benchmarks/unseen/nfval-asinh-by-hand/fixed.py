import keras.ops as ops


def arcsinh(x):
    return ops.arcsinh(x)


def log_space_mae(y_true, y_pred):
    return ops.mean(ops.abs(arcsinh(y_true) - arcsinh(y_pred)), axis=-1)
