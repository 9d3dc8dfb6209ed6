from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from lib import prompted
from lib.prompted import PromptOutcome, PromptReport

from persam import geometry
from persam.errors import InputError
from persam.structures import Embedding, Maps, MaskLogits

SIDE = 8
masks = hnp.arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12)))


def block(rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[rows, columns] = True
    return mask


@dataclass
class Answering:
    """Always answers the same three masks, or the last alone; remembers what it was asked."""

    masks: list[np.ndarray]
    estimates: list[float]
    encoded: int = 0
    recipe: str = "default"

    def __post_init__(self) -> None:
        self.asked: list = []

    def encode(self, image):
        self.encoded += 1
        frame = geometry.fit(*image.shape[:2], SIDE, keep_aspect=False)
        return Embedding(Maps(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)), frame)

    def decode(self, embedding, prompts, *, guidance=None, multimask=True):
        if multimask:
            self.asked.append(prompts)
        logits = np.stack(self.masks).astype(np.float32) * 20 - 10
        which = slice(0, 3) if multimask else slice(2, 3)
        return MaskLogits(logits[which], np.array(self.estimates, dtype=np.float32)[which])


PICTURE = np.zeros((SIDE, SIDE, 3), np.uint8)
TRUTH = block(slice(2, 6), slice(2, 6))


def test_iou_best_and_estimate_by_hand():
    half, none = block(slice(2, 4), slice(2, 6)), block(slice(0, 0), slice(0, 0))
    backbone = Answering([TRUTH, half, none], [0.5, 0.75, 0.25])
    reports = prompted.evaluate_prompts(backbone, [(PICTURE, TRUTH)] * 2)
    assert list(reports) == ["box", "centre"]
    assert (
        reports["box"].answers == (PromptOutcome(single=0.0, iou=0.5, best=1.0, estimate=0.75),) * 2
    )
    assert backbone.encoded == 2  # once a picture, however many ways of asking there are


def test_means_by_hand():
    report = PromptReport((PromptOutcome(0.25, 0.5, 1.0, 0.75), PromptOutcome(0.75, 1.0, 1.0, 0.5)))
    assert report.single == 0.5
    assert report.miou == 0.75
    assert report.best == 1.0
    assert report.estimate_error == 0.375


def test_what_is_asked():
    backbone = Answering([TRUTH] * 3, [0.0, 1.0, 0.0])
    prompted.evaluate_prompts(backbone, [(PICTURE, block(slice(1, 8), slice(3, 6)))])
    box, centre = backbone.asked
    assert box.box == (3, 1, 6, 8)
    assert len(box.points) == 0
    assert centre.box is None
    # Three wide, so two pixels deep in the middle column; the first of the deepest by rows.
    assert (centre.points.tolist(), centre.labels.tolist()) == ([[4, 2]], [1])


@given(masks)
@settings(deadline=None)
def test_the_deepest_point_is_farthest_from_everything_else(mask):
    assume(mask.any())
    x, y = prompted.deepest_point(mask)
    off = np.argwhere(~np.pad(mask, 1)) - 1
    ons = np.argwhere(mask)
    depths = np.linalg.norm(ons[:, None] - off[None], axis=2).min(axis=1)
    assert mask[y, x]
    assert np.linalg.norm(off - (y, x), axis=1).min() == pytest.approx(depths.max())


@pytest.mark.parametrize("family", ["sam", "pocket"])
def test_real_models_answer_picture_by_picture(tiny, random_image, family):
    truth = np.zeros(random_image.shape[:2], dtype=bool)
    truth[5:30, 10:40] = True
    pictures = [(random_image, truth), (random_image[::-1].copy(), truth[::-1].copy())]
    together = prompted.evaluate_prompts(tiny(family), iter(pictures))
    for name, report in together.items():
        alone = [prompted.evaluate_prompts(tiny(family), [one])[name] for one in pictures]
        assert report.answers == tuple(each.answers[0] for each in alone)
        assert all(0 <= answer.iou <= answer.best <= 1 for answer in report.answers)
        assert report.miou == pytest.approx((alone[0].miou + alone[1].miou) / 2)


def test_bad_input():
    backbone, empty = Answering([TRUTH] * 3, [0.0, 1.0, 0.0]), np.zeros((SIDE, SIDE), dtype=bool)
    with pytest.raises(InputError, match="no pictures"):
        prompted.evaluate_prompts(backbone, [])
    for ask in (prompted.box_prompt, prompted.centre_prompt):
        with pytest.raises(InputError, match="empty mask"):
            ask(empty)
    with pytest.raises(InputError, match="different sizes"):
        prompted.evaluate_prompts(backbone, [(PICTURE, TRUTH[:4])])
