"""The interval of the zero-shot accuracy; what needs a trained CLIP is in test_pretrain.py."""

import numpy as np

from semdf.pretraining import zeroshot


def test_a_class_that_a_resample_does_not_show_is_not_counted_as_missed():
    """One of ten people shows class b, so a third of the resamples lack it; everything is recognised."""
    truth, people = np.array(["a"] * 9 + ["b"]), np.arange(10)
    assert zeroshot._interval(np.ones(10, bool), truth, people, 200, 0) == (1.0, 1.0)
    low, high = zeroshot._interval(truth == "a", truth, people, 200, 0)
    assert (low, high) == (0.5, 1.0)  # without b there is nothing that is missed
