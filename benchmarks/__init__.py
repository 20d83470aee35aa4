"""Benchmarks: seconds and memory of training, scoring, data and evaluation, some beside the released way."""
