"""Rendered people and the miniature benchmarks made of them; needs `semdf[people]` to render anew."""
