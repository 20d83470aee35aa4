"""Schedules: they rise, fall and turn at the steps that they promise."""

import pytest
import torch

from semdf.training.schedules import warm_cosine, waves


def test_warm_cosine_rises_for_its_share_and_falls_to_zero():
    factor = warm_cosine(100, 0.1)
    rates = [factor(step) for step in range(101)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == max(rates[9:11]) and rates[100] == pytest.approx(0)
    assert rates[:10] == sorted(rates[:10]) and rates[10:] == sorted(rates[10:], reverse=True)


@pytest.mark.parametrize("steps", [1, 3])
def test_waves_are_the_authors_schedule(steps):
    optimiser = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=5)
    factor = waves(steps, 20 * steps, 0.0)
    for epoch in range(20):
        if optimiser.param_groups[0]["lr"] == 0:  # passed over
            theirs.step()
        rates = [factor(step) for step in range(epoch * steps, (epoch + 1) * steps)]
        assert rates == pytest.approx([optimiser.param_groups[0]["lr"]] * steps)
        optimiser.step()
        theirs.step()
