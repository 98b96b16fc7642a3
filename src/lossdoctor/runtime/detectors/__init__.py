"""One file a detector: what the monitor sees in the series of a training run. Nothing here imports TensorFlow."""
