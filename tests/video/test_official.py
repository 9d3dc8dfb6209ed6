"""The official video scripts' step, against their formulas written out anew."""

from __future__ import annotations

from dataclasses import replace

import drawn
import numpy as np
import pytest
import torch
import torch.nn.functional as F

import persam
from persam import geometry
from persam.errors import InputError
from persam.metrics import overlap
from persam.structures import Prompts
from persam.video import official
from persam.video.choices import Tracking

HEIGHT, WIDTH = SIZE = (40, 52)
FAULTY_BOXES = Tracking(as_scripts=True, boxes_by_position=True)


def noise(seed: int) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, 256, (*SIZE, 3), dtype=np.uint8)


MASK = np.zeros(SIZE, dtype=bool)
MASK[8:30, 10:34] = True


@pytest.fixture(scope="module")
def sam(tiny):
    return tiny("sam")


@pytest.fixture(scope="module")
def learnt(sam):
    return {
        "persam": official.learn_object(sam, noise(0), MASK, method="persam"),
        "persam-f": official.learn_object(sam, noise(0), MASK, method="persam-f", fit="fast"),
    }


def feature(sam) -> torch.Tensor:
    """Half the mean, half the maximum of the cells that a mask of 215 leaves, of length 1."""
    embedding = sam.encode(noise(0))
    grey = np.repeat((MASK.astype(np.uint8) * 215)[..., None], 3, axis=2)
    square = torch.from_numpy(geometry.letterbox(grey, embedding.frame, sam.mean, sam.std)[:, :1])
    side = embedding.features.shape[-1]
    small = F.interpolate(square, (side, side), mode="bilinear", align_corners=False)[0, 0]
    cells = torch.from_numpy(embedding.features[0])[:, small > 0]
    assert cells.shape[1] > 0
    mixed = cells.max(dim=1).values / 2 + cells.mean(dim=1) / 2
    return mixed / mixed.norm()


def top(embedding, target: torch.Tensor, k: int) -> list[list[int]]:
    """The k most similar pixels, ``[x, y]``."""
    features = torch.from_numpy(embedding.features[0])
    unit = features / features.norm(dim=0, keepdim=True)
    similar = (target @ unit.flatten(1)).reshape(1, *unit.shape[1:])
    finer = F.interpolate(similar[None], scale_factor=4, mode="bilinear")[0]
    flat = torch.from_numpy(geometry.to_original(finer.numpy(), embedding.frame)[0]).flatten()
    return [[i % WIDTH, i // WIDTH] for i in flat.topk(k).indices.tolist()]


def tight(logits: np.ndarray, frame) -> tuple[int, ...]:
    rows, columns = np.nonzero(geometry.to_original(logits[None], frame)[0] > 0)
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


@pytest.mark.parametrize("method", ["persam", "persam-f"])
def test_the_feature_is_the_scripts(sam, learnt, method):
    assert np.allclose(learnt[method].features.target_feature, feature(sam).numpy(), atol=1e-6)


@pytest.mark.parametrize("method", ["persam", "persam-f"])
def test_a_step_equals_the_scripts_written_out(sam, learnt, method):
    concept, embedding = learnt[method], sam.encode(noise(1))
    last = (10, 8, 34, 30)
    k = {"persam": 2, "persam-f": 1}[method]
    box = (0, 0, 44, 40)  # ten pixels more on each side, no further than the frame
    xy = np.array([*top(embedding, feature(sam), k), [21, 19]])
    on = np.ones(len(xy), dtype=np.int64)
    answer = sam.decode(embedding, Prompts(xy, on, box))
    whole = geometry.to_original(answer.logits, embedding.frame)
    if method == "persam":
        chosen = answer.logits[int((whole > 0).sum(axis=(1, 2)).argmax())]
        again = Prompts(xy, on, None, chosen[None])
    else:
        chosen = sum(np.float32(w) * m for w, m in zip(concept.weights, answer.logits, strict=True))
        again = Prompts(xy, on, tight(chosen, embedding.frame), chosen[None])
    second = sam.decode(embedding, again)
    best = second.logits[int(second.iou.argmax())]
    box = tight(best, embedding.frame)
    third = sam.decode(embedding, Prompts(xy, on, box, best[None]))
    found = official.step(official.as_scripts(concept), embedding, last)
    assert found.prompts.points.tolist() == xy.tolist()
    assert found.number == 3
    expected = third.logits[int(third.iou.argmax())]
    assert np.allclose(found.logits[0], expected, atol=1e-5)


def test_the_official_fit_is_eight_hundred_steps_on_the_first_frame(sam, learnt):
    embedding = sam.encode(noise(0))
    xy = np.array([*top(embedding, feature(sam), 1), [21, 19]])
    answer = sam.decode(embedding, Prompts(xy, np.ones(2, dtype=np.int64), (0, 0, 44, 40)))
    maps = torch.from_numpy(geometry.to_original(answer.logits, embedding.frame)).flatten(1)
    truth = torch.from_numpy(MASK).flatten().float()
    free = torch.full((2, 1), 1 / 3, requires_grad=True)
    optimiser = torch.optim.AdamW([free], lr=4e-4, eps=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 800)
    for _ in range(800):
        fused = (torch.cat([1 - free.sum(0, keepdim=True), free]) * maps).sum(0)
        p = fused.sigmoid()
        dice = 1 - (2 * (p * truth).sum() + 1) / (p.sum() + truth.sum() + 1)
        cross = F.binary_cross_entropy_with_logits(fused, truth, reduction="none")
        right = p * truth + (1 - p) * (1 - truth)
        alpha = 0.25 * truth + 0.75 * (1 - truth)
        loss = dice + (alpha * (1 - right) ** 2 * cross).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    fitted = official.learn_object(sam, noise(0), MASK, method="persam-f", fit="official")
    assert fitted.weights[1:] == pytest.approx(free.detach().flatten().tolist(), abs=2e-4)


def test_without_a_last_box_the_similar_pixels_are_asked_alone(sam, learnt):
    embedding = sam.encode(noise(1))
    asked = official.ask(official.as_scripts(learnt["persam"]), embedding, None)
    assert asked.box is None
    assert asked.points.tolist() == top(embedding, feature(sam), 2)


def test_a_fused_mask_that_is_empty_borrows_the_best_masks_box(sam, learnt):
    embedding = sam.encode(noise(1))
    concept = official.as_scripts(learnt["persam-f"])
    asked = official.ask(concept, embedding, (10, 8, 33, 29))
    answer = sam.decode(embedding, asked)
    lowest = float(answer.logits.min())
    assert (answer.logits > 0).any()
    # Weights that add up to nothing give an empty mask whatever the decoder says.
    empty = replace(concept, weights=(0.0, 0.0, 0.0))
    found = official.step(empty, embedding, (10, 8, 33, 29))
    best = answer.logits[answer.best()]
    second = sam.decode(
        embedding,
        Prompts(
            asked.points,
            asked.labels,
            tight(best, embedding.frame),
            np.zeros_like(best)[None],
        ),
    )
    third = second.logits[second.best()]
    final = sam.decode(
        embedding,
        Prompts(asked.points, asked.labels, tight(third, embedding.frame), third[None]),
    )
    assert lowest < 0
    assert np.allclose(found.logits[0], final.logits[final.best()], atol=1e-5)


def test_an_object_without_a_cell_is_refused_where_the_scripts_go_on_with_nan(sam):
    speck = np.zeros(SIZE, dtype=bool)
    speck[0, 0] = True
    with pytest.raises(InputError, match="smaller than a cell"):
        official.learn_object(sam, noise(0), speck)


def test_the_scripts_fault_of_counting_areas_in_eight_bits(sam, learnt):
    """``persam_video.py`` takes the mask of the largest area modulo 256."""
    concept = official.as_scripts(learnt["persam"])
    differing = 0
    for seed in range(8):
        embedding = sam.encode(noise(seed))
        asked = official.ask(concept, embedding, (10, 8, 33, 29))
        answer = sam.decode(embedding, asked)
        whole = geometry.to_original(answer.logits, embedding.frame) > 0
        areas = whole.sum(axis=(1, 2))
        assert official.largest(whole) == areas.argmax()
        assert official.largest(whole, as_uint8=True) == (areas % 256).argmax()
        differing += int(areas.argmax() != (areas % 256).argmax())
    assert differing > 0


def test_the_scripts_fault_reaches_the_answer(sam, learnt):
    clip = [noise(seed) for seed in range(6)]
    first = {"object": MASK}
    faulty = Tracking(as_scripts=True, areas_as_uint8=True)
    right = list(persam.track(learnt["persam"], clip, first=first, variant="official"))
    wrong = list(persam.track(learnt["persam"], clip, first=first, variant=faulty))
    masks = [(a["object"].mask, b["object"].mask) for a, b in zip(right, wrong, strict=True)]
    assert not all(np.array_equal(one, other) for one, other in masks)


def test_the_scripts_fault_of_numbering_boxes_by_position():
    """When object 1 vanishes object 2's box becomes object 1's, and the last is given up."""
    found = {"a": None, "b": (6, 6, 9, 9), "c": (1, 1, 2, 2)}
    assert official.boxes_by_position(found) == {"a": (6, 6, 9, 9), "b": (1, 1, 2, 2)}


def test_the_scripts_fault_gives_one_objects_box_to_another():
    """A twin of the dog never gets a pixel: so the mug's box goes to it, and the mug is lost."""
    pocket = persam.load("pocket", device="cpu")
    clip = drawn.crossing()
    concepts = {
        name: official.learn_object(pocket, clip.frames[0], clip.first[of], fit="fast")
        for name, of in (("dog", "dog"), ("twin", "dog"), ("mug", "mug"))
    }
    frames, truths = clip.frames[:3], [masks["mug"] for masks in clip.masks[:3]]
    right = list(persam.track(concepts, frames, variant="official"))
    wrong = list(persam.track(concepts, frames, variant=FAULTY_BOXES))
    assert not right[0]["twin"].present
    assert right[0]["mug"].present
    assert np.array_equal(right[0]["mug"].mask, wrong[0]["mug"].mask)
    assert all(overlap(a["mug"].mask, t).iou > 0.5 for a, t in zip(right, truths, strict=True))
    assert not any(answer["mug"].present for answer in wrong[1:])
    assert all(answer["mug"].score == 0 for answer in wrong[1:])
    twin = concepts["twin"]
    asked = official.ask(twin, pocket.encode(frames[1]), wrong[0]["mug"].box)
    assert wrong[1]["twin"].points[-1] == pytest.approx(asked.points[-1])
    assert len(right[1]["twin"].points) == 2  # it was never there, so no box has a centre


def test_a_concept_learnt_by_another_recipe_follows_the_scripts_too(sam):
    concept = persam.personalize(sam, noise(0), mask=MASK)
    asked = official.ask(official.as_scripts(concept), sam.encode(noise(1)), None)
    assert asked.labels.tolist() == [1, 1]
