"""What is done of a photo before the model is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from persam.album.cache_entry import CacheEntry
from persam.album.embedding_cache import Cache
from persam.album.reader import Reader, ReadPhoto
from persam.io.images import ReducedImage, read_image, read_reduced


@pytest.fixture
def photo(tmp_path: Path, random_image: np.ndarray) -> Path:
    Image.fromarray(random_image).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def reader(tiny: Any, folder: Path, **choices: Any) -> Reader:
    backbone = tiny("pocket")
    return Reader(backbone, Cache(folder / "cache"), backbone.identity, **choices)


def fill(reader: Reader, photo: Path) -> CacheEntry:
    assert reader.cache is not None
    entry = CacheEntry.of(reader.backbone.encode(read_image(photo)))
    reader.cache.put(reader.cache.key(photo, reader.identity), entry)
    return entry


def test_without_a_cache_the_picture_is_laid_and_dropped(tiny, photo):
    found = Reader(tiny("pocket")).read(ReadPhoto(photo))
    assert found.preprocessed is not None
    assert found.preprocessed.frame == tiny("pocket").frame(40, 52)
    assert (found.key, found.image, found.error) == (None, None, None)
    assert found.size == (40, 52)
    assert found.seconds > 0


@pytest.mark.parametrize("choice", ["pixels", "keep"])
def test_pixels_are_kept_where_they_are_asked_for(tiny, photo, random_image, tmp_path, choice):
    reads = reader(tiny, tmp_path, **{choice: True})
    fill(reads, photo)
    found = reads.read(ReadPhoto(photo))
    assert found.preprocessed is None and found.entry is not None
    np.testing.assert_array_equal(found.image, random_image)


def test_pixels_alone_are_read_where_the_rest_is_known(tiny, photo, random_image):
    found = Reader(tiny("pocket"), pixels=True).read_pixels(ReadPhoto(photo, size=(40, 52)))
    assert found.preprocessed is None and found.seconds > 0
    np.testing.assert_array_equal(found.image, random_image)
    photo.unlink()
    assert Reader(tiny("pocket")).read_pixels(ReadPhoto(photo, size=(4000, 3001))).image is None
    assert "cannot be read" in str(Reader(tiny("pocket")).read_pixels(ReadPhoto(photo)).error)


def test_what_a_glance_may_answer_leaves_the_rest_on_disk(tiny, photo, tmp_path, monkeypatch):
    reads = reader(tiny, tmp_path)
    entry = fill(reads, photo)
    with monkeypatch.context() as closed:
        closed.setattr("PIL.Image.open", lambda *_, **__: pytest.fail("a picture is opened"))
        found = reads.glance(photo)
        assert found.matching_entry is not None and found.seconds > 0
        assert (found.entry, found.preprocessed, found.size) == (None, None, (40, 52))
        whole = reads.read(found)
    assert whole.entry is not None
    np.testing.assert_array_equal(whole.entry.maps[0], entry.maps[0])
    assert reader(tiny, tmp_path).read(ReadPhoto(photo)).entry is not None


def test_half_an_entry_is_no_entry(tiny, photo, tmp_path):
    reads = reader(tiny, tmp_path)
    fill(reads, photo)
    found = reads.glance(photo)
    for path in (tmp_path / "cache").glob("*/*.safetensors"):
        path.unlink()
    whole = reads.read(found)
    assert whole.preprocessed is not None and whole.matching_entry is None
    assert whole.key == found.key
    assert reader(tiny, tmp_path).read(ReadPhoto(photo)).preprocessed is not None


def test_a_photo_that_changes_while_it_is_read_has_no_name(tiny, photo, tmp_path, monkeypatch):
    def change(path: Path, most: int, **options: Any) -> ReducedImage:
        image = read_reduced(path, most, **options)
        Image.fromarray(255 - image.pixels).save(path)
        return image

    monkeypatch.setattr("persam.album.reader.read_reduced", change)
    found = reader(tiny, tmp_path).read(ReadPhoto(photo))
    assert found.preprocessed is not None
    assert found.key is None


def test_what_goes_wrong_is_in_the_answer(tiny, photo, tmp_path):
    reads = reader(tiny, tmp_path)
    gone = tmp_path / "gone.png"
    assert "gone.png cannot be read" in str(reads.read(reads.glance(gone)).error)
    fill(reads, photo)
    found = reads.glance(photo)
    for path in (tmp_path / "cache").glob("*/*.safetensors"):
        path.write_bytes(b"")
    photo.unlink()
    assert "photo.png cannot be read" in str(reads.read(found).error)
