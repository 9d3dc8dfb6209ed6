from __future__ import annotations

import numpy as np
import pytest

from persam.models.memory_choice import FrameChooser, MemoryChoice, shared_box

OBJECT = np.zeros((16, 16), dtype=bool)
OBJECT[4:8, 2:6] = True
TWIN = np.roll(OBJECT, 8, axis=1)
SURE = np.array([0.9, 0.5])


def place(
    chooser: FrameChooser, frame: int, *, mask=OBJECT, other=OBJECT, scores=SURE, present=True
):
    return chooser.place(frame, [mask, other], scores, present=present)


def test_a_sure_frame_without_a_rival_goes_into_the_window():
    assert place(FrameChooser(MemoryChoice()), 1) == "window"


@pytest.mark.parametrize(
    "unsure",
    [
        {"scores": np.array([0.7, 0.5])},
        {"present": False},
        {"mask": np.zeros_like(OBJECT)},
        {"mask": OBJECT | TWIN},  # twice the usual area
    ],
)
def test_a_frame_that_is_not_sure_is_left_out(unsure):
    chooser = FrameChooser(MemoryChoice())
    place(chooser, 1)
    assert place(chooser, 2, **unsure) == "left out"


def test_a_frame_with_a_look_alike_is_an_anchor_but_not_one_after_the_other():
    chooser = FrameChooser(MemoryChoice(gap=5))
    found = [place(chooser, frame, other=TWIN) for frame in range(1, 8)]
    assert found == ["anchor", *["window"] * 4, "anchor", "window"]


def test_another_mask_adds_by_its_largest_piece_outside():
    assert shared_box(OBJECT, OBJECT | TWIN) == pytest.approx(4 / 12)
    assert shared_box(OBJECT, np.zeros_like(OBJECT)) == 1
