"""Benchmarks: what a step of training and what inference cost, beside the released way of doing them."""
