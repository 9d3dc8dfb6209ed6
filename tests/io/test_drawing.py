from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from persam.io import drawing


def _square(side: int = 40) -> tuple[np.ndarray, np.ndarray]:
    image = np.full((side, side, 3), 100, dtype=np.uint8)
    mask = np.zeros((side, side), dtype=bool)
    mask[10:30, 10:30] = True
    return image, mask


def test_overlay_tints_inside_outlines_the_edge_and_leaves_the_rest() -> None:
    image, mask = _square()
    drawn = drawing.overlay(image, mask, colour=(255, 0, 0))
    assert drawn[10, 10].tolist() == [255, 0, 0]
    assert drawn[20, 20].tolist() == [169, 55, 55]
    np.testing.assert_array_equal(drawn[~mask], image[~mask])
    assert (image == 100).all()


def test_points_are_green_on_the_object_and_red_off_it() -> None:
    image, mask = _square()
    drawn = drawing.overlay(image, mask, [(20, 20, 1), (3, 35, 0)])
    assert tuple(drawn[20, 20]) == drawing.ON_OBJECT
    assert tuple(drawn[35, 3]) == drawing.OFF_OBJECT


def test_the_border_of_the_picture_is_no_edge() -> None:
    assert not drawing.outline(np.ones((4, 4), dtype=bool), 1).any()


def test_cutout_hides_nothing_under_transparency() -> None:
    image, mask = _square()
    rgba = drawing.cutout(image, mask)
    np.testing.assert_array_equal(rgba[..., 3] == 255, mask)
    assert (rgba[~mask] == 0).all()
    np.testing.assert_array_equal(rgba[mask][:, :3], image[mask])


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 40))
def test_thumbnails_fit_and_never_grow(height: int, width: int, side: int) -> None:
    small = drawing.thumbnail(np.zeros((height, width, 3), dtype=np.uint8), side)
    assert max(small.shape[:2]) <= max(1, min(side, max(height, width)))
    assert min(small.shape[:2]) >= 1


def test_crop_is_the_tight_box() -> None:
    image, mask = _square()
    assert drawing.crop(image, mask).shape == (20, 20, 3)


def test_every_label_has_its_own_colour() -> None:
    image = np.zeros((8, 8, 3), dtype=np.uint8)
    labels = np.zeros((8, 8), dtype=np.uint8)
    labels[:, :3], labels[:, 6:] = 1, 2
    drawn = drawing.overlay_labels(image, labels)
    assert drawn[0, 2].tolist() == [128, 0, 0]
    assert drawn[0, 6].tolist() == [0, 128, 0]
    assert not drawn[:, 3:6].any()
    assert not image.any()
