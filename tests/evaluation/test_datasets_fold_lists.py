"""PASCAL-5i and iSAID-5i on small data sets in their official layouts, and open pixels."""

from __future__ import annotations

from dataclasses import replace

import layouts
import numpy as np
import pytest
from PIL import Image

import persam
from persam.errors import InputError
from persam.evaluation import datasets
from persam.evaluation.benchmark import evaluate, score_only


@pytest.fixture(params=["pascal-5i", "isaid-5i"])
def name(request):
    return request.param


@pytest.fixture
def folder(name, tmp_path):
    return layouts.LAYOUTS[name](tmp_path)


def test_draws_as_the_official_loaders(name, folder):
    count = 40 if name == "pascal-5i" else 15  # lines come again, or each once
    got = datasets.open_dataset(name, folder, folds=[1], episodes=count)
    lines = layouts.fold_list(1)
    np.random.seed(0)
    for place, subject in enumerate(got.subjects):
        query, number = lines[place % len(lines)]
        support = query
        while support == query:
            support = layouts.choose([one for one, of in lines if of == number])
        assert subject.group == f"{number:02d}"
        assert (support, query) == (subject.reference.stem, subject.targets[0].stem)
    assert (len(got.subjects), got.settings["classes"]) == (count, 5)


def test_the_mask_is_the_class_s_number(name, folder):
    for subject in datasets.open_dataset(name, folder, episodes=5).subjects:
        truth, unjudged = subject.reference.annotation()
        assert (truth == subject.reference.read()[1]).all()
        assert truth[2:, int(subject.group)].all()
        assert truth.sum() == layouts.HEIGHT - 2
        assert unjudged[1].all()
        assert unjudged.sum() == truth.shape[1]


def test_lists_that_an_editor_saved_with_a_byte_order_mark(name, folder):
    whole = datasets.open_dataset(name, folder)
    for file in (folder / "splits/val").glob("*.txt"):
        file.write_text("\ufeff" + file.read_text(), encoding="utf-8")
    assert datasets.open_dataset(name, folder) == whole


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2007_000033__06", "the line '2007_000033__06'"),
        ("__01", "the line '__01'"),
        ("2007_000033__one", "invalid literal"),
        ("2007_000033_01", "the line"),
    ],
)
def test_lines_that_are_none(name, folder, line, said):
    file = folder / "splits/val/fold0.txt"
    file.write_text(f"{file.read_text()}{line}\n")
    with pytest.raises(InputError, match=f"{said}.*lines like 2007_000033__01, their classes 1 to"):
        datasets.open_dataset(name, folder)


def test_too_few_pictures_and_too_few_lines(name, folder):
    file = folder / "splits/val/fold0.txt"
    whole = file.read_text().splitlines()
    file.write_text("\n".join([line for line in whole if not line.endswith("04")] + ["a__04"] * 2))
    with pytest.raises(InputError, match="fewer than two pictures: 4"):
        datasets.open_dataset(name, folder)
    file.write_text("\n")
    with pytest.raises(InputError, match="no line"):
        datasets.open_dataset(name, folder)
    assert datasets.open_dataset(name, folder, folds=[1], episodes=3).settings["classes"] == 5


class _Everything:
    """Takes all of a picture for the object."""

    trained_parameters = 0

    def segment(self, image):
        mask = np.ones(persam.io.images.read_image(image).shape[:2], dtype=bool)
        return persam.Prediction(mask, 1.0, None, np.zeros((0, 2), np.int64), np.zeros(0, np.int64))


def test_open_pixels_are_not_judged(name, folder):
    data = replace(datasets.open_dataset(name, folder, folds=[0], episodes=5), original_size=True)
    report = evaluate(lambda *_, **__: _Everything(), persam.load("pocket"), data)
    height, width = (
        layouts.HEIGHT,
        np.asarray(Image.open(data.subjects[0].targets[0].labels)).shape[1],
    )
    judged = (height - 1) * width  # one row is open
    assert report.miou == pytest.approx((height - 2) / judged)
    # Of the background, which is all that is not found, nothing is right.
    assert report.fb_iou == pytest.approx(report.miou / 2)


def test_a_tiny_model_goes_on_and_is_scored_again(name, folder, tmp_path, tiny):
    whole = replace(datasets.open_dataset(name, folder, folds=[0], episodes=4), size=64)
    some = replace(whole, subjects=whole.subjects[:2])
    learnt: list[int] = []

    def method(backbone, image, *, mask):
        learnt.append(1)
        return persam.personalize(backbone, image, mask=mask, variant="official")

    backbone, out = tiny("sam"), tmp_path / "run"
    evaluate(method, backbone, some, out=out)
    report = evaluate(method, backbone, whole, out=out)
    assert (len(learnt), report.photos) == (4, 4)  # the first two not again
    again = score_only(out, whole)
    assert (again.miou, again.fb_iou, again.objects) == (report.miou, report.fb_iou, report.objects)
