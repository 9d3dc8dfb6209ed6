from __future__ import annotations

import drawn_alpha
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persam.errors import InputError
from persam.io.reference_input import check_reference_box, check_reference_mask

SCENE = drawn_alpha.draw("fur", 120)
PHOTO = SCENE.image
MASK = SCENE.mask.astype(np.uint8) * 255
THREE = np.ones(3, dtype=np.uint8)


def test_a_photo_and_its_mask_swapped() -> None:
    with pytest.raises(InputError, match=r"seem to be swapped. Give the photo first"):
        check_reference_mask(MASK[..., None] * THREE, PHOTO.max(axis=2))


def test_a_photo_for_a_mask() -> None:
    with pytest.raises(InputError, match=r"is a photo, not a mask.*by a box or a point"):
        check_reference_mask(PHOTO, PHOTO.max(axis=2))


def test_an_inverted_mask() -> None:
    with pytest.raises(InputError, match=r"seems to be inverted.*--as-given"):
        check_reference_mask(PHOTO, 255 - MASK)


@pytest.mark.parametrize(
    "grey",
    [
        MASK,
        MASK // 255,
        np.rint(SCENE.alpha * 255).astype(np.uint8),  # soft edges
        np.rint(drawn_alpha.draw("glass", 120).alpha * 255).astype(np.uint8),  # mostly soft
        (np.arange(120 * 120).reshape(120, 120) // 600).astype(np.uint8),  # a label map of 24
    ],
    ids=["white", "one", "soft", "glass", "labels"],
)
def test_masks_of_every_usual_kind_pass(grey: np.ndarray) -> None:
    check_reference_mask(PHOTO, grey)


def test_an_object_that_touches_all_borders_passes() -> None:
    mask = np.zeros((100, 120), dtype=np.uint8)  # a large cross: most of the picture, not its rim
    mask[25:75], mask[:, 25:95] = 255, 255
    assert (mask > 0).mean() > 0.6
    check_reference_mask(np.repeat(mask[..., None], 3, axis=2), mask)


def test_a_picture_of_flat_colours_with_a_real_mask_passes() -> None:
    check_reference_mask(MASK[..., None] * THREE, MASK)


@pytest.mark.parametrize(
    ("box", "words"),
    [
        (
            (300, 200, 310, 290),
            "it is 10x90 pixels, a sliver.*would be 310x290.*300,200,610,490.*as_given",
        ),
        ((300, 200, 150, 100), "it is no box at all.*would be 150x100.*300,200,450,300.$"),
    ],
)
def test_boxes_by_width_and_height(box: tuple[int, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_reference_box(box, (600, 800))


@given(st.integers(0, 90), st.integers(0, 90), st.integers(1, 200), st.integers(1, 200))
def test_boxes_that_have_one_sensible_reading_pass(x: int, y: int, wide: int, high: int) -> None:
    """Corners of a box that is no sliver, whatever its numbers would mean otherwise."""
    if max(wide, high) < 8 * min(wide, high):
        check_reference_box((x, y, x + wide, y + high), (300, 300))


def test_a_thin_box_without_another_reading_passes() -> None:
    check_reference_box((500, 400, 510, 590), (600, 800))
