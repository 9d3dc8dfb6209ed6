"""The one loop over many photos: same answers at any loader, bounded memory, a cache that holds."""

from __future__ import annotations

import gc
import json
import threading
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_many import Counting, sample
from PIL import Image

from persam import samples
from persam.album.embedding_cache import Cache
from persam.album.run import LoaderOptions, Output, segment_album
from persam.album.search import search
from persam.concept import Concept
from persam.errors import InputError
from persam.io.images import ReducedImage, read_image, read_reduced
from persam.methods.persam import personalize
from persam.models.loading import load
from persam.variants import Variant

EVERYTHING = frozenset({"masks", "cutouts", "overlays"})
PACES = [
    LoaderOptions(batch=1, jobs=0),
    LoaderOptions(batch=1, jobs=1),
    LoaderOptions(batch=4, jobs=3),
    LoaderOptions(batch=3, jobs=0),
    LoaderOptions(),
    LoaderOptions(batch=4, side_by_side=True),
]


def scene(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed)
    height, width = (int(side) for side in noise.integers(30, 70, 2))
    image = noise.integers(0, 120, (height, width, 3), dtype=np.uint8)
    image[5:25, 8:28] += 130
    return image


@pytest.fixture(scope="module")
def square(tiny_sam_folder: Path) -> Concept:
    mask = np.zeros(scene(0).shape[:2], dtype=bool)
    mask[5:25, 8:28] = True
    return personalize(Counting(load(tiny_sam_folder, device="cpu")), scene(0), mask=mask)


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "photos" / f"{number:02}.png" for number in range(23)]
    paths[0].parent.mkdir()
    for number, path in enumerate(paths):
        Image.fromarray(scene(number + 1)).save(path)
    paths[7].write_bytes(b"no picture")
    paths[11].unlink()
    return paths


@pytest.fixture(scope="module")
def dog() -> Concept:
    image, mask = sample(0)
    # Without a second look, so that encoder calls can be counted.
    once = replace(Variant.named("pocket", "persam"), second_look=0.0)
    return personalize(Counting(load("pocket", device="cpu")), image, mask=mask, variant=once)


@pytest.fixture
def album(tmp_path: Path) -> list[Path]:
    """Two photos of the dog, three of a meadow without it."""
    paths = [samples.files(samples.PICTURES, number)[0] for number in (1, 2)]
    for number in range(3):
        noise = np.random.default_rng(number).integers(0, 40, (90, 120, 3), dtype=np.uint8)
        path = tmp_path / f"meadow{number}.png"
        Image.fromarray(noise + np.array([40, 150, 40], dtype=np.uint8)).save(path)
        paths.insert(2 * number, path)
    return paths


def encoded(concept: Concept) -> int:
    assert isinstance(concept.backbone, Counting)
    return concept.backbone.encoded


def lines(out: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    for line in found:
        line.pop("seconds", None)
        line.pop("output", None)
    return found


def files(out: Path) -> dict[str, bytes]:
    every = (path for path in sorted(out.rglob("*")) if path.suffix in (".png", ".jpg"))
    return {str(path.relative_to(out)): path.read_bytes() for path in every}


def same(one: Path, other: Path) -> bool:
    mine, yours = lines(one), lines(other)
    for line, its in zip(mine, yours, strict=True):
        assert line.pop("score", 0) == pytest.approx(its.pop("score", 0), abs=1e-5)
        assert line.pop("presence", 0) == pytest.approx(its.pop("presence", 0), abs=1e-5)
    return mine == yours and files(one) == files(other)


def test_several_objects_side_by_side_are_those_one_after_the_other(square, photos, tmp_path):
    mask = np.zeros(scene(0).shape[:2], dtype=bool)
    mask[:5] = True
    objects = {"square": square, "edge": personalize(square.backbone, scene(0), mask=mask)}
    for together in (False, True):
        loader = LoaderOptions(batch=4, jobs=0, side_by_side=together)
        segment_album(objects, photos, Output(tmp_path / str(together)), loader=loader)
    mine, yours = (lines(tmp_path / str(together)) for together in (False, True))
    assert len(mine) == 2 * (len(photos) - 2) + 2
    for line, its in zip(mine, yours, strict=True):  # a random model makes much of rounding
        assert line.get("score", 0) == pytest.approx(its.get("score", 0), abs=1e-3)
        assert [line["input"], line.get("object")] == [its["input"], its.get("object")]
    masks = [files(tmp_path / str(together)) for together in (False, True)]
    assert masks[0].keys() == masks[1].keys()
    for name in masks[0]:
        one, other = (read_image(tmp_path / str(together) / name) for together in (False, True))
        assert (one != other).mean() < 0.01


@pytest.mark.parametrize("batch", [1, 4])
def test_the_results_are_the_same_with_any_number_of_threads(square, photos, tmp_path, batch):
    for jobs in (0, 1, 3):
        done = []
        out = Output(tmp_path / str(jobs), EVERYTHING)
        summary = segment_album(square, photos, out, done.append, loader=LoaderOptions(batch, jobs))
        assert done == list(summary.records)
        assert [Path(record.input) for record in done] == photos
        assert [Path(record.input).stem for record in summary.failed] == ["07", "11"]
    assert same(tmp_path / "0", tmp_path / "1")
    assert same(tmp_path / "0", tmp_path / "3")


def test_the_results_are_the_same_at_any_pace(dog, album, tmp_path):
    # A trained model, as rounding decides between the equal cells of a random one.
    for number, loader in enumerate(PACES):
        segment_album(dog, album, Output(tmp_path / str(number), EVERYTHING), loader=loader)
        assert same(tmp_path / "0", tmp_path / str(number))


def test_photos_side_by_side_are_those_one_after_the_other(dog, album, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    asked_by: set[str] = set()

    class Named(Counting):
        def encode_preprocessed(self, laid: Any) -> Any:
            asked_by.add(threading.current_thread().name)
            return super().encode_preprocessed(laid)

    own = replace(dog, backbone=Named(load("pocket", device="cpu", engine="onnx")))
    finer = own.with_choices(second_look=1.0)
    many = [tmp_path / "many" / f"{n:02}{Path(album[n % 5]).suffix}" for n in range(14)]
    many[0].parent.mkdir()
    for number, path in enumerate(many):
        path.write_bytes(Path(album[number % 5]).read_bytes())
    many[11].write_bytes(b"no picture")
    for number, loader in enumerate([PACES[0], LoaderOptions(), LoaderOptions(jobs=1)]):
        asked_by.clear()
        summary = segment_album(finer, many, Output(tmp_path / str(number)), loader=loader)
        assert [Path(record.input) for record in summary.records] == many
        assert [Path(record.input) for record in summary.failed] == [many[11]]
        assert len({name for name in asked_by if "persam-ahead" in name}) == (2 if number else 0)
        assert same(tmp_path / "0", tmp_path / str(number))


@pytest.mark.parametrize("kept", [12_000_000, 0])
def test_a_second_look_has_the_pixels_at_any_pace(dog, album, tmp_path, monkeypatch, kept):
    monkeypatch.setattr("persam.album.reader._KEPT_PIXELS", kept)  # 0: every photo is read again
    finer = dog.with_choices(second_look=1.0)
    wanted = [finer.segment(photo).mask for photo in album[:3]]
    assert not np.array_equal(wanted[1], dog.segment(album[1]).mask)
    for number, loader in enumerate([PACES[0], replace(PACES[3], cache=Cache(tmp_path / "cache"))]):
        out = tmp_path / str(number)
        segment_album(finer, album[:3], out, loader=loader)
        for photo, mask in zip(album, wanted, strict=False):
            found = read_image(out / f"{Path(photo).stem}.png")[..., 0] > 0
            assert np.count_nonzero(found != mask) <= 0.002 * mask.size


def test_hits_are_the_same_at_any_pace(dog, album):
    first, *others = (search(dog, album, loader=loader) for loader in PACES[1:3])
    assert [hit.present for hit in first] == [True, True, False, False, False]
    for hits in others:
        assert [hit.photo for hit in hits] == [hit.photo for hit in first]
        assert [hit.box for hit in hits] == [hit.box for hit in first]


@pytest.mark.parametrize("save", [frozenset({"masks"}), EVERYTHING])
@pytest.mark.parametrize(("batch", "jobs"), [(1, 0), (2, 1), (4, 3)])
def test_few_pictures_are_in_memory_however_many_there_are(  # noqa: PLR0917
    square, tmp_path, monkeypatch, save, batch, jobs
):
    alive: weakref.WeakSet[np.ndarray] = weakref.WeakSet()
    most = 0

    class Picture(np.ndarray):
        """Can be told from its copies, and hashed."""

        __hash__ = object.__hash__

        def __eq__(self, other: object) -> Any:
            return self is other

    def reading(photo: Path, enough: int, **options: Any) -> ReducedImage:
        nonlocal most
        picture = read_reduced(photo, enough, **options)
        picture = replace(picture, pixels=picture.pixels.view(Picture))
        alive.add(picture.pixels)
        most = max(most, len(alive))
        return picture

    monkeypatch.setattr("persam.album.reader.read_reduced", reading)
    photos = [tmp_path / f"{number:03}.png" for number in range(24)]
    for number, path in enumerate(photos):
        Image.fromarray(scene(number % 5)).save(path)
    gc.disable()
    loader = LoaderOptions(batch, jobs)
    segment_album(square, photos, Output(tmp_path / "out", save), loader=loader)
    gc.enable()
    assert 1 <= most <= 2 * batch + 3 * jobs + 2


def test_a_second_object_makes_no_encoder_call(dog, album, tmp_path):
    bear = personalize(dog.backbone, sample(4)[0], box=(20, 150, 200, 400), variant=dog.variant)
    loader = LoaderOptions(batch=1, cache=Cache(tmp_path / "cache"))
    first = segment_album(dog, album, tmp_path / "first", loader=loader)
    before = encoded(dog)
    second = segment_album(bear, album, tmp_path / "second", loader=loader)
    assert encoded(dog) == before
    assert (first.written, second.written) == (5, 5)
    again = segment_album(
        dog, album, tmp_path / "again", loader=LoaderOptions(cache=loader.cache, jobs=2)
    )
    assert encoded(dog) == before
    assert files(tmp_path / "first") == files(tmp_path / "again")
    assert lines(tmp_path / "first") == lines(tmp_path / "again")
    assert [record.box for record in again.records] == [record.box for record in first.records]


def test_masks_out_of_a_cache_are_those_without_one(dog, album, tmp_path):
    segment_album(dog, album, tmp_path / "plain")
    segment_album(
        dog,
        album,
        tmp_path / "cached",
        loader=LoaderOptions(batch=1, cache=Cache(tmp_path / "cache")),
    )
    for name, plain in files(tmp_path / "plain").items():
        assert files(tmp_path / "cached").keys() == files(tmp_path / "plain").keys()
        one, other = (
            read_image(tmp_path / folder / name)[..., 0] > 0 for folder in ("plain", "cached")
        )
        union = np.count_nonzero(one | other)
        assert union == 0 or np.count_nonzero(one & other) / union > 0.99, name
        assert plain


def test_absent_photos_need_their_matching_features_alone(dog, album, tmp_path):
    loader = LoaderOptions(batch=1, cache=Cache(tmp_path / "cache"))
    first = search(dog, album, loader=loader)
    for whole in (tmp_path / "cache").glob("*/*.safetensors"):
        whole.unlink()
    before = encoded(dog)
    assert search(dog, album, loader=loader) == first
    assert encoded(dog) == before + 2  # of the two that have the dog
    assert search(dog, album, loader=loader) == first
    assert encoded(dog) == before + 2


@pytest.mark.parametrize("suffix", [".match", ".safetensors"])
def test_damaged_entries_are_made_anew(dog, album, tmp_path, suffix):
    loader = LoaderOptions(batch=1, cache=Cache(tmp_path / "cache"))
    first = search(dog, album, loader=loader)
    for path in (tmp_path / "cache").glob(f"*/*{suffix}"):
        path.write_bytes(path.read_bytes()[:-9])
    before = encoded(dog)
    assert search(dog, album, loader=loader) == first
    assert encoded(dog) > before
    before = encoded(dog)
    assert search(dog, album, loader=loader) == first
    assert encoded(dog) == before


def test_another_model_and_another_picture_have_entries_of_their_own(dog, square, album, tmp_path):
    loader = LoaderOptions(batch=1, cache=Cache(tmp_path / "cache"))
    search(dog, album, loader=loader)
    before = encoded(square)
    segment_album(square, album, tmp_path / "out", loader=loader)
    assert encoded(square) == before + 5
    before = encoded(dog)
    Image.fromarray(scene(3)).save(album[0])
    search(dog, album, loader=loader)
    assert encoded(dog) == before + 1


def test_a_batch_that_does_not_fit_is_encoded_one_by_one(square, photos, tmp_path):
    class Small(Counting):
        def encode_preprocessed(self, preprocessed: Any) -> Any:
            if len(preprocessed) > 1:
                raise RuntimeError("out of memory")
            return super().encode_preprocessed(preprocessed)

    small = replace(square, backbone=Small(square.backbone))
    summary = segment_album(small, photos, tmp_path / "out", loader=LoaderOptions(batch=4, jobs=1))
    assert (summary.written, len(summary.failed)) == (21, 2)
    segment_album(square, photos, tmp_path / "plain", loader=LoaderOptions(batch=1))
    assert files(tmp_path / "out") == files(tmp_path / "plain")


def test_what_the_model_cannot_encode_is_the_error_of_its_photo(square, photos, tmp_path):
    class Fragile(Counting):
        def encode_preprocessed(self, preprocessed: Any) -> Any:
            if any(one.frame.height == read_image(photos[2]).shape[0] for one in preprocessed):
                raise RuntimeError("no such\nsize")
            return super().encode_preprocessed(preprocessed)

    fragile = replace(square, backbone=Fragile(square.backbone))
    summary = segment_album(
        fragile, photos[:6], tmp_path / "out", loader=LoaderOptions(batch=3, jobs=1)
    )
    assert [record.error for record in summary.failed] == ["RuntimeError: no such size"]
    assert summary.failed[0].input == str(photos[2])


@pytest.mark.parametrize("jobs", [0, 2])
def test_a_mistake_in_the_program_is_no_error_of_a_photo(dog, album, jobs, monkeypatch):
    def wrong(*_: object) -> None:
        raise IndexError("no such thing")

    monkeypatch.setattr("persam.album.search.AlbumTarget.predict", wrong)
    with pytest.raises(IndexError):
        search(dog, album, loader=LoaderOptions(jobs=jobs))


def test_an_interrupted_run_leaves_whole_files_and_lines_for_them(square, photos, tmp_path):
    def interrupt(record: object) -> None:
        done.append(record)
        if len(done) == 4:
            raise KeyboardInterrupt

    done: list[object] = []
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        segment_album(square, photos, out, interrupt, loader=LoaderOptions(batch=4, jobs=3))
    assert [line["input"] for line in lines(out)] == [str(photo) for photo in photos[:4]]
    assert not list(out.glob(".*.part"))
    for path in out.glob("*.png"):
        read_image(path)
    summary = segment_album(square, photos, out, loader=LoaderOptions(batch=4, jobs=3))
    assert (summary.skipped, summary.written) == (4, 17)


def test_a_pace_of_nothing_is_refused():
    with pytest.raises(InputError, match="at least 1 photo"):
        LoaderOptions(batch=0)
    with pytest.raises(InputError, match="0 threads or more"):
        LoaderOptions(jobs=-2)
