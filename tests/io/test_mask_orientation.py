from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from persam import samples
from persam.errors import InputError
from persam.io.images import read_image
from persam.io.mask_orientation import read_mask_of
from persam.io.masks import read_mask

UNTURNED = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}


@pytest.fixture(params=["square", "wide"])
def pair(request, tmp_path: Path) -> tuple[Image.Image, Image.Image]:
    """A photo and its mask, upright."""
    samples.copy(tmp_path)
    photo, mask = (Image.open(path) for path in samples.files(tmp_path, 0))
    size = (480, 480) if request.param == "square" else photo.size
    return photo.crop((0, 0, *size)), mask.crop((0, 0, *size))


@pytest.mark.parametrize("orientation", [3, 6])
def test_a_mask_that_was_drawn_on_the_stored_pixels(pair, tmp_path: Path, orientation: int):
    photo, mask = pair
    upright = np.asarray(mask.convert("L"))
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo.transpose(UNTURNED[orientation]).save(tmp_path / "p.jpg", exif=exif, quality=95)
    mask.save(tmp_path / "upright.png")
    mask.transpose(UNTURNED[orientation]).save(tmp_path / "stored.png")
    picture = read_image(tmp_path / "p.jpg")

    def read(name: str, drawn_on: str = "ask") -> np.ndarray:
        return read_mask_of(tmp_path / "p.jpg", picture, tmp_path / name, drawn_on=drawn_on)

    np.testing.assert_array_equal(read("upright.png"), upright)
    np.testing.assert_array_equal(read("stored.png", "stored"), upright)
    with pytest.raises(InputError, match="--mask-orientation stored"):
        read("stored.png")
    if photo.size[0] == photo.size[1]:
        np.testing.assert_array_equal(
            read("stored.png", "upright"), read_mask(tmp_path / "stored.png", upright.shape)
        )
