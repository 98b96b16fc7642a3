"""Source text: fast reading of Python files; imports neither TensorFlow nor the user's code."""
