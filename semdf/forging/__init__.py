"""Data set expansion: a local region of a face is replaced by another's, and the result is labelled by that region.

It uses extraction (tables of crops), faces, method and storage.
"""
