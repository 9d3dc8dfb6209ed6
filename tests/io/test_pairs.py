from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from persam.album.tar_results import _records
from persam.errors import InputError
from persam.io.pairs import (
    HQSEG_TEST,
    HQSEG_TRAIN,
    Pair,
    hqseg,
    read_pairs,
    read_sets,
    spread,
)
from persam.io.sources import Source, fetch
from persam.training.annotated import read_annotated


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def put(pictures: Path, masks: Path, stem: str, grey: int = 0) -> None:
    save(pictures / f"{stem}.jpg", np.full((4, 6, 3), grey, np.uint8))
    mask = np.zeros((4, 6), np.uint8)
    mask[1:3, 2:5] = 255
    save(masks / f"{stem}.png", mask)


def stems(pairs: list[Pair]) -> list[str]:
    return [pair.stem for pair in pairs]


@pytest.mark.parametrize(
    "names", [("", ""), ("Images", "Annotations"), ("images", "masks"), ("im", "gt")]
)
def test_every_layout_is_paired_by_name_and_read(tmp_path, names):
    pictures, masks = (tmp_path / name for name in names)
    for stem in ("b/01", "b/00", "a"):
        put(pictures, masks, stem, grey=100)
    (tmp_path / "notes.txt").write_text("not a picture")
    pairs = read_pairs([tmp_path])
    assert stems(pairs) == ["a", "b/00", "b/01"]
    picture, mask = pairs[0].read()
    assert picture.shape == (4, 6, 3) and abs(int(picture[0, 0, 0]) - 100) < 4
    assert np.argwhere(mask).tolist() == [[y, x] for y in (1, 2) for x in (2, 3, 4)]


def test_a_tar_reads_as_its_folder(tmp_path):
    put(tmp_path / "d", tmp_path / "d", "n01440764_1", grey=30)
    with tarfile.open(tmp_path / "d.tar", "w") as tar:
        tar.add(tmp_path / "d", "d")
    (folder,), (packed,) = read_pairs([tmp_path / "d"]), read_pairs([tmp_path / "d.tar"])
    assert folder.stem == packed.stem and folder.kind == packed.kind == "n01440764"
    for some, others in zip(folder.read(), packed.read(), strict=True):
        assert np.array_equal(some, others)


@pytest.mark.parametrize("packing", ["", ":gz", ":bz2", ":xz"])
def test_a_damaged_tar_is_read_or_one_clear_error(tmp_path, packing):
    """Of the three readers of tars; every foreign exception fails here."""
    random = np.random.default_rng(0)
    path = tmp_path / "d.tar"
    with tarfile.open(path, f"w{packing}") as tar:
        for name in ("1.jpg", "1.png", "1.json"):
            (tmp_path / name).write_bytes(random.bytes(400))
            tar.add(tmp_path / name, name)
    whole, refused = path.read_bytes(), 0
    for number in range(60):
        data = bytearray(whole[: int(random.integers(len(whole)))] if number % 3 else whole)
        for place in random.integers(len(data), size=8) if data else ():
            data[place] = int(random.integers(256))
        path.write_bytes(data)
        for reads in (read_pairs, read_annotated, lambda paths: dict(_records(str(paths[0])))):
            try:
                reads([path])
            except InputError as error:
                refused += "d.tar" in str(error)
        list(fetch(Source(str(path), "tar")))  # which gives errors as values
    assert refused > 60


def test_the_class_is_read_behind_a_folder():
    assert Pair("cats/n02123045_7", b"", b"").kind == "n02123045"
    assert Pair("cats/tom", b"", b"").kind is None


def test_grey_above_the_middle_is_object():
    files = []
    for array in (np.zeros((1, 3, 3), np.uint8), np.array([[0, 127, 128]], np.uint8)):
        buffer = io.BytesIO()
        Image.fromarray(array).save(buffer, "PNG")
        files.append(buffer.getvalue())
    assert Pair("x", *files).read()[1].tolist() == [[False, False, True]]


def test_a_mask_of_another_size_is_refused(tmp_path):
    put(tmp_path, tmp_path, "a")
    save(tmp_path / "a.png", np.zeros((5, 6), np.uint8))
    with pytest.raises(InputError, match="6x5"):
        read_pairs([tmp_path])[0].read()


def test_what_cannot_be_paired_is_named(tmp_path):
    put(tmp_path, tmp_path, "a")
    save(tmp_path / "lonely.png", np.zeros((4, 6), np.uint8))
    with pytest.raises(InputError, match="lonely"):
        read_pairs([tmp_path])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="has 0 stems"):
        read_pairs([tmp_path / "empty"])
    with pytest.raises(InputError, match="neither"):
        read_pairs([tmp_path / "a.png"])


def test_hqseg_has_seven_training_sets_and_four_tests(tmp_path):
    for sets in (HQSEG_TRAIN, HQSEG_TEST):
        for name, (pictures, masks) in sets.items():
            put(tmp_path / pictures, tmp_path / masks, f"of_{name}")
    assert sorted(stems(read_pairs([tmp_path]))) == sorted(f"of_{name}" for name in HQSEG_TRAIN)
    tests = read_sets(tmp_path)
    assert {name: stems(pairs) for name, pairs in tests.items()} == {
        name: [f"of_{name}"] for name in ("DIS", "COIFT", "HRSOD", "ThinObject")
    }


def test_what_hqseg_lacks_is_named(tmp_path):
    put(tmp_path / "DIS5K/DIS-VD/im", tmp_path / "DIS5K/DIS-VD/gt", "a")
    with pytest.raises(InputError, match=r"lacks .*COIFT/images.*HRSOD/masks_max255"):
        hqseg(tmp_path, HQSEG_TEST)


def test_any_other_source_is_one_set_of_its_name(tmp_path):
    put(tmp_path / "mine", tmp_path / "mine", "a")
    assert {name: stems(pairs) for name, pairs in read_sets(tmp_path / "mine").items()} == {
        "mine": ["a"]
    }


@pytest.mark.parametrize("count", [1, 3, 7, 10])
def test_spreading_takes_as_many_as_it_says(count):
    pairs = [Pair(str(number), b"", b"") for number in range(10)]
    kept = spread(pairs, count)
    assert len(kept) == count and kept[0] is pairs[0]
    assert len({pair.stem for pair in kept}) == count
    assert spread(pairs, None) == spread(pairs, 99) == pairs
