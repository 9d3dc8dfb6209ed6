"""Episodes from pictures to scores, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import answers
import layouts
import numpy as np
import pytest
from answers import SIZE, Counting, Stand, box, learn
from PIL import Image

import persam
from persam.errors import InputError
from persam.evaluation import benchmark, datasets
from persam.evaluation.datasets import Dataset, Photo, Subject, Values
from persam.evaluation.predictions import Predictions
from persam.variants import Variant


@pytest.fixture
def episodes(tmp_path) -> Dataset:
    """Two folds: a class of two episodes and one of one, then a class of its own."""
    answers.write(tmp_path, "bee", "00", truth=box(0, 0, 20), answer=box(0, 0, 20))
    answers.write(tmp_path, "bee", "01", truth=box(0, 0, 20), answer=box(0, 0, 20))
    answers.write(tmp_path, "bee", "02", truth=box(0, 0, 40), answer=box(20, 20, 20))
    answers.write(tmp_path, "fly", "00", truth=box(0, 0, 20), answer=box(0, 0, 20))
    answers.write(tmp_path, "fly", "01", truth=box(0, 0, 20), answer=box(0, 20, 20))
    folders = [tmp_path / "data" / part for part in ("Images", "Annotations")]

    def photo(name: str, stem: str) -> Photo:
        return Photo(stem, *(folder / name / f"{stem}.png" for folder in folders))

    def episode(number: int, name: str, target: str, fold: str) -> Subject:
        pair = photo(name, "00"), (photo(name, target),)
        return Subject(f"{fold}-{number:04d}_{name}", *pair, group=name, fold=fold)

    subjects = (
        episode(0, "bee", "01", "0"),
        episode(1, "bee", "02", "0"),
        episode(2, "fly", "01", "0"),
        episode(0, "fly", "01", "1"),
    )
    settings = {"folds": ["0", "1"], "seed": 0, "episodes": 4}
    return Dataset("fss-1000", tmp_path, subjects, settings=settings, size=SIZE // 2)


def test_episodes_by_hand(episodes):
    counting = Counting()
    report = benchmark.evaluate(counting, Stand(), episodes)
    # At 20 x 20: bee 100 of 100 and 100 of 400 pixels, fly 0 of 200.
    assert report.objects["0/bee"].iou == pytest.approx(200 / 500)
    assert report.objects["0/bee"].photos == {
        "0-0000_bee/01": 1.0,
        "0-0001_bee/02": pytest.approx(1 / 4),
    }
    assert report.objects["0/fly"].iou == report.objects["1/fly"].iou == 0
    assert report.folds == {"0": pytest.approx(0.2), "1": 0.0}
    assert report.miou == pytest.approx(0.1)
    # Fold 0, background: 300 + 0 + 200 of 300 + 300 + 400; foreground: 200 of 700. Fold 1,
    # background: 200 of 400; foreground: none.
    assert report.fb_iou == pytest.approx(((2 / 7 + 0.5) / 2 + 0.5 / 2) / 2)
    assert report.settings["size"] == 20
    assert report.settings["episodes"] == 4
    assert (report.parameters, report.photos) == (5, 4)
    # Methods see the pictures at the protocol's size.
    assert counting.searched == [(20, 20)] * 4


def test_episodes_at_original_size_by_hand(episodes, tmp_path):
    counting = Counting()
    data = replace(episodes, original_size=True)
    report = benchmark.evaluate(counting, Stand(), data, out=tmp_path / "out")
    # Methods see the square all the same; what they find is brought to 40 x 40.
    assert counting.searched == [(SIZE // 2, SIZE // 2)] * 4
    found = np.asarray(Image.open(tmp_path / "out" / "0-0001_bee" / "02.png"))
    assert np.array_equal(found > 0, box(20, 20, 20))
    area = report.objects["0/bee"]
    assert area.iou == pytest.approx((400 + 400) / (400 + 1600))
    assert area.point_hit == 1.0
    assert report.settings["size"] == SIZE // 2
    assert report.settings["original_size"] is True
    with pytest.raises(InputError, match=r"original_size was True, now \(nothing\)"):
        benchmark.evaluate(counting, Stand(), episodes, out=tmp_path / "out")


def test_points_go_with_the_mask_to_the_original_size(episodes, tmp_path):
    data = replace(episodes, original_size=True)
    benchmark.evaluate(Counting(), Stand(), data, out=tmp_path / "out")
    found = Predictions.open(tmp_path / "out", {}).found
    # The answers' first pixels at 20 x 20: (0, 0), (10, 10) and (10, 0).
    assert found["0-0000_bee", "01"].point == (1, 1)
    assert found["0-0001_bee", "02"].point == (21, 21)
    assert found["0-0002_fly", "01"].point == (21, 1)


def test_two_empty_masks_count_alike_everywhere(episodes, tmp_path):
    empty = np.zeros((SIZE, SIZE), dtype=bool)
    answers.write(tmp_path, "fly", "01", truth=empty, answer=empty)
    data = replace(episodes, subjects=tuple(map(coded, episodes.subjects)))
    fly = benchmark.evaluate(learn, Stand(), data).objects["1/fly"]
    # As few-shot scorers have it, I / max(U, 1): such an episode adds nothing.
    assert (fly.iou, fly.biou, fly.biou_pooled, *fly.photos.values()) == (0, 0, 0, 0)


def coded(subject: Subject) -> Subject:
    """The same photos as one-shot sets keep them: their masks may be empty."""
    values = Values(1, 255, indexed=True)
    reference, (target,) = replace(subject.reference, values=values), subject.targets
    return replace(subject, reference=reference, targets=(replace(target, values=values),))


@pytest.mark.parametrize("learner", [persam.personalize, persam.finetune])
def test_episodes_whose_reference_is_all_object_run_through(tmp_path, tiny, learner):
    folder = layouts.fss(tmp_path, classes=("carpet",))
    for number in range(1, 11):
        full = np.full((layouts.HEIGHT, layouts.WIDTH), 255)
        layouts.grey(folder / "data" / "carpet" / f"{number}.png", full)
    data = replace(datasets.open_dataset("fss-1000", folder, episodes=2), size=64)
    for variant in ("default", "official"):
        bound = partial(learner, variant=variant_of(variant, learner))
        assert benchmark.evaluate(bound, tiny("sam"), data).failed == {}


def variant_of(name: str, learner) -> Variant:
    method = "persam-f" if learner is persam.finetune else "persam"
    return replace(Variant.named(name, method), fit="fast")
