from __future__ import annotations

import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from persam.errors import InputError
from persam.io import writers
from persam.io.metadata import PhotoMetadata
from persam.io.picture_checks import MAX_SIDE

MASK = np.array([[True, False, True]])


def test_mask_is_a_grey_png_of_0_and_255(tmp_path: Path) -> None:
    writers.write_mask(tmp_path / "new" / "m.png", MASK)
    with Image.open(tmp_path / "new" / "m.png") as image:
        assert (image.format, image.mode) == ("PNG", "L")
        assert np.array(image).tolist() == [[255, 0, 255]]
    with pytest.raises(InputError, match="float64"):
        writers.write_mask(tmp_path / "m.png", np.zeros((2, 2)))


def test_labels_are_an_indexed_png(tmp_path: Path) -> None:
    labels = np.array([[0, 2, 1]], dtype=np.uint8)
    writers.write_labels(tmp_path / "l.png", labels)
    with Image.open(tmp_path / "l.png") as image:
        assert (image.format, image.mode) == ("PNG", "P")
        assert np.array(image).tolist() == labels.tolist()
        assert np.array(image.convert("RGB")).tolist() == [[[0, 0, 0], [0, 128, 0], [128, 0, 0]]]
    with pytest.raises(InputError, match="int64"):
        writers.write_labels(tmp_path / "l.png", labels.astype(np.int64))


def test_cutout_keeps_the_colour_profile() -> None:
    rgba = np.arange(12, dtype=np.uint8).reshape(1, 3, 4)
    profile = b" " * 16 + b"RGB " + b" " * 80
    encoded = writers.encode_cutout(rgba, ".png", PhotoMetadata(icc=profile))
    with Image.open(BytesIO(encoded)) as image:
        np.testing.assert_array_equal(np.array(image), rgba)
        assert image.info["icc_profile"] == profile


@pytest.mark.parametrize("size", [(3, 5), (480, 640)])
def test_pictures_of_nothing_are_as_any_others_and_say_the_same(size: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "IDAT of a maker"
    grey, colour = (b" " * 16 + space + b" " * 80 for space in (b"GRAY", b"RGB "))
    for icc in (None, grey, colour):
        known = PhotoMetadata(icc, exif.tobytes(), b"<x:xmpmeta>IDAT</x:xmpmeta>")
        nothing = np.zeros(size, dtype=bool)
        one = nothing.copy()
        one[0, 0] = True
        pairs = [[writers.mask_png(mask, known) for mask in (nothing, one)]]
        rgba = np.zeros((*size, 4), dtype=np.uint8)
        pairs.append([writers.encode_cutout(rgba + np.uint8(n), ".png", known) for n in (0, 1)])
        for found, other in pairs:
            with Image.open(BytesIO(found)) as image, Image.open(BytesIO(other)) as like:
                image.load(), like.load()  # checks all sums
                assert (image.format, image.mode, image.size) == ("PNG", like.mode, size[::-1])
                assert not np.array(image).any()
                assert image.info == like.info


def test_a_cutout_is_webp_where_its_name_says_so() -> None:
    rgba = np.full((8, 8, 4), 200, dtype=np.uint8)
    with Image.open(BytesIO(writers.encode_cutout(rgba, ".webp"))) as image:
        assert (image.format, image.mode, image.size) == ("WEBP", "RGBA", (8, 8))


def test_png_keeps_every_value(tmp_path: Path) -> None:
    for pixels in (np.arange(12, dtype=np.uint8).reshape(3, 4), np.full((2, 3, 3), 77, np.uint8)):
        writers.write_png(tmp_path / "p.png", pixels)
        with Image.open(tmp_path / "p.png") as image:
            np.testing.assert_array_equal(np.array(image), pixels)


def test_overlay_is_a_jpeg(tmp_path: Path) -> None:
    data = writers.overlay_jpeg(np.full((8, 8, 3), 100, dtype=np.uint8))
    with Image.open(BytesIO(data)) as image:
        assert image.format == "JPEG"


@pytest.mark.parametrize("shape", [(1, MAX_SIDE, 3), (MAX_SIDE, 1, 3)])
def test_every_photo_that_is_read_fits_an_overlay(shape: tuple[int, int, int]) -> None:
    """JPEG has a limit, which the one of photos does not exceed."""
    with Image.open(BytesIO(writers.overlay_jpeg(np.zeros(shape, np.uint8)))) as image:
        assert (image.height, image.width) == shape[:2]


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.png"
    path.write_bytes(b"old")

    def interrupt(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        writers.write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match=r"file/m\.png cannot be written"):
        writers.write_bytes(tmp_path / "file" / "m.png", b"")


def test_longest_names_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 251 + ".png")
    writers.write_bytes(path, b"data")
    assert path.read_bytes() == b"data"


def test_text_that_is_no_utf8_is_written_all_the_same(tmp_path: Path) -> None:
    writers.write_text(tmp_path / "t", "caf\udce9")
    assert (tmp_path / "t").read_text() == "caf?"


def test_leftovers_are_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / ".persam-7-8.part").write_bytes(b"half")
    (tmp_path / "mine.part").write_bytes(b"whole")
    writers.remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.part"]


def test_a_commands_only_file_is_written_and_what_killed_runs_left_goes(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    own = writers.part_path(tmp_path / "dog.safetensors", "-other-thread")
    left = tmp_path / own.name.replace(f"-{os.getpid()}-", f"-{gone.pid}-")
    (tmp_path / left.name.replace("other", "export")).mkdir()
    others = [own, tmp_path / ".persam-0-1-2.part", tmp_path / "mine.part"]
    for path in (left, *others):
        path.write_bytes(b"half")
    writers.write_single(tmp_path / "new" / "dog.safetensors", b"whole")
    assert left.exists()  # in a folder of its own
    writers.write_single(tmp_path / "dog.safetensors", "whole")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"new", "dog.safetensors", *(path.name for path in others)}
