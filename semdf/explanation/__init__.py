"""Explanations: sentences from marginals, relevance maps, and measures of whether they are right.

It uses evaluation, training, method and storage.
"""
