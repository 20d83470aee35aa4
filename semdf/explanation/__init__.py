"""Explanations: sentences from marginals, relevance maps, and measures of whether they are right.

It uses evaluation, training, method and storage; for files of one's own also extraction and faces.
"""
