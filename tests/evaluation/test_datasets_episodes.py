"""Each loader on a small data set in its official layout, and on what goes wrong with one."""

from __future__ import annotations

import layouts
import numpy as np
import pytest
from PIL import Image

from persam.errors import InputError
from persam.evaluation import datasets

# A fold; of the first and the third as many as the small set has.
EPISODES = {
    "fss-1000": 20,
    "lvis-92i": 2300,
    "pascal-part": 12,
    "paco-part": 2500,
    "coco-20i": 1000,
    "pascal-5i": 1000,
    "isaid-5i": 15,
}


@pytest.fixture(params=layouts.LAYOUTS)
def name(request):
    return request.param


@pytest.fixture
def folder(name, tmp_path):
    return layouts.LAYOUTS[name](tmp_path)


def test_episodes_are_the_same_every_time(name, folder, tmp_path):
    once = datasets.open_dataset(name, folder)
    folds = [one.fold for one in once.subjects]
    counts = {folds.count(fold) for fold in datasets.find(name).folds}
    assert counts == {EPISODES[name]}
    state = np.random.get_state()[1].copy()
    again = datasets.open_dataset(name.upper(), tmp_path)  # the folder that holds it does as well
    assert (np.random.get_state()[1] == state).all()  # nobody else's random numbers are used up
    assert layouts.stems(once) == layouts.stems(again)
    names = [subject.name for subject in once.subjects]
    assert names == [subject.name for subject in again.subjects]
    assert len(set(names)) == len(names)
    assert all(set(n) <= set("abcdefghijklmnopqrstuvwxyzADEGHILST0123456789+-_") for n in names)
    assert (once.size, once.reference_index) == (518, None)
    assert once.settings["seed"] == 0
    assert once.settings["episodes"] == len(names) == once.photos


def test_fewer_episodes_are_the_first_of_the_full_run(name, folder):
    few = datasets.open_dataset(name, folder, episodes=3)
    full = datasets.open_dataset(name, folder, episodes=6)
    folds = datasets.find(name).folds
    assert few.settings["full_protocol"] is False
    assert len(few.subjects) == 3 * len(folds)
    for fold in folds:
        first, more = ([one for one in s.subjects if one.fold == fold] for s in (few, full))
        assert [one.name for one in first] == [one.name for one in more][:3]
        assert [one.photos for one in first] == [one.photos for one in more][:3]
        assert all(one.name.startswith(f"{fold}-000" if fold else "000") for one in first)


def test_a_fold_alone_is_that_fold_of_all(name, folder):
    last = len(datasets.find(name).folds) - 1
    alone = datasets.open_dataset(name, folder, folds=[last], episodes=6)
    fold = datasets.find(name).folds[last]
    every = datasets.open_dataset(name, folder, episodes=6)
    assert alone.subjects == tuple(one for one in every.subjects if one.fold == fold)


def test_reference_and_target_differ_and_masks_fit(name, folder):
    dataset = datasets.open_dataset(name, folder, episodes=4)
    for subject in dataset.subjects:
        assert subject.reference.stem != subject.targets[0].stem
        for photo in subject.photos:
            image, truth = photo.read()
            assert (image.dtype, truth.dtype) == (np.uint8, np.bool_)
            assert image.shape == (*truth.shape, 3)
            assert truth.any()
            assert not truth.all()
            np.testing.assert_array_equal(photo.truth(truth.shape), truth)
            np.testing.assert_array_equal(photo.mask, truth)
            assert photo.complaint() is None
            assert photo.stem in photo.describe()


def test_pixels_are_taken_as_they_are_stored(name, folder):
    photo = datasets.open_dataset(name, folder, episodes=1).subjects[0].targets[0]
    plain, truth = photo.read()
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn, to which no annotation was drawn
    for file in photo.files:
        with Image.open(file) as image:
            options = {"quality": "keep"} if file.suffix == ".jpg" else {}
            image.save(file, exif=exif, **options)
    turned, again = photo.read()
    assert turned.shape == plain.shape
    assert np.abs(turned.astype(int) - plain).mean() < 4
    np.testing.assert_array_equal(again, truth)
    np.testing.assert_array_equal(photo.mask, truth)
    assert photo.complaint() is None


def test_what_is_no_choice(name, folder):
    for options, said in [
        ({"folds": [99]}, "has the folds 0.*got 99"),
        ({"folds": []}, "got none"),
        ({"episodes": 0}, "at least 1; got 0"),
        ({"reference": 2}, "drawn by its protocol"),
    ]:
        with pytest.raises(InputError, match=said):
            datasets.open_dataset(name, folder, **options)


def test_missing_pictures_are_all_named(name, folder):
    dataset = datasets.open_dataset(name, folder, episodes=1)
    gone = [photo.files[0] for photo in dataset.subjects[0].photos]
    for file in gone:
        file.unlink()
    found = datasets.check(name, folder)
    assert found.dataset is None
    names = [missing for problem in found.problems for missing in problem.names]
    assert sorted(missing.rpartition("/")[2] for missing in names) == sorted(f.name for f in gone)
    with pytest.raises(datasets.IncompleteData, match=gone[0].name):
        datasets.open_dataset(name, folder)


def test_check_finds_pictures_of_another_size(name, folder):
    assert datasets.check(name, folder).problems == ()
    file = datasets.open_dataset(name, folder, episodes=1).subjects[0].targets[0].files[0]
    layouts.picture(file, (6, 5))
    (problem,) = datasets.check(name, folder).problems
    assert "another size" in problem.what
    assert "6x5" in str(problem)
    assert file.stem in str(problem)
    target = datasets.open_dataset(name, folder, episodes=1).subjects[0].targets[0]
    with pytest.raises(InputError, match=file.stem):
        target.read()


def test_check_finds_damaged_pictures(name, folder):
    file = datasets.open_dataset(name, folder, episodes=1).subjects[0].targets[0].files[0]
    file.write_text("no")
    (problem,) = datasets.check(name, folder).problems
    assert problem.what == "files that cannot be used"
    assert str(file) in str(problem)


def test_an_empty_folder(name, tmp_path):
    with pytest.raises(InputError, match=r"missing.*persam datasets"):
        datasets.open_dataset(name, tmp_path)
    with pytest.raises(InputError, match="is not a folder"):
        datasets.open_dataset(name, tmp_path / "nowhere")
