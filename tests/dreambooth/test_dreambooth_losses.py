"""The masked loss: what it is, what it does not depend on, and where no gradient goes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from persam.dreambooth import masked_loss
from persam.errors import InputError


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_by_hand():
    prediction = torch.tensor([[[[1.0, 5.0]], [[3.0, 5.0]]]])  # two channels, two cells
    mask = torch.tensor([[[[1.0, 0.0]]]])
    assert masked_loss(prediction, torch.zeros(1, 2, 1, 2), mask) == (1 + 9) / 2
    soft = torch.tensor([[[[1.0, 0.5]]]])
    expected = (1 + 9 + 0.5 * 50) / (2 * 1.5)
    torch.testing.assert_close(
        masked_loss(prediction, torch.zeros(1, 2, 1, 2), soft), torch.tensor(expected)
    )


def test_a_mask_of_ones_is_the_ordinary_loss():
    prediction, target = draw(3, 4, 5, 6), draw(3, 4, 5, 6, seed=1)
    ones = torch.ones(3, 1, 5, 6)
    torch.testing.assert_close(
        masked_loss(prediction, target, ones), F.mse_loss(prediction, target)
    )


def test_the_background_gets_exactly_no_gradient():
    prediction = draw(2, 4, 8, 8).requires_grad_()
    mask = (draw(2, 1, 8, 8, seed=2) > 0.5).float()
    masked_loss(prediction, draw(2, 4, 8, 8, seed=1), mask).backward()
    assert prediction.grad is not None
    outside = mask.expand_as(prediction) == 0
    assert torch.equal(prediction.grad[outside], torch.zeros(int(outside.sum())))
    assert (prediction.grad[~outside] != 0).all()


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 8), st.integers(1, 8), st.floats(0.1, 4), st.integers(0, 9))
def test_the_size_of_the_object_does_not_matter(height, width, error, seed):
    """An equal error everywhere gives the same loss for every object, alone or in a batch."""
    target = draw(2, 4, 8, 8, seed=seed)
    mask = torch.zeros(2, 1, 8, 8)
    mask[0, :, :height, :width] = 1
    mask[1, :, 3, 3] = 1
    loss = masked_loss(target + error, target, mask)
    torch.testing.assert_close(loss, torch.tensor(error**2), rtol=1e-4, atol=1e-4)


def test_scaling_the_mask_changes_nothing():
    prediction, target = draw(2, 4, 4, 4), draw(2, 4, 4, 4, seed=1)
    mask = draw(2, 1, 4, 4, seed=2).sigmoid()
    torch.testing.assert_close(
        masked_loss(prediction, target, mask), masked_loss(prediction, target, mask / 7)
    )


def test_an_empty_mask_counts_as_nothing():
    prediction = draw(2, 4, 3, 3).requires_grad_()
    mask = torch.zeros(2, 1, 3, 3)
    mask[0] = 1
    loss = masked_loss(prediction, torch.zeros(2, 4, 3, 3), mask)
    loss.backward()
    torch.testing.assert_close(loss, prediction[0].square().mean() / 2)
    assert prediction.grad is not None
    assert not prediction.grad[1].any()


def test_shapes_of_masks_and_of_other_models():
    prediction, target, mask = draw(2, 4, 3, 5), draw(2, 4, 3, 5, seed=1), torch.ones(2, 3, 5)
    mask[:, 0] = 0
    same = masked_loss(prediction, target, mask[:, None])
    assert masked_loss(prediction, target, mask) == same
    tokens = prediction.flatten(2).mT, target.flatten(2).mT, mask.flatten(1)[..., None]
    torch.testing.assert_close(masked_loss(*tokens), same)


def test_weights_of_pictures():
    prediction, target, mask = draw(2, 1, 2, 2), torch.zeros(2, 1, 2, 2), torch.ones(2, 1, 2, 2)
    loss = masked_loss(prediction, target, mask, torch.tensor([0.0, 3.0]))
    torch.testing.assert_close(loss, 3 * prediction[1].square().mean() / 2)


def test_half_precision_is_summed_in_full():
    prediction = torch.full((1, 4, 64, 64), 8.0, dtype=torch.float16)
    loss = masked_loss(prediction, torch.zeros_like(prediction), torch.ones(1, 1, 64, 64))
    assert loss.dtype == torch.float32
    assert loss == 64  # the sum, 1,048,576, is beyond float16


@pytest.mark.parametrize(
    ("mask", "word"),
    [
        (torch.ones(1, 1, 4, 4), r"\(2, 1, 4, 4\)"),
        (torch.ones(2, 1, 8, 8), "latent_mask"),
        (torch.ones(4, 4), r"got \(4, 4\)"),
        (torch.ones(2, 3, 4, 4), r"got \(2, 3, 4, 4\)"),
    ],
)
def test_masks_that_do_not_fit(mask, word):
    with pytest.raises(InputError, match=word):
        masked_loss(draw(2, 4, 4, 4), draw(2, 4, 4, 4), mask)


def test_targets_that_do_not_fit():
    with pytest.raises(InputError, match="one shape"):
        masked_loss(draw(2, 4, 4, 4), draw(2, 3, 4, 4), torch.ones(2, 1, 4, 4))
