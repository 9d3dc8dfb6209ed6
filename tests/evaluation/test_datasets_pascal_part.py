"""PASCAL-Part on a small data set in its official layout, and on what goes wrong with one."""

from __future__ import annotations

import json

import layouts
import numpy as np
import pytest

from persam.errors import InputError
from persam.evaluation import datasets


def test_draws_as_the_official_loader(tmp_path):
    got = datasets.open_dataset("pascal-part", layouts.pascal(tmp_path), folds=[0])
    np.random.seed(0)
    names = [f"2008_an{number}" for number in range(4)]

    def draw(taken=""):
        while True:
            name = layouts.choose(names)
            if name == taken:
                continue
            # Picture 0 has a second dog, without any part.
            if layouts.choose(["bare", "whole"] if name == names[0] else ["whole"]) == "whole":
                return name

    for place, subject in enumerate(got.subjects):
        query = draw()
        support = draw(query)
        assert subject.group == ("dog+HEAD", "dog+TAIL")[place % 2]
        assert (subject.reference.stem, subject.targets[0].stem) == (support, query)
    # Three parts of four pictures each are listed, LEGS among them.
    assert len(got.subjects) == 12


def test_cut_out_and_left_out(tmp_path):
    got = datasets.open_dataset("pascal-part", layouts.pascal(tmp_path))
    assert got.settings["folds"] == ["animals", "indoor", "person", "vehicles"]
    groups = {one.group for one in got.subjects}
    assert "aeroplane+HEAD" in groups
    assert not groups & {"aeroplane+TAIL", "dog+LEGS"}
    image, truth = got.subjects[0].reference.read()
    assert image.shape == (9, 5, 3)
    np.testing.assert_array_equal(truth, layouts.square(2, 2)[2:11, 1:6])


def test_missing_annotations_are_named(tmp_path):
    folder = layouts.pascal(tmp_path)
    parts = "Annotations_Part_json_merged_part_classes"
    (folder / parts / "2008_an1.json").unlink()
    (folder / "JPEGImages" / "2008_an2.jpg").unlink()
    with pytest.raises(InputError, match=r"merged_part_classes/2008_an1.json, JPEG.*2008_an2"):
        datasets.open_dataset("pascal-part", folder)


def test_annotations_that_do_not_belong_to_the_lists(tmp_path):
    folder = layouts.pascal(tmp_path)
    parts = folder / "Annotations_Part_json_merged_part_classes"
    for number in (1, 2, 3):
        held = json.loads((parts / f"2008_an{number}.json").read_text())
        held["object"][0]["parts"] = []
        (parts / f"2008_an{number}.json").write_text(json.dumps(held))
    with pytest.raises(InputError, match=r"dog\+HEAD, fewer than two have a dog"):
        datasets.open_dataset("pascal-part", folder)
    (parts / "2008_an0.json").write_text('{"object": []}')
    with pytest.raises(InputError, match=r"2008_an0.json has no dog"):
        datasets.open_dataset("pascal-part", folder, folds=[0])
    (parts / "2008_an0.json").write_text("{}")
    with pytest.raises(InputError, match=r"2008_an0.json has another layout than expected.*object"):
        datasets.open_dataset("pascal-part", folder, folds=[0])
