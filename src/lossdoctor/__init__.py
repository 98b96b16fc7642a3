"""Troubleshoots custom loss functions in TensorFlow and Keras 3."""
