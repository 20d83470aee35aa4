"""The ablation: which trainings are compared, how one of them runs, and what the comparison may claim.

It uses evaluation, forging, layouts (test sets), training and method.
"""
