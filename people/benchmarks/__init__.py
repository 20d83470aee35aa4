"""The miniature benchmarks: plans, videos, lists and annotations in the official folder layouts."""
