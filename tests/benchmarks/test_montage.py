from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from lib import montage
from lib.montage import Cutting

from persam.errors import InputError

some = hnp.arrays(np.bool_, st.tuples(st.integers(1, 25), st.integers(1, 25))).filter(np.any)


def rectangle(height: int, width: int, value: int = 200) -> Cutting:
    pixels = np.full((height, width, 3), value, np.uint8)
    return Cutting(pixels, np.ones((height, width), dtype=bool))


def cutting_of(mask: np.ndarray) -> Cutting:
    return montage.cut_out(np.full((*mask.shape, 3), 200, np.uint8), mask)


def black(truth: np.ndarray) -> np.ndarray:
    return np.zeros((*truth.shape, 3), np.uint8)


def all_but_corner(free: int, side: int = 40) -> np.ndarray:
    truth = np.ones((side, side), dtype=bool)
    truth[-free:, -free:] = False
    return truth


def test_cutting_out_by_hand():
    image = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    mask = np.zeros((4, 5), dtype=bool)
    mask[1, 2] = mask[2, 4] = True
    got = montage.cut_out(image, mask)
    assert got.mask.tolist() == [[True, False, False], [False, False, True]]
    assert np.array_equal(got.pixels, image[1:3, 2:5])


@pytest.mark.parametrize("shape", [(4, 5), (5, 4)])
def test_nothing_to_cut_out(shape):
    mask = np.zeros(shape, dtype=bool)
    mask[0, 0] = shape == (5, 4)  # either empty, or of another size than the picture
    with pytest.raises(InputError, match=r"cut out by a mask of the picture's size"):
        montage.cut_out(np.zeros((4, 5, 3), np.uint8), mask)


def test_scaling_by_area():
    assert montage.scaled(rectangle(10, 20), 800, (40, 60)).mask.shape == (20, 40)
    assert montage.scaled(rectangle(10, 20), 50, (40, 60)).mask.shape == (5, 10)
    # 20 x 40 would fit the area, but the picture is 30 wide.
    assert montage.scaled(rectangle(10, 20), 800, (40, 30)).mask.shape == (15, 30)


@given(some, st.integers(1, 2000), st.tuples(st.integers(1, 40), st.integers(1, 40)))
@settings(deadline=None)
def test_what_is_scaled_fits_and_is_there(mask, area, limit):
    got = montage.scaled(cutting_of(mask), area, limit)
    assert got.mask.any()
    assert got.pixels.shape == (*got.mask.shape, 3)
    assert all(size <= most for size, most in zip(got.mask.shape, limit, strict=True))


def test_the_first_free_corner():
    target = np.zeros((20, 20), dtype=bool)
    target[:, :10] = True
    # Nine places over the 15 free pixels: 0, 2, 4, 6, 8, 9, 11, 13, 15.
    assert montage.best_corner(np.ones((5, 5), dtype=bool), target) == (11, 0)
    assert montage.best_corner(np.ones((5, 5), dtype=bool), ~target) == (0, 0)
    assert montage.best_corner(np.ones((5, 5), dtype=bool), target.T) == (0, 11)
    assert montage.best_corner(np.ones((20, 20), dtype=bool), target) == (0, 0)


def test_pasting_fades_in_over_two_pixels():
    image = np.zeros((7, 9, 3), np.uint8)
    got = montage.paste(image, rectangle(5, 5), (3, 1))
    assert got[3, :, 0].tolist() == [0, 0, 0, 100, 200, 200, 200, 100, 0]
    assert got[:, 5, 0].tolist() == [0, 100, 200, 200, 200, 100, 0]
    assert not image.any()


def test_smaller_until_it_covers_nothing():
    # 1200 pixels: sides of 35, 31, 28, 24, 21 and 17. Of the last one's places along 23 free
    # pixels, 0, 3, 6 ... 20, 23, the first within the corner is 20.
    truth = all_but_corner(20)
    got = montage.add_lookalike(black(truth), truth, rectangle(10, 10))
    assert got is not None
    expected = np.zeros_like(truth)
    expected[20:37, 20:37] = True
    assert np.array_equal(got.lookalike, expected)
    assert np.array_equal(got.truth, truth)


def test_the_smallest_may_cover_a_little():
    truth = all_but_corner(18)  # the smallest side is 18
    truth[-1, -5:] = True
    got = montage.add_lookalike(black(truth), truth, rectangle(10, 10))
    assert got is not None
    assert got.lookalike.sum() == 18 * 18
    assert np.array_equal(got.truth, all_but_corner(18))  # what was covered is no longer to be seen


def test_no_room():
    truth = all_but_corner(16)  # the smallest would cover 5 %
    assert montage.add_lookalike(black(truth), truth, rectangle(10, 10)) is None


@given(some, some)
@settings(max_examples=60, deadline=None)
def test_montages_keep_the_target_and_everything_beside(truth, other):
    got = montage.add_lookalike(black(truth), truth, cutting_of(other))
    if got is None:
        return
    assert got.lookalike.any()
    assert not (got.truth & got.lookalike).any()
    assert np.array_equal(got.truth | (truth & got.lookalike), truth)
    assert got.truth.sum() >= 0.98 * truth.sum()
    assert np.array_equal(got.image.any(axis=2), got.lookalike)
    again = montage.add_lookalike(black(truth), truth, cutting_of(other))
    assert again is not None
    assert np.array_equal(again.image, got.image)
