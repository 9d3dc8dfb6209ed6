"""From the package's own photos to training folders, read back by their trainers' rules."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from persam import load, personalize, samples
from persam.dreambooth.exports import _toml, kohya_images
from persam.dreambooth.masks import trained_share
from persam.dreambooth.prepare import Prepared, ReferencePicture, prepare
from persam.dreambooth.subject import Choices, SubjectFolder, peek_subject, read_subject
from persam.errors import InputError

SMALL = Choices("plush dog", "zwx", resolution=128, dilate=1.0, repeats=3)


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


@pytest.fixture(scope="module")
def concept():
    return personalize(load("pocket", device="cpu"), *samples.files(samples.PICTURES, 0)[:1],
                       mask=samples.files(samples.PICTURES, 0)[1])  # fmt: skip


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """Three photos of the dog, and one of a wall."""
    folder = tmp_path_factory.mktemp("desk")
    for number, name in enumerate(("dog.jpg", "playroom.jpg", "meadow.jpg")):
        (folder / name).write_bytes(samples.files(samples.PICTURES, number)[0].read_bytes())
    wall = np.random.RandomState(0).randint(150, 160, (300, 260, 3), dtype=np.uint8)
    Image.fromarray(wall).save(folder / "wall.png")
    return folder


@pytest.fixture(scope="module")
def shown(desk):
    return ReferencePicture(desk / "dog.jpg", samples.files(samples.PICTURES, 0)[1], "the dog")


@pytest.fixture(scope="module")
def made(concept, desk, shown, tmp_path_factory) -> Prepared:
    out = tmp_path_factory.mktemp("out") / "subject"
    return prepare(concept, sorted(desk.iterdir()), shown, out, SMALL)


def test_photos_without_the_subject_are_left_out_and_named(made, desk):
    assert made.left_out == (desk / "wall.png",)
    assert made.failed == made.unmasked == ()
    assert [photo.name for photo in made.subject.photos] == ["dog", "meadow", "playroom"]
    assert not list(made.subject.folder.glob("[!f]*/**/wall*"))
    assert made.sheet.read_text().count("<figure") == 4


def test_pictures_are_small_and_masks_grown_by_cells(made):
    found = read_subject(made.subject.folder)
    assert found == made.subject
    for photo in found.photos:
        picture, weights = read(found.image(photo)), read(found.mask(photo))
        assert picture.shape == (128, 171, 3)
        assert set(np.unique(weights)) == {0, 255}
        assert photo.share == pytest.approx(trained_share(weights, 128, hard=True), abs=1e-4)
        tight = Image.fromarray(read(found.folder / "found" / f"{photo.name}.png"))
        small = np.array(tight.resize((171, 128), Image.Resampling.BOX)) > 127
        assert (weights[small] > 0).all()
        assert small.sum() * 1.1 < (weights > 0).sum()  # one cell, 8 pixels, round it
        assert found.caption(photo).read_text() == "a photo of zwx plush dog\n"


def test_the_given_mask_is_the_references(made):
    given = read(samples.files(samples.PICTURES, 0)[1]) > 0
    np.testing.assert_array_equal(read(made.subject.folder / "found" / "dog.png") > 0, given)
    assert [photo.score is None for photo in made.subject.photos] == [True, False, False]


def test_kohya_reads_masks_and_captions_by_its_dataset_file(made):
    """Rules: pictures directly in image_dir, masks of the same stem and size, white is trained."""
    kohya = made.subject.folder / "kohya"
    dataset = tomllib.loads((kohya / "dataset-img.toml").read_text())
    (entry,) = dataset["datasets"]
    (subset,) = entry["subsets"]
    assert (entry["resolution"], subset["num_repeats"]) == (128, 3)
    pictures = sorted(Path(subset["image_dir"]).glob("*.png"))
    assert len(pictures) == 3
    for picture, photo in zip(pictures, made.subject.photos, strict=True):
        (mask,) = Path(subset["conditioning_data_dir"]).glob(f"{picture.stem}.*")
        red = np.array(Image.open(mask).convert("RGB"))[..., 0]
        assert red.shape == read(picture).shape[:2]
        np.testing.assert_array_equal(red, read(made.subject.mask(photo)))
        caption = picture.with_suffix(dataset["general"]["caption_extension"])
        assert caption.read_text().strip() == "a photo of zwx plush dog"


def test_kohya_reads_the_folder_name_and_transparency(made):
    """Rules: <repeats>_<token> <class>; alpha 255 is trained, 0 is not."""
    kohya = made.subject.folder / "kohya"
    (subset,) = tomllib.loads((kohya / "dataset-alpha.toml").read_text())["datasets"][0]["subsets"]
    assert subset["alpha_mask"] is True
    folder = Path(subset["image_dir"])
    assert re.fullmatch(r"(\d+)_(.+)", folder.name).groups() == ("3", "zwx plush dog")
    for photo in made.subject.photos:
        rgba = read(folder / f"{photo.name}.png")
        np.testing.assert_array_equal(rgba[..., 3], read(made.subject.mask(photo)))
        np.testing.assert_array_equal(rgba[..., :3], read(made.subject.image(photo)))
        assert (folder / f"{photo.name}.txt").is_file()


def test_onetrainer_reads_masks_beside_pictures(made):
    """Rules: every picture but *-masklabel is trained on; its mask and caption lie beside it."""
    folder = made.subject.folder / "onetrainer"
    pictures = [path for path in folder.glob("*.png") if not path.stem.endswith("-masklabel")]
    assert len(pictures) == 3
    for picture in pictures:
        mask = read(picture.with_name(f"{picture.stem}-masklabel.png"))
        assert mask.shape == read(picture).shape[:2]
        assert mask.dtype == np.uint8
        assert picture.with_suffix(".txt").read_text().startswith("a photo of zwx")
    assert len(list(folder.iterdir())) == 9


def test_a_mended_mask_is_used_and_nothing_is_looked_at_again(made, concept, desk, shown, tmp_path):
    out = tmp_path / "subject"
    photos = sorted(desk.iterdir())
    prepare(concept, photos, shown, out, SMALL)
    mended = np.zeros((480, 640), dtype=np.uint8)
    mended[100:200, 100:200] = 255
    Image.fromarray(mended).save(out / "found" / "meadow.png")
    (view,) = concept.references
    nothing = view.target_embedding * float("nan")
    broken = replace(concept, references=(replace(view, target_embedding=nothing),))
    again = prepare(broken, photos, shown, out, replace(SMALL, dilate=0.0))
    meadow = next(photo for photo in again.subject.photos if photo.name == "meadow")
    cells = (100 * 128 / 480 / 8) ** 2  # of 16 x 16, each 8 pixels of the picture at 128
    assert meadow.share == pytest.approx(cells / 256, abs=0.03)


def test_the_same_once_more_changes_nothing(concept, desk, shown, tmp_path):
    def files() -> dict[str, bytes]:
        every = (path for path in tmp_path.rglob("[!.]*") if path.is_file())
        return {str(path): path.read_bytes() for path in every}

    prepare(concept, sorted(desk.iterdir()), shown, tmp_path, SMALL)
    before = files()
    prepare(concept, sorted(desk.iterdir()), shown, tmp_path, SMALL)
    assert [name for name, data in files().items() if data != before.get(name)] == []


def test_captions_that_somebody_wrote_are_kept(concept, desk, shown, tmp_path):
    photos = [Path(shutil.copy(desk / f"{name}.jpg", tmp_path)) for name in ("meadow", "playroom")]
    (tmp_path / "meadow.txt").write_text("\ufeffsks dog in a meadow", encoding="utf-8")
    subject = prepare(concept, photos, shown, tmp_path / "out", SMALL).subject
    captions = {photo.name: subject.caption(photo) for photo in subject.photos}
    assert captions["meadow"].read_text() == "sks dog in a meadow\n"
    captions["playroom"].write_text("my own words")
    again = prepare(
        concept, photos, shown, tmp_path / "out", replace(SMALL, class_name="toy")
    ).subject
    assert captions["playroom"].read_text() == "my own words"
    assert captions["dog"].read_text() == "a photo of zwx toy\n"
    assert (kohya_images(again) / "playroom.txt").read_text() == "my own words\n"


def test_a_mended_mask_in_a_moved_folder_is_trained_on(concept, desk, shown, tmp_path):
    photos = sorted(desk.iterdir())
    folder = prepare(concept, photos, shown, tmp_path / "before", SMALL).subject.folder
    mended = np.zeros_like(read(folder / "found" / "meadow.png"))
    mended[100:200, 100:200] = 255
    Image.fromarray(mended).save(folder / "found" / "meadow.png")
    shutil.move(folder, tmp_path / "after")
    subject = prepare(concept, photos, shown, tmp_path / "after", SMALL).subject
    weights = {photo.name: read(subject.mask(photo)) for photo in subject.photos}
    assert 0 < (weights["meadow"] > 0).mean() < 0.1


def test_a_record_that_was_tampered_with_deletes_nothing(concept, desk, shown, tmp_path):
    photos = sorted(desk.iterdir())
    folder = prepare(concept, photos, shown, tmp_path / "out", SMALL).subject.folder
    victims = [tmp_path / "victim.png", tmp_path / "victim.txt", folder / "images" / "mine.png"]
    for victim in victims:
        victim.write_bytes(b"a person's")
    record = json.loads((folder / "subject.json").read_text())
    for name in ("../../victim", str(tmp_path / "victim"), "mine"):
        photo = {**record["photos"][0], "name": name}
        text = json.dumps({**record, "photos": [*record["photos"], photo]})
        (folder / "subject.json").write_text(text)
        if name == "mine":
            prepare(concept, photos, shown, folder, SMALL)
        else:
            with pytest.raises(InputError, match="is not what this version"):
                prepare(concept, photos, shown, folder, SMALL)
        assert [victim.read_bytes() for victim in victims] == [b"a person's"] * 3


@given(st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=20))
def test_any_folders_name_is_a_toml_string(name):
    text = f"folder = {_toml(Path('/') / name)}"
    assert tomllib.loads(text)["folder"] == (Path("/") / name).absolute().as_posix()


def test_other_choices_leave_nothing_of_the_old_ones(concept, desk, shown, tmp_path):
    out = tmp_path / "subject"
    prepare(concept, sorted(desk.iterdir()), shown, out, SMALL)
    fewer = prepare(concept, [desk / "meadow.jpg"], shown, out, replace(SMALL, repeats=7))
    names = {path.name for path in (out / "kohya" / "img").iterdir()}
    assert names == {"7_zwx plush dog"}
    assert [photo.name for photo in fewer.subject.photos] == ["dog", "meadow"]
    for folder in ("images", "masks", "onetrainer", "kohya/masks"):
        assert not list((out / folder).glob("playroom*"))
    assert (out / "found" / "playroom.png").is_file()


def test_photos_without_the_subject_may_be_kept_whole(concept, desk, shown, tmp_path):
    keeping = replace(SMALL, keep_unmasked=True)
    made = prepare(concept, [desk / "wall.png"], shown, tmp_path / "s", keeping)
    assert made.left_out == ()
    assert made.unmasked == (desk / "wall.png",)
    wall = made.subject.photos[1]
    assert not wall.masked
    assert (read(made.subject.mask(wall)) == 255).all()


def test_another_background_behind_the_same_subject(concept, desk, shown, tmp_path):
    sea = tmp_path / "sea.png"
    Image.new("RGB", (90, 40), (0, 60, 200)).save(sea)
    swapped = replace(SMALL, backgrounds=("#ffffff", str(sea)), feather=1.0)
    made = prepare(concept, [desk / "meadow.jpg"], shown, tmp_path / "s", swapped)
    for photo, colour in zip(made.subject.photos, ((255, 255, 255), (0, 60, 200)), strict=True):
        picture, weights = read(made.subject.image(photo)), read(made.subject.mask(photo))
        assert (picture[weights == 0] == colour).all()
        assert not (picture[weights == 255] == colour).all(-1).all()
        assert len(np.unique(weights)) > 3


def test_a_subject_found_nowhere_is_an_error(concept, desk, tmp_path):
    with pytest.raises(InputError, match="found in none of 1 photos"):
        prepare(concept, [], ReferencePicture(desk / "wall.png"), tmp_path / "s", SMALL)
    assert (tmp_path / "s" / "sheet.html").is_file()


def test_unreadable_photos_are_named(concept, desk, shown, tmp_path):
    (tmp_path / "bad.jpg").write_text("no picture")
    made = prepare(concept, [tmp_path / "bad.jpg"], shown, tmp_path / "s", SMALL)
    assert [Path(record.input).name for record in made.failed] == ["bad.jpg"]
    assert [photo.name for photo in made.subject.photos] == ["dog"]


def test_photos_within_the_folder_are_refused(concept, desk, shown, tmp_path):
    inside = tmp_path / "s" / "images" / "a.png"
    inside.parent.mkdir(parents=True)
    inside.write_bytes((desk / "wall.png").read_bytes())
    with pytest.raises(InputError, match=r"a\.png lies in"):
        prepare(concept, [inside], shown, tmp_path / "s", SMALL)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"resolution": 100}, "multiple of 8"),
        ({"repeats": 0}, "at least once"),
        ({"token": ""}, "also name folders"),
        ({"class_name": "a/b"}, "also name folders"),
        ({"caption": "a photo of sks dog"}, "needs {token}"),
    ],
)
def test_choices_that_make_no_sense(change, word):
    with pytest.raises(InputError, match=word):
        replace(SMALL, **change)


def test_folders_that_are_no_subjects(tmp_path, made):
    assert peek_subject(tmp_path) is None
    with pytest.raises(InputError, match="persam dreambooth prepare"):
        read_subject(tmp_path)
    rows = {"version": 9, "choices": {}, "photos": []}
    (tmp_path / "subject.json").write_text(json.dumps(rows))
    with pytest.raises(InputError, match="version 9"):
        read_subject(tmp_path)
    lost = SubjectFolder(tmp_path, made.subject.choices, made.subject.photos)
    (tmp_path / "subject.json").write_text((made.subject.folder / "subject.json").read_text())
    with pytest.raises(InputError, match=r"lacks images/dog\.png"):
        read_subject(lost.folder)
    assert kohya_images(lost).name == "3_zwx plush dog"
