"""Structured pruning and quantization-aware recovery."""
