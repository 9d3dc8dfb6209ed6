"""COCO-20i on a small data set in its official layout, and on what goes wrong with one."""

from __future__ import annotations

import layouts
import numpy as np
import pytest
from PIL import Image

from persam.errors import InputError
from persam.evaluation import datasets


def test_draws_as_the_official_loader(tmp_path):
    got = datasets.open_dataset("coco-20i", layouts.coco(tmp_path), folds=[1], episodes=200)
    np.random.seed(0)
    for subject in got.subjects:
        number = layouts.choose(list(range(1, 80, 4)))
        query = support = layouts.choose(layouts.coco_names(number))
        while support == query:
            support = layouts.choose(layouts.coco_names(number))
        assert subject.group == f"{number:02d}"
        assert query == f"val2014/{subject.targets[0].stem}.jpg"
        assert support == f"val2014/{subject.reference.stem}.jpg"
    assert (len(got.subjects), got.settings["classes"]) == (200, 20)


@pytest.mark.parametrize("palette", [False, True])
def test_the_mask_is_the_class_number_and_one(tmp_path, palette):
    folder = layouts.coco(tmp_path)
    for file in (folder / "annotations/val2014").iterdir() if palette else ():
        image = Image.fromarray(np.asarray(Image.open(file)))
        image.putpalette(np.random.RandomState(0).bytes(768))
        image.save(file)
    for subject in datasets.open_dataset("coco-20i", folder, episodes=5).subjects:
        truth = subject.reference.read()[1]
        assert truth[1:, int(subject.group)].all()
        assert truth.sum() == layouts.HEIGHT - 1


def test_missing_labels_and_few_pictures(tmp_path):
    folder = layouts.coco(tmp_path)
    file = next((folder / "annotations/val2014").iterdir())
    file.rename(tmp_path / "kept.png")
    with pytest.raises(InputError, match=f"missing files: annotations/val2014/{file.name}"):
        datasets.open_dataset("coco-20i", folder)
    (tmp_path / "kept.png").rename(file)
    listed = {number: layouts.coco_names(number) for number in range(80) if number != 8}
    layouts.store(folder / "splits/val/fold0.pkl", listed | {4: ["val2014/a.jpg"] * 2})
    with pytest.raises(InputError, match="fewer than two pictures: 4, 8"):
        datasets.open_dataset("coco-20i", folder)
    assert len(datasets.open_dataset("coco-20i", folder, folds=[1], episodes=9).subjects) == 9


def test_coloured_labels(tmp_path):
    folder = layouts.coco(tmp_path)
    for file in (folder / "annotations/val2014").iterdir():
        Image.open(file).convert("RGB").save(file)
    with pytest.raises(InputError, match="type RGB; label numbers are 8-bit"):
        datasets.open_dataset("coco-20i", folder, episodes=1).subjects[0].reference.read()
