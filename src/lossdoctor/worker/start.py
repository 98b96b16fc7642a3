"""Starting TensorFlow for an examination: quiet, on two logical CPUs, with repeatable random numbers."""

from __future__ import annotations

import contextlib
import logging
import os
import sys


def start(seed: int = 0) -> None:
    """Import TensorFlow and Keras, and set up what can only be set before first use.

    A TensorFlow that runs already (a notebook's) keeps its devices and its log level. Two logical CPUs let
    the effect of `tf.distribute` be examined on any machine.

    Raises:
        ImportError: if TensorFlow or Keras is not installed.
    """
    fresh = "tensorflow" not in sys.modules
    if fresh:
        # Read when the library is loaded: 3 leaves fatal errors only.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import tensorflow as tf

    if not fresh:
        return
    tf.get_logger().setLevel(logging.ERROR)
    logging.getLogger("absl").setLevel(logging.ERROR)
    with contextlib.suppress(RuntimeError, ValueError, IndexError):  # used already: it stays as it is
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration(), tf.config.LogicalDeviceConfiguration()]
        )
    keras.utils.set_random_seed(seed)


def versions() -> dict[str, str]:
    """Versions of what takes part in an examination."""
    from importlib.metadata import PackageNotFoundError, version

    import keras
    import tensorflow as tf

    try:
        own = version("lossdoctor")
    except PackageNotFoundError:
        own = "unknown"
    return {"lossdoctor": own, "tensorflow": str(tf.__version__), "keras": str(keras.__version__)}
