"""One cell of a detector: four numbers of the box, one for the object, four for the classes."""
import tensorflow as tf

BOX_WEIGHT = 5.0
TINY = 1e-6


def crossentropy(target, probability):
    probability = TINY + (1.0 - 2.0 * TINY) * probability
    terms = target * tf.math.log(probability) + (1.0 - target) * tf.math.log(1.0 - probability)
    return -tf.reduce_sum(terms, axis=-1)


def cell_loss(y_true, y_pred):
    true_box, box = y_true[..., :4], y_pred[..., :4]
    true_object, is_object = y_true[..., 4:5], y_pred[..., 4:5]
    true_classes, classes = y_true[..., 5:-1], y_pred[..., 5:-1]
    box_loss = tf.reduce_sum(tf.square(true_box - box), axis=-1)
    object_loss = crossentropy(true_object, is_object)
    class_loss = crossentropy(true_classes, classes)
    return BOX_WEIGHT * box_loss + object_loss + class_loss
