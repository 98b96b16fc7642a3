"""The standard losses: what they compute, what a loss has in common with them, and what names promise."""
