"""The method: label hierarchies, prompts, joint embedding, marginals, losses and bi-level weighting.

It knows tensors and labels, nothing of files of faces or of data sets. It uses the top modules alone.
"""
