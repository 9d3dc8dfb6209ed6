from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from fractions import Fraction
from itertools import cycle, islice

import drawn
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import persam
from persam import samples
from persam.errors import InputError
from persam.metrics import overlap
from persam.structures import Prompts
from persam.video.choices import Tracking
from persam.video.overlaps import ObjectLogits, resolve_overlaps
from persam.video.structures import VideoFrame, event_of
from persam.video.tracking import make_tracker

SIZE = (40, 52)


def noise(seed: int) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, 256, (*SIZE, 3), dtype=np.uint8)


def square(x0: int, y0: int, side: int = 14) -> np.ndarray:
    mask = np.zeros(SIZE, dtype=bool)
    mask[y0 : y0 + side, x0 : x0 + side] = True
    return mask


MASKS = {"left": square(4, 10), "right": square(30, 12)}


@pytest.fixture(scope="module")
def pocket():
    return persam.load("pocket", device="cpu")


def learn(backbone, image: np.ndarray, masks: dict[str, np.ndarray]) -> dict:
    return {name: persam.personalize(backbone, image, mask=mask) for name, mask in masks.items()}


@pytest.fixture(scope="module")
def two(tiny):
    return learn(tiny("sam"), noise(0), MASKS)


@pytest.fixture(scope="module")
def followed(pocket):
    clip = drawn.crossing()
    concepts = learn(pocket, clip.frames[0], clip.first)
    return clip, list(persam.track(concepts, clip.frames, first=clip.first))


def iou(found: np.ndarray, truth: np.ndarray) -> float:
    return overlap(found, truth).iou


def test_every_family_follows_and_no_pixel_has_two_owners(backbone):
    concepts = learn(backbone, noise(0), MASKS)
    for answer in persam.track(concepts, [noise(0), noise(1), noise(2)], first=MASKS):
        assert list(answer) == ["left", "right"]
        assert not (answer["left"].mask & answer["right"].mask).any()
        for found in answer.values():
            assert found.mask.shape == SIZE
            assert (found.score == 0) or found.present
            assert (found.box is None) != found.present


def test_the_first_frame_is_answered_by_the_masks_that_were_given(two):
    answer = next(persam.track(two, [noise(0)], first=MASKS))
    for name, mask in MASKS.items():
        assert np.array_equal(answer[name].mask, mask)
        assert answer[name].score == 1


def test_one_concept_is_called_object_and_frames_come_in_any_form(two, tmp_path):
    from PIL import Image

    Image.fromarray(noise(1)).save(tmp_path / "1.png")
    frames = [
        VideoFrame(noise(0), 0, 0, Fraction(1, 25), "00000"),
        tmp_path / "1.png",
        Image.fromarray(noise(2)),
    ]
    mixed = list(persam.track(two["left"], frames))
    arrays = list(persam.track(two["left"], [noise(0), noise(1), noise(2)]))
    for one, other in zip(mixed, arrays, strict=True):
        assert list(one) == ["object"]
        assert np.array_equal(one["object"].mask, other["object"].mask)


def test_frames_are_pulled_one_at_a_time(two):
    pulled = []

    def frames() -> Iterator[np.ndarray]:
        for number in range(3):
            pulled.append(number)
            yield noise(number)

    answers = persam.track(two, frames(), first=MASKS)
    assert pulled == []
    for number in range(3):
        next(answers)
        assert pulled == list(range(number + 1))


def test_a_frame_is_encoded_once_for_all_objects(tiny):
    backbone = tiny("sam")
    calls = []
    concepts = learn(backbone, noise(0), MASKS)
    hook = backbone.model.vision_encoder.register_forward_hook(lambda *_: calls.append(1))
    list(persam.track(concepts, [noise(0), noise(1)], first=MASKS))
    hook.remove()
    assert len(calls) == 2


def test_what_is_held_does_not_grow_with_the_clip(two, monkeypatch):
    monkeypatch.setattr("persam.video.feature_memory._STRIDE", 3)
    clip = islice(cycle([noise(0), noise(1)]), 60)
    answers = persam.track(two["left"], clip, first={"object": MASKS["left"]})
    held = []
    tracemalloc.start()
    for number, _ in enumerate(answers, start=1):
        if number in (30, 60):  # the memory has filled by then
            gc.collect()
            tensors = sum(
                x.nbytes for x in gc.get_objects() if type(x) in (torch.Tensor, np.ndarray)
            )
            held.append((tensors, tracemalloc.get_traced_memory()[0]))
    tracemalloc.stop()
    (tensors, arrays), (tensors_after, arrays_after) = held
    assert tensors_after < 1.15 * tensors  # how many entries are spread over time varies a little
    assert arrays_after < arrays + 50_000  # bytes; the masks of 30 frames alone are 62,400


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"concepts": {}}, "nothing to follow"),
        ({"first": {"dog": MASKS["left"]}}, "first= shows dog.*left, right"),
        ({"variant": "fastest"}, "default, official"),
        ({"variant": "memory"}, "SAM 2"),
    ],
)
def test_what_cannot_be_followed_is_said_before_any_frame(two, arguments, message):
    def never() -> Iterator[np.ndarray]:
        raise AssertionError("a frame was pulled")
        yield

    with pytest.raises(InputError, match=message):
        persam.track(arguments.pop("concepts", two), never(), **arguments)


def test_concepts_of_two_models_are_refused(two, tiny):
    other = persam.personalize(tiny("sam2"), noise(0), mask=MASKS["right"])
    with pytest.raises(InputError, match="tiny-sam, tiny-sam2"):
        persam.track({"left": two["left"], "right": other}, [noise(0)])


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ({"left": np.ones((4, 4), dtype=bool)}, "4x4"),
        ({"left": np.zeros(SIZE, dtype=bool)}, "empty"),
        ({"left": square(4, 10), "right": square(10, 10)}, "'left' and 'right' overlap"),
    ],
)
def test_masks_that_do_not_fit_the_first_frame_are_refused(two, first, message):
    with pytest.raises(InputError, match=message):
        next(persam.track(two, [noise(0)], first=first))


def test_a_frame_of_another_size_is_refused(two):
    answers = persam.track(two, [noise(0), noise(1)[:, :-2]])
    next(answers)
    with pytest.raises(InputError, match="frame 0 is 52x40 and frame 1 is 50x40"):
        next(answers)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4))
def test_each_pixel_goes_to_the_highest_logit_above_zero(seed, objects):
    logits = np.random.default_rng(seed).standard_normal((objects, 5, 6), dtype=np.float32)
    found = {str(k): ObjectLogits(plane, 0.5, Prompts()) for k, plane in enumerate(logits)}
    masks = resolve_overlaps(found)
    for k, mask in enumerate(masks.values()):
        others = np.concatenate([np.zeros((1, 5, 6)), logits[:k], logits[k + 1 :]])
        assert np.array_equal(mask, logits[k] > others.max(axis=0))


def test_an_object_that_a_cut_takes_away_is_lost_there(two):
    tracker = make_tracker(two, variant=Tracking(kept=1.0, min_likeness=1.0))
    frames = (noise(0), noise(0) // 9, noise(0) // 9)
    answers = [tracker.step(image, n, MASKS if n == 0 else {}) for n, image in enumerate(frames)]
    assert [one["left"].event for one in answers] == ["marked", "lost", ""]
    assert [one["left"].new_shot for one in answers] == [False, True, False]


@pytest.mark.parametrize(
    ("seen", "before", "now", "event"),
    [
        (False, False, True, ""),  # found for the first time
        (True, True, True, ""),
        (True, True, False, "lost"),
        (True, False, False, ""),
        (True, False, True, "found again"),
    ],
)
def test_what_happens_to_an_object(seen, before, now, event):
    assert event_of(seen=seen, before=before, now=now) == event


def test_no_pixel_that_a_person_has_given_goes_to_another_object():
    mask = np.array([[True, True, False]])
    surest = ObjectLogits(np.full((1, 3), 30.0, dtype=np.float32), 0.9, Prompts())
    masks = resolve_overlaps({"found": surest, "given": ObjectLogits.from_mask(mask)})
    assert np.array_equal(masks["given"], mask)
    assert np.array_equal(masks["found"], ~mask)


@pytest.mark.parametrize(
    "wrong",
    [
        {"last_box": 1},
        {"kept": 1.5},
        {"min_likeness": True},
        {"min_likeness": float("nan")},
        {"areas_as_uint8": True},
        {"boxes_by_position": True},
    ],
)
def test_a_tracking_checks_its_choices(wrong):
    with pytest.raises(InputError):
        Tracking(**wrong)


def test_identities_stay_right_when_two_objects_cross(followed):
    clip, answers = followed
    for answer, masks in zip(answers, clip.masks, strict=True):
        for name, other in (("dog", "mug"), ("mug", "dog")):
            # Where little of it shows its neighbours decide as much as it does.
            if masks[name].sum() > 2000:
                assert iou(answer[name].mask, masks[name]) > 0.5
                assert iou(answer[name].mask, masks[other]) < 0.2


def test_an_object_that_leaves_is_absent_until_it_is_back(followed):
    clip, answers = followed
    away = [number for number, masks in enumerate(clip.masks) if not masks["mug"].any()]
    assert away == [8, 9, 10, 11]
    for number in away:
        assert not answers[number]["mug"].present
        assert answers[number]["mug"].score == 0
        assert answers[number]["dog"].present
    back = answers[away[-1] + 2]["mug"]
    assert iou(back.mask, clip.masks[away[-1] + 2]["mug"]) > 0.8


def test_likeness_is_what_tells_that_an_object_is_away(pocket):
    clip = drawn.crossing()
    mug = persam.personalize(pocket, clip.frames[0], mask=clip.first["mug"])
    away = [clip.frames[number] for number in (0, 8, 9)]
    strict, never = Tracking(min_likeness=0.4), Tracking(min_likeness=0.0, kept=0.0)
    first = {"object": clip.first["mug"]}
    found = [a["object"].present for a in persam.track(mug, away, first=first, variant=strict)]
    assert found == [True, False, False]
    assert all(a["object"].present for a in persam.track(mug, away, first=first, variant=never))


def test_an_object_from_another_photo_is_found_and_followed(pocket):
    photo, mask = samples.files(samples.PICTURES, 0)
    dog = persam.personalize(pocket, photo, mask=mask)
    clip = drawn.crossing()
    answers = persam.track(dog, clip.frames[:5])
    for answer, masks in zip(answers, clip.masks, strict=False):
        assert iou(answer["object"].mask, masks["dog"]) > 0.8


def test_the_last_box_decides_between_two_alike(pocket):
    clip = drawn.crossing()
    width = drawn.WIDTH
    left, right = clip.masks[1]["dog"], clip.masks[16]["dog"]
    pair = clip.frames[16].copy()
    pair[left] = clip.frames[1][left]
    concept = persam.personalize(pocket, pair, mask=right)
    assert np.nonzero(left)[1].max() < width / 2 < np.nonzero(right)[1].max()
    for start, mask in (("left", left), ("right", right)):
        answers = list(persam.track(concept, [pair] * 3, first={"object": mask}))
        assert iou(answers[-1]["object"].mask, mask) > 0.7, start
