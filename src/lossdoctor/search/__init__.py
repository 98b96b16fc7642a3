"""Witnesses: small inputs that show a fault, shrunk, written down, and replayed by a script of their own."""
