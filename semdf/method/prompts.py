"""Prompts: one sentence for each node of a hierarchy."""

from semdf.method.hierarchy import Hierarchy

__all__ = ["OPPOSITES", "TEMPLATES", "antonyms", "sentences"]

#: The authors' wording for each level (released code).
TEMPLATES = {
    "root": "A photo of a {} face",
    "global": "A photo of a face with the global attribute of {} altered",
    "local": "A photo of a face with the local attribute of {} altered",
}

#: The opposite of each (ours: the authors tried pairs of antonyms, but their words are not known).
OPPOSITES = {
    "root": "A photo of a real face",
    "global": "A photo of a face with the global attribute of {} unaltered",
    "local": "A photo of a face with the local attribute of {} unaltered",
}


def sentences(hierarchy: Hierarchy) -> list[str]:
    """The prompt of every node, in the order of the nodes.

    >>> from semdf import hierarchy
    >>> sentences(hierarchy.load("ffpp"))[:2]
    ['A photo of a fake face', 'A photo of a face with the global attribute of expression altered']
    """
    return _fill(TEMPLATES, hierarchy)


def antonyms(hierarchy: Hierarchy) -> list[str]:
    """The opposite of every node's prompt, in the order of the nodes.

    >>> from semdf import hierarchy
    >>> antonyms(hierarchy.load("ffpp"))[0]
    'A photo of a real face'
    """
    return _fill(OPPOSITES, hierarchy)


def _fill(templates: dict[str, str], hierarchy: Hierarchy) -> list[str]:
    """The template of each node's level with the node's word."""
    filled = []
    for level, nodes in hierarchy.levels.items():
        words = [hierarchy.words[hierarchy.nodes[i]] for i in nodes]
        filled += [templates[level].format(word) for word in words]
    return filled
