"""Pixels to latent cells: growing, fading, and what a cell keeps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from persam.dreambooth.masks import cell_pixels, latent_mask, loss_weights
from persam.errors import InputError

MASKS = arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=12))


def disc() -> np.ndarray:
    y, x = np.mgrid[:64, :64]
    return (y - 32) ** 2 + (x - 32) ** 2 <= 10**2


def test_nothing_asked_for_nothing_changed():
    np.testing.assert_array_equal(loss_weights(disc()), disc() * np.uint8(255))


def test_dilation_is_in_cells_and_round():
    y, x = np.mgrid[:64, :64]
    grown = loss_weights(disc(), cell=8, dilate=1) > 0
    far = np.hypot(y - 32, x - 32)
    assert grown[far <= 17].all()
    assert not grown[far > 18.5].any()


def test_the_feather_falls_in_a_line():
    line = np.zeros((1, 20), dtype=bool)
    line[0, :4] = True
    faded = loss_weights(line, cell=8, dilate=0.25, feather=1)[0].astype(int)
    assert (faded[:6] == 255).all()  # the object and two pixels
    np.testing.assert_array_equal(faded[6:14], np.round(255 * (1 - np.arange(1, 9) / 8)))
    assert (faded[13:] == 0).all()


@settings(deadline=None, max_examples=60)
@given(MASKS, st.floats(0, 3), st.floats(0, 3))
def test_growing_never_loses_the_object_nor_finds_one(mask, dilate, feather):
    weights = loss_weights(mask, 4, dilate=dilate, feather=feather)
    assert (weights[mask] == 255).all()
    assert weights.any() == mask.any()
    assert (loss_weights(mask, 4, dilate=dilate + 0.5, feather=feather) >= weights).all()


def test_a_cell_is_eight_pixels_at_the_training_size():
    assert cell_pixels((512, 700), 512) == 8
    assert cell_pixels((300, 200), 400) == 4


def test_cells_that_are_half_object():
    mask = np.zeros((16, 24), dtype=bool)
    mask[:8, :12] = True  # one whole cell and half of the next
    mask[8:, 20:23] = True  # three eighths of the last
    cells = latent_mask(mask, (2, 3))
    assert cells.tolist() == [[[1, 1, 0], [0, 0, 0]]]
    soft = latent_mask(mask, (2, 3), hard=False)
    assert soft.tolist() == [[[1, 0.5, 0], [0, 0, 0.375]]]
    torch.testing.assert_close(latent_mask(mask * np.uint8(255), (2, 3), hard=False), soft)


@settings(deadline=None, max_examples=60)
@given(MASKS)
def test_what_shows_something_keeps_something(mask):
    assert bool(latent_mask(mask, (2, 2)).any()) == mask.any()


def test_sizes_that_are_no_multiple_keep_the_share():
    mask = np.zeros((30, 45), dtype=bool)
    mask[:, :15] = True
    cells = latent_mask(mask, (4, 6), hard=False)
    assert cells.shape == (1, 4, 6)
    assert (cells[..., :2] == 1).all()
    assert (cells[..., 2:] == 0).all()


def test_bad_input():
    with pytest.raises(InputError, match="got -1 and 0"):
        loss_weights(disc(), dilate=-1)
    with pytest.raises(InputError, match="0 or more"):
        loss_weights(disc(), feather=float("nan"))
    with pytest.raises(InputError, match="float64"):
        latent_mask(np.zeros((4, 4)), (1, 1))
