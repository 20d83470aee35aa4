"""Evaluation: scores of every crop, AUC with intervals, robustness, and what a filter without eyes reaches.

It uses training (runs), extraction and faces for files of one's own, method and storage.
"""
