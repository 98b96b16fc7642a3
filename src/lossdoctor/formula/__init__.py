"""Declared formulas: reading them, evaluating them exactly, and comparing a loss with one."""
