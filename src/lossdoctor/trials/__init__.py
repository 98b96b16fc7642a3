"""Running a model on a batch, or a training step, and saying what happened as plain values (`readings`).

These modules import TensorFlow and run the user's code. Each leaves weights, optimizer and random numbers as it found
them; none decides whose fault anything is.
"""
