from __future__ import annotations

from pathlib import Path

import davis_drawing as drawing
import numpy as np
import pytest
from PIL import Image

import persam
from persam.errors import InputError
from persam.evaluation import datasets
from persam.evaluation.datasets.davis import object_names, true_labels

DATA = Path(persam.__file__).parents[2] / "shared" / "data" / "video"


@pytest.fixture
def root(tmp_path):
    return drawing.draw(tmp_path / "data")


def test_sequences_are_subjects_and_frames_come_in_order(root):
    data = datasets.davis(root)
    assert [subject.name for subject in data.subjects] == ["dogs", "bird"]  # the list's order
    dogs = data.subjects[0]
    assert [photo.stem for photo in dogs.photos] == [f"{number:05d}" for number in range(5)]
    assert dogs.reference.stem == "00000"
    assert data.photos == 4 + 2
    assert data.settings == {"year": 2017, "split": "val", "full_protocol": True}
    first = true_labels(dogs.reference)
    assert np.array_equal(first, drawing.labels(drawing.DOGS[0][0]))
    assert object_names(first) == ("1", "2")


def test_the_year_is_what_the_lists_say(tmp_path):
    old = drawing.draw(tmp_path / "old", years=(2016,), grey=True)
    data = datasets.davis(old)
    assert data.settings["year"] == 2016
    assert np.array_equal(np.unique(true_labels(data.subjects[0].reference)), [0, 1])
    with pytest.raises(InputError, match=r"has no ImageSets/2017/val\.txt"):
        datasets.davis(old, year=2017)
    with pytest.raises(InputError, match="2016 or 2017; got 2018"):
        datasets.davis(old, year=2018)


def test_palettes_are_one_object_in_2016(root):
    data = datasets.davis(root, year=2016)
    first = true_labels(data.subjects[0].reference)
    assert np.array_equal(first, drawing.labels(drawing.DOGS[0][0]) > 0)
    assert object_names(first) == ("1",)


def test_void_is_nobody_in_2017(root):
    values = drawing.labels(drawing.DOGS[0][0])
    values[-1] = 255
    drawing.write_labels(root / "Annotations/480p/dogs/00000.png", values)
    first = true_labels(datasets.davis(root).subjects[0].reference)
    assert object_names(first) == ("1", "2")
    assert not first[-1].any()


def test_masks_of_2016_are_told_from_those_of_2017(tmp_path):
    root = drawing.draw(tmp_path / "data", grey=True)
    with pytest.raises(InputError, match="choose the year 2016") as caught:
        datasets.davis(root)
    assert "dogs" in str(caught.value)
    assert datasets.davis(root, year=2016).photos == 6


def test_the_folder_that_holds_it_and_the_older_list_do(tmp_path):
    root = drawing.draw(tmp_path / "DAVIS", years=())
    listing = root / "ImageSets/480p/val.txt"
    listing.parent.mkdir(parents=True)
    lines = [
        f"/JPEGImages/480p/bird/{number:05d}.jpg /Annotations/480p/bird/{number:05d}.png"
        for number in range(3)
    ]
    listing.write_text("\n".join(lines))
    data = datasets.open_dataset("davis", tmp_path)
    assert [subject.name for subject in data.subjects] == ["bird"]
    assert data.root == root


def test_sequences_can_be_chosen(root):
    data = datasets.davis(root, sequences=["bird"])
    assert [subject.name for subject in data.subjects] == ["bird"]
    assert data.settings["sequences"] == ["bird"]
    assert data.settings["full_protocol"] is False
    with pytest.raises(InputError, match=r"No such sequences: cat\. The list has dogs, bird"):
        datasets.davis(root, sequences=["bird", "cat"])


def test_all_that_is_missing_is_named(root):
    (root / "Annotations/480p/dogs/00002.png").unlink()
    (root / "JPEGImages/480p/bird/00001.jpg").unlink()
    found = datasets.check("davis", root)
    said = " ".join(map(str, found.problems))
    assert "sequence dogs: frames without a mask: 00002." in said
    assert "sequence bird: masks without a frame: 00001." in said
    assert "sequences of fewer than 3 frames: bird." in said
    (root / "ImageSets/2017/val.txt").write_text("dogs\nbird\ncat\n")
    said = " ".join(map(str, datasets.check("davis", root).problems))
    assert f"{Path('Annotations/480p')}: missing sequences: cat." in said


def test_sizes_are_compared(root):
    drawing.write_labels(root / "Annotations/480p/dogs/00003.png", np.ones((30, 64), np.uint8))
    wide = Image.fromarray(np.zeros((40, 70, 3), np.uint8))
    wide.save(root / "JPEGImages/480p/bird/00002.jpg")
    said = " ".join(map(str, datasets.check("davis", root).problems))
    assert "dogs/00003.png (30x64, not 40x64)" in said
    assert "sequence bird: frames of another size than the first: 00002.jpg." in said


@pytest.mark.parametrize(
    ("options", "said"),
    [({"episodes": 3}, "no episodes"), ({"folds": [1]}, "no folds"), ({"reference": 2}, "first")],
)
def test_what_davis_does_not_have(root, options, said):
    with pytest.raises(InputError, match=said):
        datasets.open_dataset("davis", root, **options)


def test_a_list_without_names_and_a_mask_in_colour(root):
    Image.new("RGB", (64, 40)).save(root / "Annotations/480p/bird/00000.png")
    with pytest.raises(InputError, match="pixels of type RGB"):
        datasets.davis(root)
    (root / "ImageSets/2017/val.txt").write_text("\n")
    with pytest.raises(InputError, match="names no sequence"):
        datasets.davis(root)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the real sequences of {DATA} are not here")
def test_real_sequences():
    found = datasets.check("davis", DATA)
    assert not found.problems
    assert found.dataset is not None
    assert found.dataset.settings["year"] == 2016
    assert len(found.dataset.subjects) == 5
    assert found.dataset.photos + 5 == 239
