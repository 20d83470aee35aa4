"""From videos and pictures of a data set to aligned face crops and a table that has a row for each of them.

It uses layouts, faces and storage.
"""
