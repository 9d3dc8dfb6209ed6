from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persam import geometry

SIDES = st.integers(1, 90)


@pytest.mark.parametrize(
    ("size", "resized"),
    [
        ((480, 640), (768, 1024)),
        ((640, 480), (1024, 768)),
        ((100, 100), (1024, 1024)),
        ((1, 5000), (1, 1024)),
        ((2, 2048), (1, 1024)),
        ((683, 1024), (683, 1024)),
        ((3, 2048), (2, 1024)),  # 1.5 rounds up
    ],
)
def test_fit_keeps_the_aspect_and_rounds_half_up(size, resized):
    assert geometry.fit(*size, 1024, keep_aspect=True).resized == resized


def test_fit_stretches_where_the_family_does():
    assert geometry.fit(480, 640, 1024, keep_aspect=False).resized == (1024, 1024)


def test_the_letterbox_pads_with_zero_after_normalising():
    frame = geometry.fit(10, 20, 16, keep_aspect=True)
    image = np.full((10, 20, 3), 200, dtype=np.uint8)
    mean, std = np.array([100.0, 120.0, 140.0]), np.array([50.0, 40.0, 30.0])
    pixels = geometry.letterbox(image, frame, mean, std)
    assert pixels.shape == (1, 3, 16, 16)
    assert np.array_equal(pixels[0, :, 0, 0], np.array([2.0, 2.0, 2.0]))
    assert float(np.abs(pixels[:, :, 8:]).max()) == 0


@given(SIDES, SIDES)
def test_corners_go_to_the_corners_of_the_resized_picture(height, width):
    frame = geometry.fit(height, width, 64, keep_aspect=True)
    corners = np.array([[0, 0], [width, height]])
    expected = [[0, 0], [frame.resized[1], frame.resized[0]]]
    np.testing.assert_allclose(geometry.to_square(corners, frame), expected)


@settings(max_examples=30, deadline=None)
@given(SIDES, SIDES, st.booleans())
def test_to_original_keeps_constants_and_gives_the_original_size(height, width, keep_aspect):
    frame = geometry.fit(height, width, 64, keep_aspect=keep_aspect)
    back = geometry.to_original(np.full((2, 16, 16), 3.5), frame)
    assert back.shape == (2, height, width)
    np.testing.assert_allclose(back, np.full_like(back, 3.5), rtol=1e-6)


def test_to_original_crops_the_padding():
    frame = geometry.fit(32, 64, 64, keep_aspect=True)
    maps = np.zeros((1, 64, 64), dtype=np.float32)
    maps[:, 32:] = 9.0
    assert float(np.abs(geometry.to_original(maps, frame)).max()) == 0


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.booleans(), st.integers(0, 1000))
def test_coverage_keeps_the_area(height, width, keep_aspect, seed):
    frame = geometry.fit(height, width, 64, keep_aspect=keep_aspect)
    mask = np.random.default_rng(seed).random((height, width)) < 0.4
    share = geometry.coverage(mask, frame, (8, 8))
    assert share.min() >= 0
    assert share.max() <= 1
    # A cell of the grid is (64 / 8)^2 of the square; the picture fills resized of it.
    area = share.sum() * 64 * (height / frame.resized[0]) * (width / frame.resized[1])
    assert area == pytest.approx(mask.sum(), rel=1e-4, abs=1e-3)


def test_coverage_by_hand():
    frame = geometry.fit(4, 8, 8, keep_aspect=True)
    mask = np.zeros((4, 8), dtype=bool)
    mask[0:2, 0:4] = True
    mask[3, 7] = True
    expected = [[1.0, 0.0], [0.0, 0.0]]
    frame_of_two = geometry.coverage(mask, frame, (4, 2))
    np.testing.assert_allclose(frame_of_two[:2], [[1.0, 0.0], [0.0, 0.125]])
    np.testing.assert_allclose(frame_of_two[2:], 0)
    np.testing.assert_allclose(geometry.coverage(mask, frame, (2, 2)), [[0.5, 1 / 16], [0, 0]])
    assert geometry.coverage(mask, frame, (4, 2))[0].tolist() == expected[0]


@given(SIDES, SIDES)
def test_some_of_the_grid_is_always_picture(height, width):
    frame = geometry.fit(height, width, 64, keep_aspect=True)
    rows, columns = frame.picture_cells((8, 8))
    assert 1 <= rows <= 8
    assert 1 <= columns <= 8
    assert 8 in (rows, columns)


def test_shrink_is_the_mean_of_blocks():
    mask = np.random.default_rng(0).random((12, 20)) < 0.5
    expected = mask.reshape(4, 3, 5, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(geometry.shrink(mask, (4, 5)), expected, atol=1e-6)
    np.testing.assert_allclose(geometry.shrink(mask, (12, 20)), mask)


def test_a_window_of_the_original_is_cut_from_the_whole():
    frame = geometry.fit(70, 90, 64, keep_aspect=True)
    maps = np.random.default_rng(0).standard_normal((2, 16, 16)).astype(np.float32)
    window = slice(11, 40), slice(25, 90)
    part = geometry.to_original(maps, frame, window)
    np.testing.assert_allclose(part, geometry.to_original(maps, frame)[:, *window], atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 200), st.integers(1, 90), st.booleans(), st.integers(0, 1000))
def test_a_mask_is_where_the_logits_are_above_zero(height, width, keep_aspect, seed):
    frame = geometry.fit(height, width, 64, keep_aspect=keep_aspect)
    logits = np.random.default_rng(seed).standard_normal((1, 16, 16)).astype(np.float32)
    window = slice(height // 3, None), slice(0, 1 + width // 2)
    for shown in (window, (slice(None), slice(None))):
        expected = geometry.to_original(logits, frame, shown)[0] > 0
        assert np.array_equal(geometry.mask_of(logits, frame, shown), expected)
