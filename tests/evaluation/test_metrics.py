from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from persam import metrics
from persam.errors import InputError

shapes = st.tuples(st.integers(1, 40), st.integers(1, 40))
pairs = shapes.flatmap(
    lambda shape: st.tuples(hnp.arrays(np.bool_, shape), hnp.arrays(np.bool_, shape))
)


def square(y: int, x: int, side: int, canvas: int = 60) -> np.ndarray:
    mask = np.zeros((canvas, canvas), dtype=bool)
    mask[y : y + side, x : x + side] = True
    return mask


def test_counts_by_hand():
    got = metrics.overlap(square(0, 0, 10), square(5, 5, 10))
    assert got == metrics.Overlap(intersection=25, union=175, truth=100)
    assert got.iou == pytest.approx(1 / 7)
    assert got.recall == 0.25
    assert got.official_iou == pytest.approx(1 / 7)


def test_pooling_weighs_pixels_not_pictures():
    small, large = metrics.Overlap(0, 10, 10), metrics.Overlap(90, 90, 90)
    assert metrics.pooled([small, large]).iou == 0.9
    assert metrics.pooled([]) == metrics.Overlap(0, 0, 0)


def test_counts_do_not_wrap():
    full = np.ones((700, 700), dtype=bool)
    assert metrics.pooled([metrics.overlap(full, full)] * 10_000).intersection == 4_900_000_000


def test_two_empty_masks():
    empty = np.zeros((4, 4), dtype=bool)
    assert metrics.iou(empty, empty) == 1.0
    assert metrics.overlap(empty, empty).official_iou == 0.0
    assert metrics.boundary_overlap(empty, empty).iou == 1.0


def test_boundary_by_hand():
    # Diagonal of 60 x 60 is 84.9, so the band is 2 pixels thick: 20^2 - 16^2.
    assert metrics.band_width(60, 60) == 2
    assert metrics.boundary(square(10, 10, 20)).sum() == 400 - 256


def test_the_picture_edge_is_boundary():
    full = np.ones((60, 60), dtype=bool)
    assert metrics.boundary(full).sum() == 60**2 - 56**2


def test_depth_by_hand():
    mask = square(0, 0, 5, canvas=7)
    mask[2, 6] = True
    depth = metrics.depth(mask)
    assert depth[2].tolist() == [1, 2, 3, 2, 1, 0, 1]  # beyond the border nothing is object
    assert depth[4, :5].tolist() == [1, 1, 1, 1, 1]
    assert not metrics.depth(np.zeros((3, 3), dtype=bool)).any()


def test_boundary_is_stricter_than_area():
    truth, found = square(10, 10, 40), square(11, 11, 40)
    assert metrics.boundary_overlap(found, truth).iou < metrics.iou(found, truth)


@given(st.tuples(st.integers(1, 160), st.integers(1, 160)), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_boundary_equals_repeated_erosion(shape, seed):
    blobs = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 4)
    mask = blobs > -0.05
    times = metrics.band_width(*shape)
    eroded = ndimage.binary_erosion(np.pad(mask, 1), np.ones((3, 3)), iterations=times)
    assert np.array_equal(metrics.boundary(mask), mask & ~eroded[1:-1, 1:-1])


@settings(deadline=None)
@given(pairs)
def test_overlap_properties(pair):
    found, truth = pair
    one, other = metrics.overlap(found, truth), metrics.overlap(truth, found)
    assert 0 <= one.iou == other.iou <= 1
    assert one.iou <= one.recall <= 1
    assert one.intersection <= one.truth <= one.union
    assert metrics.iou(found, found) == 1.0
    if found.any():
        assert metrics.overlap(found, ~found).intersection == 0


@settings(deadline=None)
@given(pairs)
def test_boundary_properties(pair):
    mask, other = pair
    band = metrics.boundary(mask)
    assert not (band & ~mask).any()
    assert band.any() == mask.any()
    assert metrics.boundary_overlap(mask, mask).iou == 1.0
    assert metrics.boundary_overlap(mask, other).truth == metrics.boundary(other).sum()


@pytest.mark.parametrize(
    ("found", "truth", "said"),
    [
        (np.zeros((2, 2), bool), np.zeros((2, 3), bool), r"\(2, 2\).*\(2, 3\)"),
        (np.zeros((2, 2), np.uint8), np.zeros((2, 2), bool), "uint8"),
        (np.zeros((2, 2), bool), np.zeros((2, 2, 1), bool), r"\(2, 2, 1\)"),
    ],
)
def test_bad_masks(found, truth, said):
    with pytest.raises(InputError, match=said):
        metrics.overlap(found, truth)
    with pytest.raises(InputError, match=said):
        metrics.boundary_overlap(found, truth)


def test_foreground_and_background_by_hand():
    area = metrics.Overlap(intersection=2, union=6, truth=4)
    # Background: 10 - 6 of 10 - 2 pixels.
    assert metrics.fb_iou(area, 10) == pytest.approx((2 / 6 + 4 / 8) / 2)
    assert metrics.fb_iou(metrics.Overlap(0, 0, 0), 4) == 0.5  # empty unions are 1
    assert metrics.fb_iou(metrics.Overlap(4, 4, 4), 4) == 0.5
    with pytest.raises(InputError, match="5 pixels cannot hold"):
        metrics.fb_iou(area, 5)


@settings(deadline=None)
@given(
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    side=st.integers(1, 90),
    seed=st.integers(0, 99),
)
def test_masks_are_scaled_as_torch_does(size, side, seed):
    mask = np.random.RandomState(seed).rand(*size) > 0.5
    pixels = torch.from_numpy(mask)[None, None].float()
    expected = torch.nn.functional.interpolate(pixels, (side, side), mode="nearest")[0, 0] > 0
    found = metrics.at_size(mask, side)
    # Where a pixel lies on an edge between two, torch's single precision may take either.
    rows, columns = ([i for i in range(side) if i == 0 or (i * n) % side] for n in size)
    assert found.shape == (side, side)
    assert np.array_equal(found[np.ix_(rows, columns)], expected.numpy()[np.ix_(rows, columns)])
