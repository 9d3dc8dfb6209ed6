from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lib import presence
from lib.presence import Trial, area_under_roc, calibration_error, false_alarms

import persam
from persam.errors import InputError
from persam.evaluation import datasets
from persam.io.images import read_image
from persam.prediction import Prediction

# Few different values, so that ties are common.
scores = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=12)


@given(scores, scores)
@settings(deadline=None)
def test_the_area_counts_pairs(present, absent):
    pairs = itertools.product(present, absent)
    won = sum(1.0 if there > away else 0.5 if there == away else 0.0 for there, away in pairs)
    assert area_under_roc(present, absent) == pytest.approx(won / len(present) / len(absent))


@given(scores, scores)
@settings(deadline=None)
def test_changing_sides_mirrors_the_area(one, other):
    assert area_under_roc(one, other) == pytest.approx(1 - area_under_roc(other, one))


def test_the_area_by_hand():
    assert area_under_roc([3, 4], [1, 2]) == 1.0
    assert area_under_roc([1, 2], [3, 4]) == 0.0
    assert area_under_roc([1, 3], [2]) == 0.5
    assert area_under_roc([1, 1, 1], [1, 1]) == 0.5
    assert area_under_roc([float("inf"), 0], [0, float("-inf")]) == 0.875


@pytest.mark.parametrize(
    ("present", "absent", "said"),
    [
        ([], [1.0], "0 scores with the object and 1 without"),
        ([1.0], [], "1 scores with the object and 0 without"),
        ([1.0, float("nan")], [1.0], "1 and 0 of them not a number"),
    ],
)
def test_no_area_without_numbers_on_both_sides(present, absent, said):
    with pytest.raises(InputError, match=said):
        area_under_roc(present, absent)


def test_false_alarms_by_hand():
    present = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0]
    absent = [0.95, 0.35, 0.05]
    assert false_alarms(present, absent, recall=0.1) == pytest.approx(1 / 3)
    assert false_alarms(present, absent, recall=0.7) == pytest.approx(2 / 3)  # down to 0.3
    assert false_alarms(present, absent, recall=1.0) == 1.0
    assert false_alarms([0.5], [0.5]) == 1.0  # a tie passes


@given(scores, scores, st.floats(0.05, 1))
@settings(deadline=None)
def test_so_many_do_pass(present, absent, recall):
    alarms = false_alarms(present, absent, recall=recall)
    passing = [least for least in present if np.mean(np.array(present) >= least) >= recall - 1e-9]
    assert alarms == np.mean(np.array(absent) >= max(passing))


def test_the_calibration_error_by_hand():
    # Half of the weight lies at 0.95, of which two thirds are there; the rest at 0.1, none there.
    assert calibration_error([0.95, 0.95], [0.95, 0.1]) == pytest.approx(
        abs(0.75 * 0.95 - 0.5) + 0.25 * 0.1
    )
    assert calibration_error([1.0], [0.0, 0.0]) == 0
    assert calibration_error([0.0], [1.0]) == 1
    # However many absent there are, they weigh as much as the present.
    assert calibration_error([0.5], [0.5] * 9) == pytest.approx(0, abs=1e-12)


@dataclass
class Looking:
    """Gives pictures back as they are, and counts them."""

    encoded: int = 0

    def encode(self, image):
        self.encoded += 1
        return image


@dataclass(frozen=True)
class Colour:
    """Learnt: an object's colour. The score is the share of the picture's pixels that have it."""

    colour: np.ndarray

    def segment_embedding(self, image):
        mask = (image == self.colour).all(axis=2)
        return Prediction(mask, mask.mean(), None, np.zeros((0, 2)), np.zeros(0))


def learn(backbone, image, *, mask):
    return Colour(read_image(image)[read_image(mask)[..., 0] > 0][0])


def test_which_photos_are_looked_into(drawn):
    backbone = Looking()
    report = presence.evaluate_presence(learn, backbone, drawn)
    seen = [(trial.sought, trial.shown, trial.stem) for trial in report.trials]
    names = ["dog_1", "dog_2", "mug_1"]
    own = [(name, name, stem) for name in names for stem in ("01", "02")]
    others = [(sought, shown, "01") for sought in names for shown in names if sought != shown]
    assert sorted(seen) == sorted(own + others)
    assert backbone.encoded == 6  # every target photo once
    kindred = {(t.sought, t.shown) for t in report.trials if t.same_kind and not t.present}
    assert kindred == {("dog_1", "dog_2"), ("dog_2", "dog_1")}
    assert (report.auc, report.auc_same_kind, report.auc_other_kind) == (1.0, 1.0, 1.0)


def test_another_score_turns_the_judgement(drawn):
    report = presence.evaluate_presence(
        learn, Looking(), datasets.perseg(drawn), score=lambda found: -found.score
    )
    assert report.auc == 0.0


def test_the_probability_is_a_score_where_there_is_one(drawn):
    with pytest.raises(InputError, match="no calibration of its own"):
        presence.evaluate_presence(learn, Looking(), drawn, score=presence.probability)
    mask = np.ones((2, 2), dtype=bool)
    nothing = np.zeros((0, 2)), np.zeros(0)
    assert presence.probability(Prediction(mask, 0.9, None, *nothing, presence=0.25)) == 0.25


def test_the_areas_by_hand():
    trials = [
        Trial("dog_1", "dog_1", "01", same_kind=True, score=0.5),
        Trial("dog_1", "dog_2", "01", same_kind=True, score=0.9),
        Trial("dog_1", "mug_1", "01", same_kind=False, score=0.1),
        Trial("dog_1", "mug_2", "01", same_kind=False, score=0.5),
    ]
    report = presence.summarise(trials)
    assert report.auc == 0.5  # lost, won and a tie
    assert report.auc_same_kind == 0.0
    assert report.auc_other_kind == 0.75
    assert presence.summarise(trials[:2]).auc_other_kind is None
    assert presence.summarise([trials[0], trials[2]]).auc_same_kind is None


def test_a_real_model(tiny, drawn):
    report = presence.evaluate_presence(persam.personalize, tiny("sam"), drawn)
    concept = persam.personalize(
        tiny("sam"), drawn / "Images/mug_1/00.png", mask=drawn / "Annotations/mug_1/00.png"
    )
    found = concept.segment(drawn / "Images/dog_2/01.png")
    (trial,) = [t for t in report.trials if (t.sought, t.shown) == ("mug_1", "dog_2")]
    assert trial.score == pytest.approx(found.score)
    assert 0 <= report.auc <= 1


def test_one_object_is_not_enough(drawn):
    with pytest.raises(InputError, match="gives 1 object"):
        presence.evaluate_presence(learn, Looking(), datasets.perseg(drawn, objects=["mug_1"]))
