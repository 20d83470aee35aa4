"""The method: label hierarchies, prompts, joint embedding, marginals, losses and bi-level weighting.

It knows tensors and labels, nothing of files of faces or of data sets. It uses the top modules alone. Three of its
folders are registries, in which one new file is all that a new entry needs: `weighting/` (a strategy, in Python),
`encoders/` (an encoder, as open_clip's JSON) and `hierarchies/` (a label hierarchy, in YAML).
"""
