"""Other backgrounds: what names stand for, and what the pixels become."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from persam.dreambooth.backgrounds import read_backgrounds, replace_background
from persam.errors import InputError


def test_names(tmp_path):
    for name in ("b.png", "a.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    found = read_backgrounds(["black", str(tmp_path), "#fff"])
    assert found == ((0, 0, 0), tmp_path / "a.png", tmp_path / "b.png", (255, 255, 255))
    with pytest.raises(InputError, match="'beach' is none"):
        read_backgrounds(["beach"])


def test_the_subject_stays_and_its_edge_is_mixed():
    image = np.full((20, 20, 3), 200, dtype=np.uint8)
    mask = np.zeros((20, 20), dtype=bool)
    mask[:, :10] = True
    drawn = replace_background(image, mask, (0, 0, 100))
    assert (drawn[:, :9] == 200).all()
    assert (drawn[:, 11:] == (0, 0, 100)).all()
    np.testing.assert_array_equal(drawn[5, 9:11, 0], [133, 67])


def test_pictures_cover_the_photo(tmp_path):
    stripes = np.zeros((10, 40, 3), dtype=np.uint8)
    stripes[:, 20:] = 255
    Image.fromarray(stripes).save(tmp_path / "wide.png")
    image, mask = np.zeros((30, 30, 3), dtype=np.uint8), np.zeros((30, 30), dtype=bool)
    drawn = replace_background(image, mask, tmp_path / "wide.png")
    assert (drawn[:, :8] < 20).all()
    assert (drawn[:, 22:] > 235).all()
