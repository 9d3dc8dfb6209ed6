from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
from PIL import Image

from persam.album.contact_sheet import make_tile, sheet_page
from persam.album.manifest import Record

PICTURE = np.full((300, 500, 3), 120, dtype=np.uint8)


def _mask() -> np.ndarray:
    mask = np.zeros(PICTURE.shape[:2], dtype=bool)
    mask[100:200, 100:150] = True
    return mask


def _found(name: str) -> Record:
    return Record(name, "/out/x.png", 0.875, None, (), seconds=1.5)


def test_tiles_are_small_pictures_and_the_cutout_is_cropped() -> None:
    tile = make_tile(PICTURE, _mask(), [(120, 150, 1)])
    with Image.open(BytesIO(tile.overlay)) as overlay:
        assert max(overlay.size) == 320
    assert tile.cutout is not None
    with Image.open(BytesIO(tile.cutout)) as cutout:
        assert (cutout.size, cutout.mode) == ((50, 100), "RGB")
    assert make_tile(PICTURE, np.zeros_like(_mask())).cutout is None


def test_the_sheet_holds_all_it_shows() -> None:
    empty = np.zeros_like(_mask())
    records = [_found("/p/dog.jpg"), _found("/p/none.jpg"), Record("/p/bad.jpg", error="damaged")]
    tiles = [make_tile(PICTURE, _mask()), make_tile(PICTURE, empty), None]
    page = sheet_page(records, tiles).decode()
    for said in ("2 masks, 1 failed", "dog.jpg", "0.875", "1.50 s", "nothing found", "damaged"):
        assert said in page
    sources = re.findall(r'src="([^"]*)"', page)
    assert len(sources) == 3
    for source in sources:
        head, data = source.split(",")
        assert head in ("data:image/jpeg;base64", "data:image/webp;base64")
        Image.open(BytesIO(base64.b64decode(data))).close()
    assert "http" not in page
    assert "<script" not in page
    assert "prefers-color-scheme: dark" in page


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)


def test_file_names_and_errors_are_text() -> None:
    hostile = '/p/"><script>alert(1)</script>.jpg'
    records = [_found(hostile), Record("/p/caf\udce9.jpg", error="<script>no</script>")]
    tags = _Tags()
    tags.feed(sheet_page(records, [make_tile(PICTURE, _mask()), None]).decode())
    assert "script" not in tags.seen
