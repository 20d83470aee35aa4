"""Training: samples and their pairs, the loop, checkpoints, and the folder that a run leaves.

It uses method and storage.
"""
