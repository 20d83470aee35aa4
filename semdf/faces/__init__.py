"""Faces in pictures: finding, tracking and aligning them, their landmarks and their regions.

It uses storage.
"""
