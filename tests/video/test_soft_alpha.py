from __future__ import annotations

import numpy as np
import pytest

from persam.video.soft_alpha import SoftAlpha, flicker, steadied, still


def test_a_still_picture_flickers_less_and_a_moving_one_is_left_alone() -> None:
    pytest.importorskip("pymatting", reason="needs pymatting: pip install 'persam[matting]'")
    dice = np.random.default_rng(0)
    image = np.full((40, 48, 3), (40, 90, 60), dtype=np.uint8)
    image[10:30, 12:36] = (200, 60, 50)
    soft, images, alphas, raw = SoftAlpha(), [], [], []
    for _ in range(4):
        mask = np.zeros((40, 48), dtype=bool)
        top, left = dice.integers(9, 12), dice.integers(11, 14)  # a mask that shakes
        mask[top:30, left:36] = True
        noisy = np.clip(image + dice.integers(-2, 3, image.shape), 0, 255).astype(np.uint8)
        images.append(noisy)
        alphas.append(soft.matte(noisy, mask).alpha)
        raw.append(SoftAlpha().matte(noisy, mask).alpha)
    assert flicker(alphas, images) < 0.6 * flicker(raw, images)


def test_what_comes_or_moves_is_not_held_back() -> None:
    before, alpha = np.zeros((2, 2), np.float32), np.full((2, 2), 0.9, np.float32)
    standing = np.array([[True, False], [True, False]])
    assert np.array_equal(steadied(alpha, before, standing), alpha)
    near = np.full((2, 2), 0.4, np.float32)
    assert np.allclose(steadied(near, before, standing), [[0.12, 0.4], [0.12, 0.4]])
    image = np.zeros((1, 2, 3), np.uint8)
    moved = image.copy()
    moved[0, 1, 2] = 9
    assert still(image, moved).tolist() == [[True, False]]
    assert flicker([before], [np.zeros((2, 2, 3), np.uint8)]) == 0
