from __future__ import annotations

import numpy as np

from persam.palette import PALETTE, lay


def test_the_palette_is_davis() -> None:
    colours = np.frombuffer(PALETTE, dtype=np.uint8).reshape(256, 3)
    assert colours[:4].tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    assert len({tuple(colour) for colour in colours.tolist()}) == 256


def test_masks_are_numbered_in_their_order() -> None:
    one = np.array([[True, False, False]])
    other = np.array([[False, False, True]])
    assert lay([one, other], (1, 3)).tolist() == [[1, 0, 2]]
    assert lay([], (1, 3)).tolist() == [[0, 0, 0]]
