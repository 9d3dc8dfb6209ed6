from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from persam.errors import InputError
from persam.io.images import read_reduced
from persam.io.metadata import read_metadata
from persam.io.picture_bytes import PictureBytes, place_of, sha256_of
from persam.io.picture_file import picture_size


def test_contents_are_read_as_the_file_is(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a picture on its side"
    noise = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, exif=exif)
    picture = PictureBytes("album.tar/a.jpg", path.read_bytes())
    for most in (10**9, 300):
        ours, files = read_reduced(picture, most), read_reduced(path, most)
        np.testing.assert_array_equal(ours.pixels, files.pixels)
    assert picture_size(picture) == picture_size(path) == (40, 30)
    assert read_metadata(picture) == read_metadata(path)
    assert sha256_of(picture) == sha256_of(path)
    assert (place_of(picture), place_of(path)) == ("album.tar/a.jpg", str(path))


@pytest.mark.parametrize("data", [b"", b"no picture at all", b"\xff\xd8\xff\xe0broken"])
def test_what_is_no_picture_is_named(data: bytes) -> None:
    with pytest.raises(InputError, match=r"^album\.tar/a\.jpg is"):
        read_reduced(PictureBytes("album.tar/a.jpg", data), 100)
