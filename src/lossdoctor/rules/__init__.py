"""The rules; see `registry`."""
