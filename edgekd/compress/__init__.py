"""Structured pruning and quantisation-aware recovery."""
