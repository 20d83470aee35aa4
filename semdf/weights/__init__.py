"""Weights of others: what there is, under which licence, where it lies here, and how it is brought here.

It imports no other room.
"""
