"""Training of what others build on: a miniature CLIP and the face parser, both from rendered people.

It uses training, faces, method and storage.
"""
