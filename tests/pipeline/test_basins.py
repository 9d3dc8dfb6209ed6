from __future__ import annotations

import numpy as np
import pytest

from persam import geometry
from persam.pipeline.basins import LEAST_HEIGHT, VALLEY, find_hills, highest_hill


def two_hills(pass_height: float) -> np.ndarray:
    """A profile from 3 down to a pass and up to 2."""
    half = np.linspace(3, pass_height, 8), np.linspace(pass_height, 2, 8)
    return np.repeat(np.concatenate(half)[None], 4, axis=0)


@pytest.mark.parametrize(("depth", "count"), [(VALLEY - 0.05, 1), (VALLEY + 0.05, 2)])
def test_a_valley_parts_two_hills_that_touch(depth: float, count: int) -> None:
    hills = find_hills(two_hills(2 - depth))
    assert len(np.unique(hills)) == count
    assert hills.min() > 0


def test_hills_that_do_not_touch_are_two_and_low_land_is_none() -> None:
    heights = np.full((6, 12), LEAST_HEIGHT)
    heights[1:3, 1:4] = heights[3:5, 8:11] = 2.0
    hills = find_hills(heights)
    assert len(np.unique(hills[hills > 0])) == 2
    np.testing.assert_array_equal(hills > 0, heights > LEAST_HEIGHT)


def test_the_highest_hill_ends_at_the_valley_and_at_the_picture() -> None:
    frame = geometry.fit(32, 64, 64, keep_aspect=True)  # the lower half of the square is padding
    down, right = np.mgrid[:16, :16]
    similarity = np.full((16, 16), 9.0, dtype=np.float32)
    hills = [np.exp(-((down - 4) ** 2 + (right - x) ** 2) / 6) for x in (4, 11)]
    similarity[:8] = (hills[0] + 0.9 * hills[1])[:8]
    place = highest_hill(similarity, frame)
    assert place[4, 4]
    assert not place[4, 11]
    assert not place[8:].any()


def test_a_flat_map_has_no_hill_and_all_of_the_picture_is_the_place() -> None:
    frame = geometry.fit(32, 64, 64, keep_aspect=True)
    place = highest_hill(np.ones((16, 16), dtype=np.float32), frame)
    assert place[:8].all()
    assert not place[8:].any()
