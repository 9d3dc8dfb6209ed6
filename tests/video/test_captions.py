from __future__ import annotations

import numpy as np

from persam.video.captions import Captions, captioned
from persam.video.record import FrameObject

THERE = FrameObject(True, 0.9, (0, 0, 4, 4), 0.8, 16)
AWAY = FrameObject(False, 0.0, None, None)
BACK = FrameObject(True, 0.9, (0, 0, 4, 4), 0.8, 16, event="found again")
DOUBTED = FrameObject(True, 0.9, (0, 0, 4, 4), 0.8, 16, doubt=0.6, reason="grown")


def test_what_is_as_usual_or_was_never_seen_needs_no_word():
    captions = Captions()
    assert captions.lines({"dog": THERE, "cat": AWAY}) == []


def test_lost_stays_until_it_is_found_again_and_that_stays_for_a_while():
    captions = Captions()
    captions.lines({"dog": THERE})
    assert captions.lines({"dog": AWAY}) == captions.lines({"dog": AWAY}) == ["dog: lost"]
    assert captions.lines({"dog": BACK}) == ["dog: found again"]
    after = [captions.lines({"dog": THERE}) for _ in range(20)]
    assert after[5] == ["dog: found again"] and after[-1] == []


def test_a_doubtful_mask_says_why():
    assert Captions().lines({"dog": DOUBTED, "cat": THERE}) == ["dog: doubtful, grown"]


def test_lines_are_written_at_the_top_left_of_a_copy():
    image = np.full((120, 160, 3), 90, dtype=np.uint8)
    drawn = captioned(image, ["dog: lost"])
    assert (image == 90).all() and drawn.shape == image.shape
    assert drawn.min() == 0 and drawn.max() > 200
    assert (drawn[60:] == 90).all()
    assert captioned(image, []) is image
