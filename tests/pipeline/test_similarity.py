from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persam import geometry
from persam.errors import InputError
from persam.pipeline import similarity
from persam.pipeline.prompts import point_prompts
from persam.structures import unit_length

SAM_MEAN = np.array([123.675, 116.28, 103.53], dtype=np.float32)
SAM_STD = np.array([58.395, 57.12, 57.375], dtype=np.float32)
SQUARE = geometry.fit(64, 64, 64, keep_aspect=True)
WIDE = geometry.fit(32, 64, 64, keep_aspect=True)


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


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
    features = np.array([[[1.0, 3.0]], [[4.0, 0.0]]])
    cells = np.array([[True, True]])
    assert similarity.pool(features, cells, "mean").tolist() == [2.0, 2.0]
    assert similarity.pool(features, cells, "mean+max").tolist() == [2.5, 3.0]


def test_cosine_of_the_target_itself_is_one_whatever_its_length():
    features = drawn(4, 4, 6)
    found = similarity.cosine(unit_length(features * 7), unit_length(features[1, 2]))
    assert float(found[1, 2]) == pytest.approx(1, abs=1e-6)
    assert float(np.abs(found).max()) <= 1 + 1e-6


def test_contrast_is_nearest_object_minus_nearest_background():
    cells = unit_length(drawn(3, 3, 6))
    foreground, background = unit_length(drawn(4, 6, seed=1)), unit_length(drawn(5, 6, seed=2))
    found = similarity.contrast(cells, foreground, background)
    for y in range(3):
        for x in range(3):
            expected = max(float(cells[y, x] @ v) for v in foreground)
            expected -= max(float(cells[y, x] @ v) for v in background)
            assert float(found[y, x]) == pytest.approx(expected, abs=1e-5)
    assert not similarity.contrast(cells, foreground, background[:0]).any()


def test_smoothing_spreads_a_lonely_cell_and_leaves_a_constant_alone():
    lonely = np.zeros((4, 4), dtype=np.float32)
    lonely[0, 0] = 8
    found = similarity.smooth(lonely, 0.5)
    assert float(found[0, 0]) == pytest.approx(0.5 * 8 + 0.5 * 2)  # a corner has four neighbours
    assert float(found[1, 1]) == pytest.approx(0.5 * 8 / 9)
    assert np.array_equal(similarity.smooth(lonely, 0.0), lonely)
    assert np.allclose(similarity.smooth(np.full((3, 5), 2.0, np.float32), 0.7), 2.0)


def test_background_is_the_rest_of_the_picture():
    foreground = np.zeros((4, 4), dtype=bool)
    foreground[0, 0] = True
    background = similarity.background_cells(foreground, WIDE)
    assert int(background.sum()) == 7
    assert not (background & foreground).any()
    assert not background[2:].any()


@settings(max_examples=40, deadline=None)
@given(st.integers(16, 80), st.integers(16, 80), st.integers(0, 7), st.integers(0, 7))
def test_the_prior_peaks_in_the_cell_that_is_most_similar(height, width, row, column):
    frame = geometry.fit(height, width, 64, keep_aspect=True)
    rows, columns = frame.picture_cells((8, 8))
    row, column = min(row, rows - 1), min(column, columns - 1)
    found = np.zeros((8, 8), dtype=np.float32)
    found[row, column] = 1
    prior = similarity.location_prior(found, frame)
    assert prior.shape == (height, width)
    (x, y), _ = point_prompts(prior)[0]
    assert prior[y, x] == prior.max()
    in_square = geometry.to_square(np.array([[x + 0.5, y + 0.5]]), frame)[0]
    assert abs(in_square[0] - (8 * column + 4)) <= 8
    assert abs(in_square[1] - (8 * row + 4)) <= 8
