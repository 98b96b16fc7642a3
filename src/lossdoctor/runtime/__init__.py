"""Following a training run: detectors over its series, and what records them."""
