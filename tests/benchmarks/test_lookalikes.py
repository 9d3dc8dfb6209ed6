from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from drawings import HEIGHT, WIDTH, write
from lib import lookalikes
from lib.lookalikes import LookalikeReport, MontageOutcome

import persam
from persam.errors import InputError
from persam.evaluation import datasets
from persam.io.images import read_image
from persam.prediction import Prediction


@dataclass(frozen=True)
class Channel:
    """Finds what is bright in one colour channel and dark in the others."""

    channel: int

    def segment(self, image):
        others = np.delete(image, self.channel, axis=2)
        mask = (image[..., self.channel] > 150) & (others < 90).all(axis=2)
        return Prediction(mask, 1.0, None, np.zeros((0, 2)), np.zeros(0))


def learn(backbone, image, *, mask):
    return Channel(int(read_image(image)[read_image(mask)[..., 0] > 0][0].argmax()))


def learn_the_other(backbone, image, *, mask):
    return Channel(1 - learn(backbone, image, mask=mask).channel)  # red for green


def learn_nothing(backbone, image, *, mask):
    return Channel(2)  # no dog is blue


def test_the_right_one(drawn):
    report = lookalikes.evaluate_lookalikes(learn, None, drawn)
    assert report.choices == tuple(
        MontageOutcome(name, stem, other, iou=1.0, lookalike_iou=0.0)
        for name, other in (("dog_1", "dog_2"), ("dog_2", "dog_1"))
        for stem in ("01", "02")
    )
    assert (report.right, report.miou, report.left_out) == (1.0, 1.0, 0)


@pytest.mark.parametrize("wrong", [learn_the_other, learn_nothing])
def test_the_wrong_one_or_none(drawn, wrong):
    report = lookalikes.evaluate_lookalikes(wrong, None, drawn)
    assert (report.right, report.miou, len(report.choices)) == (0.0, 0.0, 4)


def test_shares_by_hand():
    half, other = (
        MontageOutcome("a", "01", "b", 0.5, 0.25),
        MontageOutcome("a", "02", "b", 0.25, 0.75),
    )
    report = LookalikeReport((half, other, other, other), left_out=3)
    assert (report.right, report.miou) == (0.25, 0.3125)


def test_photos_without_room_are_counted(drawn):
    write(drawn, "dog_1/02", np.ones((HEIGHT, WIDTH), dtype=bool), (250, 0, 0))
    report = lookalikes.evaluate_lookalikes(learn, None, drawn)
    assert report.left_out == 1
    assert [(c.name, c.stem) for c in report.choices] == [
        ("dog_1", "01"),
        ("dog_2", "01"),
        ("dog_2", "02"),
    ]


def test_the_next_of_a_kind_goes_round(drawn):
    truth = np.eye(HEIGHT, WIDTH, dtype=bool)
    for number in range(2):
        write(drawn, f"dog_3/{number:02d}", truth, (250, 250, 0))
    data = datasets.perseg(drawn)
    dogs, mug = data.subjects[:3], data.subjects[3]
    assert [lookalikes.next_of_kind(dog, data) for dog in dogs] == [dogs[1], dogs[2], dogs[0]]
    assert lookalikes.next_of_kind(mug, data) is None
    # dog_3 has one target photo only, which serves all photos of dog_2.
    report = lookalikes.evaluate_lookalikes(learn, None, data)
    assert [c.lookalike for c in report.choices if c.name == "dog_2"] == ["dog_3", "dog_3"]


def test_a_real_model(tiny, drawn):
    report = lookalikes.evaluate_lookalikes(persam.personalize, tiny("sam"), drawn)
    assert len(report.choices) == 4
    assert report == lookalikes.evaluate_lookalikes(persam.personalize, tiny("sam"), drawn)


def test_another_object_beside_it(drawn):
    data = datasets.perseg(drawn)
    dog, _, mug = data.subjects
    assert [lookalikes.next_of_other_kind(one, data) for one in data.subjects] == [mug, mug, dog]
    report = lookalikes.evaluate_lookalikes(learn, None, data, beside=lookalikes.next_of_other_kind)
    pairs = {(choice.name, choice.lookalike) for choice in report.choices}
    assert pairs == {("dog_1", "mug_1"), ("dog_2", "mug_1"), ("mug_1", "dog_1")}
    assert report.right == 1.0
    alone = datasets.perseg(drawn, objects=["dog_1", "dog_2"])
    assert lookalikes.next_of_other_kind(alone.subjects[0], alone) is None


def test_the_method_may_be_warned_of_the_other(drawn):
    warnings = []

    def warned(backbone, image, *, mask, negatives):
        (negative,) = negatives
        warnings.append((image.parent.name, negative.image.parent.name, negative.image.stem))
        return learn(backbone, image, mask=mask)

    lookalikes.evaluate_lookalikes(warned, None, drawn, warned=True)
    assert warnings == [("dog_1", "dog_2", "00"), ("dog_2", "dog_1", "00")]


def test_a_rival_is_no_longer_taken_for_the_object(tiny, drawn):
    """Red and green on the same grey: with the green one shown, what is green is not the object."""
    variant = persam.Variant(contrast=1.0, guided_attention=False, semantic_prompt=False)
    dog, other = datasets.perseg(drawn).subjects[:2]
    backbone = tiny("sam")
    negative = persam.Reference(other.reference.image, mask=other.reference.mask)
    image, truth = other.targets[0].read()
    points = []
    for negatives in ([], [negative]):
        concept = persam.personalize(
            backbone,
            dog.reference.image,
            mask=dog.reference.mask,
            negatives=negatives,
            variant=variant,
        )
        prior = concept.locate(backbone.encode(image)).prior
        points.append(prior[truth].mean() - prior[~truth].mean())
    assert points[1] < points[0]


def test_nobody_to_be_taken_for(drawn):
    data = datasets.perseg(drawn, objects=["dog_1", "mug_1"])
    with pytest.raises(InputError, match=r"no picture with a look-alike: of 2 objects, 0 photos"):
        lookalikes.evaluate_lookalikes(learn, None, data)
