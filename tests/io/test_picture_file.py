from __future__ import annotations

import os
import socket
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from persam.errors import InputError
from persam.io.picture_bytes import PictureBytes
from persam.io.picture_checks import MAX_SIDE
from persam.io.picture_file import open_picture, open_reduced, picture_size

CASES = Path(__file__).parents[1] / "data" / "cases"


def test_threads_may_open_pictures_side_by_side(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    Image.new("RGB", (40, 30), (1, 2, 3)).save(path)
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        sizes = {image.size for image in pool.map(open_picture, [path] * 200)}
    assert sizes == {(40, 30)}
    assert warnings.filters == before


def test_exif_orientation_is_followed_or_not(tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(path, exif=exif)
    assert open_picture(path).size == (30, 40)
    assert open_picture(path, upright=False).size == (40, 30)


def test_an_orientation_beside_a_tag_of_the_wrong_type_is_followed() -> None:
    photo = CASES / "exif-wrong-type" / "photos" / "b_xres_ascii.jpg"
    stored = open_picture(photo, upright=False)
    turned = open_picture(photo)
    assert turned.size == stored.size[::-1]
    assert picture_size(photo) == turned.size[::-1]


@pytest.mark.parametrize("value", [0, 9])
def test_an_orientation_that_means_nothing_turns_nothing(tmp_path: Path, value: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    Image.new("RGB", (40, 30)).save(tmp_path / "p.jpg", exif=exif)
    assert open_picture(tmp_path / "p.jpg").size == (40, 30)


def test_no_other_program_is_started(tmp_path: Path) -> None:
    """Pillow hands EPS to Ghostscript, whatever the file is called."""
    for kind in ("EPS", "PDF"):
        path = tmp_path / "photo.jpg"
        Image.new("RGB", (40, 30)).save(path, kind)
        with pytest.raises(InputError, match="is not a picture of a format that persam reads"):
            open_picture(path)


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    (tmp_path / "null.jpg").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.jpg"))
    for name, reason in {
        "pipe.jpg": "is a named pipe, not a file",
        "loop.jpg": "Too many levels of symbolic links",
        "null.jpg": "is a device, not a file",
        "s.jpg": "is a socket, not a file",
    }.items():
        for read in (open_picture, picture_size):
            with pytest.raises(InputError, match=reason):
                read(tmp_path / name)


def _png(width: int, height: int) -> bytes:
    """A PNG of that size of which only the head is there."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body


@pytest.mark.parametrize("size", [(1, 89_000_000), (89_000_000, 1), (MAX_SIDE + 1, 1)])
def test_endless_sides_are_refused_before_decoding(tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "p.png").write_bytes(_png(*size))
    with pytest.raises(InputError, match=f"a side has at most {MAX_SIDE:,}"):
        open_picture(tmp_path / "p.png")


def test_too_many_pixels_are_refused_and_the_limit_may_be_raised(tmp_path: Path) -> None:
    (tmp_path / "p.png").write_bytes(_png(60_000, 60_000))
    with pytest.raises(InputError, match=r"more than 128,000,000 pixels.*--max-pixels"):
        open_picture(tmp_path / "p.png")
    with pytest.raises(InputError, match="more than 1,000 pixels"):
        from_path = tmp_path / "small.png"
        Image.new("L", (40, 30)).save(from_path)
        open_picture(from_path, max_pixels=1000)
    before = Image.MAX_IMAGE_PIXELS
    Image.new("L", (20_000, 9_000)).save(tmp_path / "phone.png")  # twice Pillow's own limit
    assert picture_size(tmp_path / "phone.png") == (9_000, 20_000)
    with pytest.raises(InputError, match="more than 128,000,000"):
        open_picture(tmp_path / "phone.png")
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_large_pictures_are_read_at_a_reduced_scale(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.linear_gradient("L").resize((800, 600)).convert("RGB")
    image.save(tmp_path / f"p.{suffix}", exif=exif)
    opened = open_reduced(tmp_path / f"p.{suffix}", most=120_000)
    assert (opened.height, opened.width) == (800, 600)
    assert opened.image.size == (300, 400)
    whole = open_picture(tmp_path / f"p.{suffix}").resize((300, 400), Image.Resampling.BOX)
    difference = np.abs(np.asarray(whole, float) - np.asarray(opened.image, float))
    assert difference.max() < 6
    small = open_reduced(tmp_path / f"p.{suffix}", most=480_000)
    assert small.image.size == (600, 800)


def test_contents_of_a_file(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "p.png")
    contents = (tmp_path / "p.png").read_bytes()
    assert open_picture(PictureBytes("in.tar/p.png", contents)).size == (40, 30)
    for data in (b"", b"words", contents[:60]):
        with pytest.raises(InputError, match=r"^in.tar/p.png is (not a picture|damaged)"):
            open_picture(PictureBytes("in.tar/p.png", data))
