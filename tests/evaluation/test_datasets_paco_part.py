"""PACO-Part on a small data set in its official layout, and on what goes wrong with one."""

from __future__ import annotations

import layouts
import numpy as np
import pytest

from persam.errors import InputError
from persam.evaluation import datasets


def test_draws_as_the_official_loader(tmp_path):
    got = datasets.open_dataset("paco-part", layouts.paco(tmp_path), folds=[0], episodes=200)
    np.random.seed(0)
    # Of the order in the training file, fold 0 has places 0 and 4; class 60 has one picture.
    assert got.settings["classes"] == 1
    boxes = {1: (0, 0, 5, 5), 2: (4, 5, 10, 11)}
    for subject in got.subjects:
        number = layouts.choose([40])
        query = support = layouts.choose(range(3))
        seen = layouts.choose([1, 2])
        while support == query:
            support = layouts.choose(range(3))
        shown = layouts.choose([1, 2])
        assert subject.group == f"{number:04d}"
        for photo, place, thing in (
            (subject.targets[0], query, seen),
            (subject.reference, support, shown),
        ):
            _, name = layouts.paco_picture(number, place)
            assert name == f"val2017/{photo.stem}.jpg"
            assert photo.box == boxes[thing]


def test_the_object_is_cut_out_and_its_parts_are_joined(tmp_path):
    got = datasets.open_dataset("paco-part", layouts.paco(tmp_path), folds=[1], episodes=20)
    photo = next(one.reference for one in got.subjects if one.reference.box[0] == 4)
    image, truth = photo.read()
    assert image.shape == (6, 6, 3)  # x from 4.5 to 4.5 + 5.9, y from 5.2 to 11.5, cut off
    assert abs(int(image[0, 0, 0]) - 50) < 10  # row 5 of the whole picture
    assert abs(int(image[0, 0, 1]) - 40) < 10  # column 4
    joined = layouts.square(6, 5, side=2) | layouts.square(9, 7, side=2)
    np.testing.assert_array_equal(truth, joined[5:11, 4:10])
    np.testing.assert_array_equal(photo.image, image)
    with pytest.raises(InputError, match="is shown as 6x6"):
        photo.truth((12, 10))


def test_a_fold_without_classes_and_other_values(tmp_path):
    folder = layouts.paco(tmp_path)
    train = {number: [] for number in (1, 2, 3, 4, 5, 6, 7, 8)}
    layouts.store(folder / "paco/paco_part_train.pkl", {"cid2img": train})
    with pytest.raises(InputError, match="without a class of two pictures: 0"):
        datasets.open_dataset("paco-part", folder)
    layouts.store(folder / "paco/paco_part_val.pkl", {"cid2img": {}})
    with pytest.raises(InputError, match=r"paco_part_val.pkl.*img2anno"):
        datasets.open_dataset("paco-part", folder)


def test_a_box_outside_the_picture(tmp_path):
    layouts.picture(tmp_path / "a.jpg")
    photo = datasets.SegmentedPhoto("a", tmp_path / "a.jpg", (), "lid", box=(20, 2, 25, 4))
    with pytest.raises(InputError, match=r"a.jpg, class lid: the object's box \(20, 2, 25, 4\)"):
        photo.read()
