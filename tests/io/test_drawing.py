from __future__ import annotations

import numpy as np
from hypothesis import given, settings
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


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 900), st.integers(1, 900), st.integers(0, 2**32 - 1))
def test_an_overlay_of_a_part_is_that_of_the_whole(height: int, width: int, seed: int) -> None:
    noise = np.random.default_rng(seed)
    image = noise.integers(0, 256, (height, width, 3), dtype=np.uint8)
    rows, columns = (np.sort(noise.integers(0, side + 1, 2)) for side in (height, width))
    box = np.zeros((height, width), dtype=bool)
    box[slice(*rows), slice(*columns)] = True
    mask = box & (noise.random(box.shape) < 0.99)
    expected = image.copy()
    tint = np.array(drawing.OBJECT, dtype=np.float32)
    expected[mask] = (image[mask] * 0.55 + tint * 0.45).astype(np.uint8)
    expected[drawing.outline(mask, drawing.line_width(image))] = drawing.OBJECT
    np.testing.assert_array_equal(drawing.overlay(image, mask), expected)


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


def test_the_area_round_a_mask_is_its_box_and_a_margin_within_the_picture() -> None:
    image, mask = _square()
    assert image[drawing.around(mask)].shape == (20, 20, 3)
    assert image[drawing.around(mask, 3)].shape == (26, 26, 3)
    assert drawing.around(mask, 15) == (slice(0, 40), slice(0, 40))


def test_every_label_has_its_own_colour() -> None:
    image = np.zeros((8, 8, 3), dtype=np.uint8)
    labels = np.zeros((8, 8), dtype=np.uint8)
    labels[:, :3], labels[:, 6:] = 1, 2
    drawn = drawing.overlay_labels(image, labels)
    assert drawn[0, 2].tolist() == [128, 0, 0]
    assert drawn[0, 6].tolist() == [0, 128, 0]
    assert not drawn[:, 3:6].any()
    assert not image.any()
