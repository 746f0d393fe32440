"""Rows -> series -> windows split by group -> causal preprocessing; and the baselines beside every network."""
