"""The ablation: which trainings are compared, how one of them runs, and what the comparison may claim.

It uses forging, training, evaluation, method and storage.
"""
