"""Prompts: one sentence a node, in the authors' words."""

import pytest

from semdf.method import hierarchy, prompts


@pytest.mark.parametrize("name", ["ffpp", "ffsc"])
def test_one_distinct_sentence_a_node_that_names_it(name):
    h = hierarchy.load(name)
    sentences = prompts.sentences(h)
    opposites = prompts.antonyms(h)
    assert len(set(sentences + opposites)) == 2 * len(h.nodes)
    assert all(node in opposite for node, opposite in zip(h.nodes[1:], opposites[1:], strict=True))
    assert all(node in sentence for node, sentence in zip(h.nodes, sentences, strict=True))


def test_the_authors_words():
    sentences = prompts.sentences(hierarchy.load("ffpp"))
    assert sentences[0] == "A photo of a fake face"
    assert sentences[3] == "A photo of a face with the global attribute of physical inconsistency altered"
    assert sentences[4] == "A photo of a face with the local attribute of eye altered"


def test_opposites_have_our_words():
    opposites = prompts.antonyms(hierarchy.load("ffpp"))
    assert opposites[0] == "A photo of a real face"
    assert opposites[3] == "A photo of a face with the global attribute of physical inconsistency unaltered"
