from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from persam.errors import InputError
from persam.io.picture_file import open_picture


def test_threads_may_open_pictures_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "p.png"
    Image.new("RGB", (40, 30), (1, 2, 3)).save(path)
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        sizes = {image.size for image in pool.map(open_picture, [path] * 200)}
    assert sizes == {(40, 30)}
    assert warnings.filters == before

    # Between the limit and twice the limit Pillow warns, and no thread may miss it.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40 * 30 - 1)

    def refused(picture: Path) -> bool:
        with pytest.raises(InputError, match="more than 1,199 pixels"):
            open_picture(picture)
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(refused, [path] * 200))
    assert warnings.filters == before


def test_exif_orientation_is_followed_or_not(tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(path, exif=exif)
    assert open_picture(path).size == (30, 40)
    assert open_picture(path, upright=False).size == (40, 30)
