"""Evaluation: scores of crops, metrics with intervals, robustness, and what a filter that knows no faces reaches.

It uses training (runs and their networks), method and storage.
"""
