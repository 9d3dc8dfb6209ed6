from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from persam import geometry
from persam.errors import InputError
from persam.pipeline import similarity
from persam.pipeline.prompts import point_prompts
from persam.structures import Embedding

SAM_MEAN = np.array([123.675, 116.28, 103.53], dtype=np.float32)
SAM_STD = np.array([58.395, 57.12, 57.375], dtype=np.float32)
SQUARE = geometry.fit(64, 64, 64, keep_aspect=True)
WIDE = geometry.fit(32, 64, 64, keep_aspect=True)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def embedding(features: torch.Tensor, frame=SQUARE) -> Embedding:
    return Embedding(features[None], features[None], frame)


def test_half_covered_cells_belong_to_the_object():
    mask = np.zeros((64, 64), dtype=bool)
    mask[0:8, 0:12] = True  # one whole cell of 8x8 and exactly half of the next
    mask[8:16, 0:3] = True  # three eighths of the cell below
    assert np.argwhere(similarity.covered_cells(mask, SQUARE, (8, 8))).tolist() == [[0, 0], [0, 1]]


def test_a_tiny_object_takes_its_fullest_cell():
    mask = np.zeros((64, 64), dtype=bool)
    mask[20, 15:18] = True  # one pixel in column 1, two in column 2
    assert np.argwhere(similarity.covered_cells(mask, SQUARE, (8, 8))).tolist() == [[2, 2]]


# At 16 pixels a cell the official sampling looks at the 2x2 pixels in the cell's middle; how many
# of them must be covered depends on the grey value alone: all four, three, two.
@pytest.mark.parametrize(("grey", "needed"), [(128, 4), (215, 3), (255, 2)])
@pytest.mark.parametrize("covered", [1, 2, 3, 4])
def test_official_foreground_depends_on_the_grey_value(grey, needed, covered):
    mask = np.zeros((64, 64), dtype=np.uint8)
    mask[16:32, 16:32] = grey  # a whole cell, so that some cell is always left
    for y, x in [(39, 39), (39, 40), (40, 39), (40, 40)][:covered]:
        mask[y, x] = grey
    cells = similarity.official_cells(mask, SQUARE, (4, 4), SAM_MEAN, SAM_STD)
    assert cells[1, 1]
    assert cells[2, 2] == (covered >= needed)


def test_official_foreground_never_takes_padding():
    mask = np.full((32, 64), 255, dtype=np.uint8)
    cells = similarity.official_cells(mask, WIDE, (4, 4), SAM_MEAN, SAM_STD)
    assert cells[:2].all()
    assert not cells[2:].any()


def test_official_foreground_without_a_cell_explains_the_rule():
    mask = np.zeros((64, 64), dtype=np.uint8)
    mask[:32] = 100
    with pytest.raises(InputError, match=r"124.*largest is 100"):
        similarity.official_cells(mask, SQUARE, (4, 4), SAM_MEAN, SAM_STD)


def test_pooling_by_hand():
    features = torch.tensor([[[1.0, 3.0]], [[4.0, 0.0]]])
    cells = torch.tensor([[True, True]])
    assert similarity.pool(features, cells, "mean").tolist() == [2.0, 2.0]
    assert similarity.pool(features, cells, "mean+max").tolist() == [2.5, 3.0]


def test_cosine_of_the_target_itself_is_one_whatever_its_length():
    features = drawn(6, 4, 4)
    target = torch.nn.functional.normalize(features[:, 1, 2], dim=0)
    found = similarity.cosine(features * 7, target)
    assert float(found[1, 2]) == pytest.approx(1, abs=1e-6)
    assert float(found.abs().max()) <= 1 + 1e-6


def test_contrast_is_nearest_object_minus_nearest_background():
    features = drawn(6, 3, 3)
    foreground = similarity.unit_vectors(drawn(6, 1, 4, seed=1), torch.ones(1, 4, dtype=torch.bool))
    background = similarity.unit_vectors(drawn(6, 1, 5, seed=2), torch.ones(1, 5, dtype=torch.bool))
    found = similarity.contrast(features, foreground, background)
    for y in range(3):
        for x in range(3):
            cell = features[:, y, x] / features[:, y, x].norm()
            expected = max(float(cell @ v) for v in foreground)
            expected -= max(float(cell @ v) for v in background)
            assert float(found[y, x]) == pytest.approx(expected, abs=1e-5)
    assert float(similarity.contrast(features, foreground, background[:0]).abs().max()) == 0


def test_likely_cells_stand_out_and_are_of_the_picture():
    found = torch.zeros(8, 8)
    found[1, 1], found[6, 6] = 5.0, 9.0
    assert similarity.likely(found, SQUARE).nonzero().tolist() == [[1, 1], [6, 6]]
    assert similarity.likely(found, WIDE).nonzero().tolist() == [[1, 1]]
    assert not similarity.likely(torch.ones(8, 8), SQUARE).any()


def test_smoothing_spreads_a_lonely_cell_and_leaves_a_constant_alone():
    lonely = torch.zeros(4, 4)
    lonely[0, 0] = 8
    found = similarity.smooth(lonely, 0.5)
    assert float(found[0, 0]) == pytest.approx(0.5 * 8 + 0.5 * 2)  # a corner has four neighbours
    assert float(found[1, 1]) == pytest.approx(0.5 * 8 / 9)
    assert torch.equal(similarity.smooth(lonely, 0.0), lonely)
    assert torch.allclose(similarity.smooth(torch.full((3, 5), 2.0), 0.7), torch.tensor(2.0))


def test_background_is_the_rest_of_the_picture():
    foreground = torch.zeros(4, 4, dtype=torch.bool)
    foreground[0, 0] = True
    background = similarity.background_cells(foreground, WIDE)
    assert int(background.sum()) == 7
    assert not bool((background & foreground).any())
    assert not bool(background[2:].any())


@settings(max_examples=40, deadline=None)
@given(st.integers(16, 80), st.integers(16, 80), st.integers(0, 7), st.integers(0, 7))
def test_the_prior_peaks_in_the_cell_that_is_most_similar(height, width, row, column):
    frame = geometry.fit(height, width, 64, keep_aspect=True)
    rows, columns = geometry.picture_cells(frame, (8, 8))
    row, column = min(row, rows - 1), min(column, columns - 1)
    found = torch.zeros(8, 8)
    found[row, column] = 1
    prior = similarity.location_prior(found, frame)
    assert prior.shape == (height, width)
    (x, y), _ = point_prompts(prior)[0]
    assert prior[y, x] == prior.max()
    in_square = geometry.to_square(np.array([[x + 0.5, y + 0.5]]), frame)[0]
    assert abs(in_square[0] - (8 * column + 4)) <= 8
    assert abs(in_square[1] - (8 * row + 4)) <= 8


@pytest.mark.parametrize("how", ["official", "padded"])
def test_guides_of_square_pictures_follow_the_formula(how):
    prior = drawn(64, 64)
    guide = similarity.attention_guide(prior, SQUARE, (8, 8), how)
    standard = (prior - prior.mean()) / prior.std(unbiased=True)
    sampled = torch.nn.functional.interpolate(standard[None, None], (8, 8), mode="bilinear")
    torch.testing.assert_close(guide, sampled.sigmoid().reshape(1, 1, 1, 64))


def test_the_official_guide_is_displaced_on_wide_pictures_and_the_padded_one_is_not():
    prior = torch.zeros(32, 64)
    prior[24:, :] = 1  # the lowest quarter of the picture is rows 3 of the grid's 8
    official = similarity.attention_guide(prior, WIDE, (8, 8), "official").reshape(8, 8)
    padded = similarity.attention_guide(prior, WIDE, (8, 8), "padded").reshape(8, 8)
    assert official.mean(dim=1).argmax() >= 6
    assert padded.mean(dim=1).argmax() == 3
    assert bool((padded[4:] == padded.min()).all())


@pytest.mark.parametrize("how", ["official", "padded"])
def test_a_constant_prior_guides_nowhere_and_is_no_nan(how):
    for prior in (torch.ones(5, 7), torch.ones(1, 1)):
        frame = geometry.fit(*prior.shape, 64, keep_aspect=True)
        guide = similarity.attention_guide(prior, frame, (8, 8), how)
        assert bool((guide == 0.5).all())


def test_prior_mask_is_standardised_over_the_picture_and_lowest_in_the_padding():
    found = drawn(8, 8)
    mask = similarity.prior_mask(found, WIDE, 8, 2.0)
    assert mask.shape == (1, 8, 8)
    picture = mask[0, :4]
    assert float(picture.mean()) == pytest.approx(-2 * similarity.PRIOR_CUT, abs=1e-5)
    assert float(picture.std()) == pytest.approx(2, abs=1e-4)
    assert bool((mask[0, 4:] == picture.min()).all())
    assert similarity.prior_mask(found, WIDE, 32, 2.0).shape == (1, 32, 32)
