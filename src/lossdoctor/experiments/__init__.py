"""Controlled experiments: the terms of a loss, the part of it that is to blame, and what it trains."""
