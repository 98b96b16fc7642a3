"""Logs that exist: CSV, JSON and TensorBoard event files, as one kind of table."""
