"""Benchmarks: `python -m benchmarks.NAME` prints its figure, and what it is compared with, last."""
