"""Embeddings on disk: what comes back, what is refused, what is thrown away."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from persam.album.cache_entry import CacheEntry, MatchingEntry
from persam.album.embedding_cache import Cache, parse_size
from persam.errors import InputError
from persam.structures import Embedding, Frame, Maps, unit_cells, unit_length

FRAME = Frame(480, 640, (48, 64), 64)


def embedding(seed: int = 0, scale: float = 1.0) -> Embedding:
    noise = np.random.default_rng(seed)
    maps = [(1, 8, 4, 4), (1, 24, 6, 6), (1, 2, 16, 16)]
    features, matching, extra = (
        noise.normal(size=size).astype(np.float32) * scale for size in maps
    )
    return Embedding(Maps(features, matching, (extra,)), FRAME)


def stored(cache: Cache, key: str) -> Embedding | None:
    matching_entry = cache.matching_entry(key)
    entry = None if matching_entry is None else cache.whole(key, matching_entry)
    return None if entry is None else entry.embedding()


def key(number: int) -> str:
    return f"{number:064x}"[::-1]


def test_what_is_kept_comes_back_as_it_was_rounded(tmp_path):
    source = embedding()
    features, matching = (
        np.moveaxis(np.ascontiguousarray(np.moveaxis(one, 1, -1)), -1, 1)
        for one in (source.features, source.matching)
    )
    entry = CacheEntry.of(replace(source, maps=Maps(features, matching, source.extras)))
    cache = Cache(tmp_path / "new" / "cache")
    cache.put(key(1), entry)
    back, rounded = stored(cache, key(1)), entry.embedding()
    assert back is not None
    assert back.features.strides == rounded.features.strides
    assert back.matching.strides == rounded.matching.strides
    assert back.frame == FRAME
    assert np.array_equal(back.features, rounded.features)
    assert np.array_equal(back.matching, rounded.matching)
    assert np.array_equal(back.extras[0], rounded.extras[0])
    assert stored(cache, key(2)) is None


@settings(max_examples=40, deadline=None)
@given(
    arrays.arrays(
        np.float32,
        (5, 3, 2),
        elements=st.floats(-1e4, 1e4, width=32, allow_subnormal=False),
    )
)
def test_rounding_moves_a_number_by_less_than_half_a_step(matching):
    source = Embedding(Maps(np.zeros((1, 1, 1, 1)), matching[None]), FRAME)
    matching_entry = MatchingEntry.of(source)
    moved = np.abs(matching_entry.features()[0] - matching)
    assert (moved <= np.abs(matching).max(axis=0) / 127 * 0.51 + 1e-6).all()
    assert matching_entry.features().dtype == np.float32


def test_rounded_embeddings_point_where_they_did():
    source = embedding(3)
    back = CacheEntry.of(source).embedding()
    for mine, yours in ((source.matching, back.matching), (source.features, back.features)):
        units = (unit_length(np.moveaxis(one[0], 0, -1)) for one in (mine, yours))
        assert np.prod([*units], axis=0).sum(axis=-1).min() > 0.9995


def test_cells_are_the_matching_features_at_length_1():
    source = embedding(4)
    source.matching[0, :, 1, 2] = 0
    back = MatchingEntry.of(source).embedding()
    assert back.cells.dtype == np.float32
    np.testing.assert_array_equal(back.cells, unit_cells(back.matching))
    assert back.picture_cells == source.picture_cells
    assert np.array_equal(CacheEntry.of(source).embedding().cells, back.cells)


def test_an_entry_knows_the_size_of_a_picture_that_was_reduced(tmp_path):
    source = embedding()
    assert MatchingEntry.of(source).size == (480, 640)
    cache = Cache(tmp_path)
    cache.put(key(1), CacheEntry.of(source, (4800, 6400)))
    back = cache.matching_entry(key(1))
    assert back is not None
    assert (back.size, back.frame) == ((4800, 6400), source.frame)


@pytest.mark.parametrize("header", [b"[]", b"{", b'{"cells": 1}', b'{"cells": {"dtype": "I8"}}'])
def test_a_damaged_header_is_no_entry(header):
    data = len(header).to_bytes(8, "little") + header
    assert MatchingEntry.from_bytes(data, key(1)) is None


def test_numbers_beyond_half_precision_are_kept_whole():
    source = embedding(scale=1e5)
    assert np.array_equal(CacheEntry.of(source).embedding().features, source.features)


def test_a_key_is_of_bytes_and_model_and_not_of_names(tmp_path):
    cache = Cache(tmp_path / "cache")
    one, copy, other = (tmp_path / name for name in ("one.jpg", "copy.jpg", "other.jpg"))
    one.write_bytes(b"a photo")
    copy.write_bytes(b"a photo")
    other.write_bytes(b"another")
    assert cache.key(one, "model") == cache.key(copy, "model")
    assert len({cache.key(one, "model"), cache.key(other, "model"), cache.key(one, "else")}) == 3
    one.write_bytes(b"changed")
    assert cache.key(one, "model") != cache.key(copy, "model")


@pytest.mark.parametrize("suffix", [".match", ".safetensors"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "other"])
def test_a_damaged_entry_is_none_and_is_replaced(tmp_path, suffix, damage):
    cache, entry = Cache(tmp_path), CacheEntry.of(embedding())
    cache.put(key(1), entry)
    (path,) = tmp_path.glob(f"*/*{suffix}")
    data = bytearray(path.read_bytes())
    data[-3] ^= 8
    whole = entry.to_bytes(key(1)) if suffix == ".match" else entry.matching_entry.to_bytes(key(1))
    bad = {"cut": data[:-50], "flipped": data, "empty": b"", "other": whole}[damage]
    path.write_bytes(bad)
    assert stored(cache, key(1)) is None
    cache.put(key(1), entry)
    assert stored(cache, key(1)) is not None
    assert not list(tmp_path.glob("*/*.part"))


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*/*"))


def test_the_limit_holds_and_what_was_used_last_stays(tmp_path):
    entry = CacheEntry.of(embedding())
    each = len(entry.to_bytes(key(1))) + len(entry.matching_entry.to_bytes(key(1)))
    cache = Cache(tmp_path, limit=10 * each)
    for number in range(30):
        cache.put(key(number), entry)
        time.sleep(0.002)  # for file systems that tell time coarsely
        assert stored(cache, key(0)) is not None  # used all the time
        assert size(tmp_path) <= cache.limit
    assert stored(cache, key(29)) is not None
    assert stored(cache, key(1)) is None
    assert size(tmp_path) > 0.7 * cache.limit


def test_of_one_age_the_small_halves_stay_longer(tmp_path):
    entry = CacheEntry.of(embedding())
    each = len(entry.to_bytes(key(1))) + len(entry.matching_entry.to_bytes(key(1)))
    Cache(tmp_path).put(key(1), entry)
    for path in tmp_path.glob("*/*"):
        os.utime(path, ns=(1, 1))
    cache = Cache(tmp_path, limit=each)
    cache.clear_out()
    assert cache.matching_entry(key(1)) is not None
    assert stored(cache, key(1)) is None


def test_two_processes_share_a_folder(tmp_path):
    entry = CacheEntry.of(embedding())
    each = len(entry.to_bytes(key(1))) + len(entry.matching_entry.to_bytes(key(1)))
    one, other = Cache(tmp_path, limit=6 * each), Cache(tmp_path, limit=6 * each)
    for number in range(40):
        (one, other)[number % 2].put(key(number), entry)
        assert stored(one, key(number)) is not None
        time.sleep(0.002)
    assert size(tmp_path) <= 6.5 * each


def test_temporary_files_of_killed_runs_go_and_those_of_others_stay(tmp_path):
    cache = Cache(tmp_path)
    cache.put(key(1), CacheEntry.of(embedding()))
    (folder,) = tmp_path.iterdir()
    for name, age in (("old", 7200), ("new", 60)):
        part = folder / f".persam-{name}.part"
        part.write_bytes(b"half")
        os.utime(part, (time.time() - age,) * 2)
    cache.clear_out()
    assert [path.name for path in folder.glob(".*")] == [".persam-new.part"]


def test_sizes_as_people_write_them():
    assert [parse_size(text) for text in ("1GB", "2.5 kb", "7")] == [10**9, 2500, 7]
    for text in ("", "0", "GB", "3 parsecs", "-1GB"):
        with pytest.raises(InputError, match="as 10GB"):
            parse_size(text)


def test_a_folder_that_cannot_be_and_a_limit_of_nothing(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be made"):
        Cache(tmp_path / "file")
    with pytest.raises(InputError, match="got a limit of 0"):
        Cache(tmp_path, limit=0)


def test_an_entry_answers_for_its_own_photo_alone(tmp_path):
    cache = Cache(tmp_path)
    for number in (1, 2):
        cache.put(key(number), CacheEntry.of(embedding(number)))
    for suffix in (".match", ".safetensors"):
        one, other = (next(tmp_path.glob(f"{key(n)[:2]}/*{suffix}")) for n in (1, 2))
        swapped = one.read_bytes()
        one.write_bytes(other.read_bytes())
        other.write_bytes(swapped)
    assert [stored(cache, key(number)) for number in (1, 2)] == [None, None]


@pytest.mark.parametrize("kind", ["folder", "loop", "pipe"])
def test_what_is_no_file_in_an_entrys_place_is_no_entry(tmp_path, kind):
    cache = Cache(tmp_path)
    cache.put(key(1), CacheEntry.of(embedding()))
    for path in list(tmp_path.glob("*/*")):
        path.unlink()
        if kind == "folder":
            path.mkdir()
        elif kind == "loop":
            path.symlink_to(path)
        else:
            os.mkfifo(path)
    assert stored(cache, key(1)) is None


def test_a_cache_that_cannot_be_written_is_told_once_and_left(tmp_path, caplog):
    cache = Cache(tmp_path / "cache")
    entry = CacheEntry.of(embedding())
    (tmp_path / "cache" / key(1)[:2]).write_bytes(b"a file in the place of a folder")
    for _ in range(3):
        cache.put(key(1), entry)
    assert [record.message[:45] for record in caplog.records] == [
        "The run goes on without writing to the cache."
    ]
    assert stored(cache, key(1)) is None
