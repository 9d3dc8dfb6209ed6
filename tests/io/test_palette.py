from __future__ import annotations

import numpy as np

from persam.io.palette import PALETTE, colour, number_masks


def test_the_palette_is_davis_own() -> None:
    # The first entries of every DAVIS annotation, and the last one.
    known = {
        0: (0, 0, 0),
        1: (128, 0, 0),
        2: (0, 128, 0),
        3: (128, 128, 0),
        4: (0, 0, 128),
        8: (64, 0, 0),
        22: (0, 192, 128),
        255: (224, 224, 192),
    }
    for number, rgb in known.items():
        assert tuple(PALETTE[3 * number : 3 * number + 3]) == rgb
    assert len({colour(number) for number in range(256)}) == 256


def test_masks_are_numbered_in_their_order() -> None:
    one = np.array([[True, False, False]])
    other = np.array([[False, False, True]])
    assert number_masks([one, other], (1, 3)).tolist() == [[1, 0, 2]]
    assert number_masks([], (1, 3)).tolist() == [[0, 0, 0]]
