"""Additions to the user's optimizer: statistics, learning rates, variables."""
