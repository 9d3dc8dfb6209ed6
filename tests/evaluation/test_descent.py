from __future__ import annotations

import numpy as np
import pytest
import torch

from persam import geometry
from persam.errors import InputError
from persam.evaluation.baselines.descent import Truth, descend, losses
from persam.methods.fit import OFFICIAL, Schedule


def test_the_official_schedule_is_persam_fs():
    assert (OFFICIAL.steps, OFFICIAL.rate, OFFICIAL.epsilon) == (1000, 1e-3, 1e-4)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"steps": 0}, "at least 1 step"),
        ({"longest": 0}, "1 pixel"),
        ({"rate": 0.0}, "rate is a number above 0; got 0.0"),
        ({"rate": float("nan")}, "rate"),
        ({"epsilon": -1.0}, "epsilon"),
    ],
)
def test_a_schedule_that_cannot_be_run(wrong, said):
    with pytest.raises(InputError, match=said):
        Schedule(**wrong)


def test_the_first_step_by_hand():
    # AdamW: weight decay of 0.01 times the rate, then the rate against the gradient's sign.
    place = torch.tensor([1.0], requires_grad=True)
    zero = torch.zeros(())
    rows = descend([place], lambda: ((3 * place).sum(), zero), Schedule(steps=1, rate=0.1))
    assert float(place.detach()) == pytest.approx(1 - 0.1 * 0.01 - 0.1 * 3 / (3 + 1e-4))
    assert rows.tolist() == [[0, 3, 0]]


def test_both_losses_pull_and_the_rate_falls_to_nothing():
    place = torch.tensor([5.0, -5.0], requires_grad=True)
    path = []

    def loss() -> tuple[torch.Tensor, torch.Tensor]:
        path.append(place.detach().clone())
        return (place[0] - 1) ** 2, (place[1] + 1) ** 2

    rows = descend([place], loss, Schedule(steps=250, rate=0.1))
    assert place.detach().tolist() == pytest.approx([1, -1], abs=0.1)
    assert rows[:, 0].tolist() == [0, 100, 200, 249]
    assert rows[0].tolist() == [0, 16, 16]
    steps = (torch.stack(path[1:]) - torch.stack(path[:-1])).abs().amax(1)
    assert float(steps[-1]) < 1e-3 < float(steps[0])


def test_gradients_are_on_whatever_the_caller_has():
    place = torch.tensor([1.0], requires_grad=True)
    with torch.no_grad():
        descend([place], lambda: (place.square().sum(), place.sum()), Schedule(steps=3, rate=0.1))
    assert float(place.detach()) < 1


def test_the_truth_of_a_small_picture_is_its_mask():
    mask = np.zeros((30, 20), dtype=bool)
    mask[5:12, 3:9] = True
    frame = geometry.fit(30, 20, 64, keep_aspect=True)
    truth = Truth.of(mask, frame, 512, torch.device("cpu"))
    assert truth.frame == frame
    assert truth.pixels == 1
    assert np.array_equal(truth.share.numpy() > 0, mask)
    logits = torch.randn(2, 16, 16, generator=torch.Generator().manual_seed(0))
    maps = torch.from_numpy(geometry.to_original(logits.numpy(), frame)).flatten(1)
    expected = losses(maps, torch.from_numpy(mask).flatten().float())
    found = truth.losses(truth.resized(logits))
    for mine, other in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)


def test_a_large_picture_is_averaged_and_weighs_as_its_pixels():
    mask = np.zeros((80, 120), dtype=bool)
    mask[20:60, 40:90] = True
    frame = geometry.fit(80, 120, 64, keep_aspect=True)
    small = Truth.of(mask, frame, 60, torch.device("cpu"))
    whole = Truth.of(mask, frame, 120, torch.device("cpu"))
    assert small.share.shape == (40, 60)
    assert small.pixels == 4
    assert small.frame.resized == frame.resized
    assert float(small.share.sum()) * small.pixels == mask.sum()
    noise = np.random.default_rng(0).standard_normal((1, 4, 4), dtype=np.float32)
    logits = torch.from_numpy(geometry.bilinear(noise, (16, 16)))
    for near, far in zip(
        small.losses(small.resized(logits)), whole.losses(whole.resized(logits)), strict=True
    ):
        assert float(near) == pytest.approx(float(far), abs=0.02)
