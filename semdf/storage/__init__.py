"""How products lie on a disk: tars of pictures, tables, journals of long work, and names that stay inside a folder.

It knows nothing of faces or labels. It uses the top modules alone.
"""
