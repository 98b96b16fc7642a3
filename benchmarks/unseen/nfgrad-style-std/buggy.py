from keras import ops


def statistics(features):
    mean = ops.mean(features, axis=(1, 2))
    std = ops.std(features, axis=(1, 2))
    return mean, std


def style_statistics(y_true, y_pred):
    mean_t, std_t = statistics(y_true)
    mean_p, std_p = statistics(y_pred)
    location = ops.mean(ops.square(mean_t - mean_p), axis=-1)
    return location + ops.mean(ops.square(std_t - std_p), axis=-1)
