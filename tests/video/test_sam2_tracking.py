"""Search by a concept, following by the model's own memory, and the handing over between them."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tiny
import tiny_video

from persam import geometry
from persam.errors import InputError
from persam.methods.persam import personalize
from persam.models.sam2_video import VideoMemory
from persam.models.video_memory import video_memory
from persam.prediction import Prediction
from persam.video.frames import by_name, first_masks, pictures, shared_backbone
from persam.video.sam2_tracking import Handover, MemoryTracker
from persam.video.tracking import track

if TYPE_CHECKING:
    from collections.abc import Iterator

    from persam.concept import Concept
    from persam.models.sam2 import Sam2Backbone

FRAMES = tiny_video.clip(12)
ELSEWHERE = tiny_video.clip(1, seed=9)[0]  # the reference photo
LEFT, RIGHT = tiny_video.block(2, 5, 22, 30), tiny_video.block(28, 12, 50, 38)
# A random model's own scores say nothing, so every search counts but where a test says otherwise.
EAGER = Handover(min_score=0.0, patience=0)
NEVER = Handover(min_score=1.1)


def follow(concepts: Any, frames: Any, *, first: Any = None, **parts: Any) -> Iterator[Any]:
    """Every frame's answer by a tracker with a handover and a memory of the test's choice."""
    named, first = by_name(concepts), first or {}
    tracker = MemoryTracker(shared_backbone(named, first), named, **parts)

    def answers() -> Iterator[Any]:
        for number, image in enumerate(pictures(frames)):
            yield tracker.step(
                image, number, first_masks(first, image.shape[:2]) if number == 0 else {}
            )

    return answers()


@pytest.fixture(scope="module", params=tiny_video.FAMILIES)
def backbone(request, tmp_path_factory) -> Sam2Backbone:
    folder = tmp_path_factory.mktemp(request.param)
    return tiny_video.backbone(request.param, tiny_video.save(request.param, folder))


@pytest.fixture(scope="module")
def memory(backbone) -> VideoMemory:
    return video_memory(backbone)


@pytest.fixture(scope="module")
def dog(backbone) -> Concept:
    return personalize(backbone, ELSEWHERE, mask=LEFT)


@pytest.fixture(scope="module")
def cat(backbone) -> Concept:
    return personalize(backbone, ELSEWHERE, mask=RIGHT)


@pytest.fixture
def say(backbone) -> Iterator[Any]:
    """Make the model believe in its masks, or in the object's presence, by its heads' last bias.

    The video model shares these tensors, as the other tests show.
    """
    decoder = backbone.model.mask_decoder
    heads = {"score": decoder.iou_prediction_head, "presence": decoder.pred_obj_score_head}
    before = {name: head.proj_out.bias.clone() for name, head in heads.items()}

    def change(**beliefs: bool) -> None:
        for name, belief in beliefs.items():
            heads[name].proj_out.bias.fill_(200.0 if belief else -200.0)

    yield change
    for name, head in heads.items():
        head.proj_out.bias.copy_(before[name])


def alone(memory: VideoMemory, backbone: Sam2Backbone, mask: np.ndarray) -> list[np.ndarray]:
    """Follow one object without any other; its logits in the pictures' pixels from frame 1 on."""
    one, size = memory.remember(), mask.shape
    one.seed(0, backbone.encode(FRAMES[0]), mask)
    found = [one.follow(t, backbone.encode(FRAMES[t])) for t in range(1, len(FRAMES))]
    return [geometry.bilinear(each.logits[None], size)[0] for each in found]


def searched(prediction: Prediction) -> bool:
    """Tell whether the concept made this mask: it alone prompts with points."""
    return prediction.present and len(prediction.points) > 0


def followed(prediction: Prediction) -> bool:
    return prediction.present and len(prediction.points) == 0


def test_an_object_of_another_picture_is_found_then_followed_by_the_memory(
    backbone, memory, dog, say
):
    say(score=True, presence=True)
    answers = [a["object"] for a in follow(dog, FRAMES[:4], memory=memory)]
    assert np.array_equal(answers[0].mask, dog.segment(FRAMES[0]).mask)
    assert searched(answers[0]) and all(followed(one) for one in answers[1:])
    expected = alone(memory, backbone, answers[0].mask)
    for answer, logits in zip(answers[1:], expected, strict=False):
        assert np.array_equal(answer.mask, logits > 0)
        assert answer.score == pytest.approx(1.0)


def test_what_the_concept_is_not_sure_of_is_not_followed(memory, dog, say):
    say(score=False, presence=True)
    answers = follow(dog, FRAMES, memory=memory)
    first = [next(answers)["object"] for _ in range(2)]
    assert not any(one.present for one in first)
    assert [(one.score, one.box) for one in first] == [(0.0, None)] * 2
    say(score=True)
    assert searched(next(answers)["object"])
    assert followed(next(answers)["object"])


def test_a_lost_object_is_searched_after_the_patience_and_followed_again(memory, dog, say):
    say(score=True, presence=True)
    answers = follow(dog, FRAMES, memory=memory, handover=Handover(patience=2))
    assert searched(next(answers)["object"]) and followed(next(answers)["object"])
    say(presence=False)
    waiting = [next(answers)["object"] for _ in range(2)]
    assert not any(one.present for one in waiting), "the memory gets its chance first"
    say(score=False)
    assert not next(answers)["object"].present, "searched, and nothing convincing found"
    say(score=True)
    assert searched(next(answers)["object"])
    assert not next(answers)["object"].present, "the patience begins anew"
    say(presence=True)
    assert followed(next(answers)["object"])


def test_an_object_that_the_memory_finds_again_by_itself_needs_no_search(memory, dog, say):
    say(score=True, presence=True)
    answers = follow(dog, FRAMES, memory=memory, handover=Handover(patience=2))
    assert next(answers)["object"].event == ""  # found for the first time
    events = []
    for present in (True, False, False, True, False, False, True):
        say(presence=present)
        answer = next(answers)["object"]
        assert answer.present == present and not searched(answer)
        events.append(answer.event)
    assert events == ["", "lost", "", "found again", "lost", "", "found again"]


def test_what_is_found_again_changes_what_the_memory_follows(memory, dog, say):
    def last(reseeded: bool) -> float:
        say(score=True, presence=True)
        handover = Handover(patience=0 if reseeded else 9)
        answers = follow(dog, FRAMES, memory=memory, handover=handover)
        next(answers)
        say(presence=False)
        assert searched(next(answers)["object"]) == reseeded
        say(presence=True)
        return float(next(answers)["object"].mask.sum())

    assert last(reseeded=True) != last(reseeded=False)


def test_masks_of_the_first_frame_are_its_answer_and_objects_keep_their_names(
    backbone, memory, dog, cat
):
    first = {"cat": RIGHT, "dog": LEFT}
    answers = list(
        follow({"dog": dog, "cat": cat}, FRAMES, first=first, memory=memory, handover=NEVER)
    )
    assert all(np.array_equal(answers[0][name].mask, mask) for name, mask in first.items())
    assert [answers[0][name].score for name in ("dog", "cat")] == [1.0, 1.0]
    expected = {name: alone(memory, backbone, mask) for name, mask in first.items()}
    for number, answer in enumerate(answers[1:]):
        dogs, cats = expected["dog"][number], expected["cat"][number]
        assert np.array_equal(answer["dog"].mask, (dogs > 0) & (dogs >= cats))
        assert np.array_equal(answer["cat"].mask, (cats > 0) & (cats > dogs))
    present = {(answer["dog"].present, answer["cat"].present) for answer in answers[1:]}
    assert {(True, True), (False, False)} <= present, "they have to compete, and come and go"


def test_masks_of_one_frame_never_overlap_however_they_came_about(memory, dog, cat):
    (view,) = dog.references
    other = replace(dog, references=(replace(view, target_feature=-view.target_feature),))
    concepts = {"dog": dog, "cat": cat, "other": other}
    kinds = set()
    for answer in follow(concepts, FRAMES, first={"cat": RIGHT}, memory=memory, handover=EAGER):
        assert list(answer) == list(concepts)
        for one, two in combinations(answer.values(), 2):
            assert not (one.mask & two.mask).any()
        kinds |= {("searched" if searched(p) else "followed") for p in answer.values() if p.present}
    assert kinds == {"searched", "followed"}


def test_a_find_on_another_object_is_that_object(memory, dog, say):
    say(score=True, presence=True)
    found = dog.segment(FRAMES[0]).mask
    half = found & (np.cumsum(found).reshape(found.shape) <= found.sum() / 2)
    twins = {"dog": dog, "twin": dog}

    def twin(shown: np.ndarray, max_overlap: float) -> np.ndarray:
        handover = Handover(max_overlap=max_overlap)
        clip = follow(twins, FRAMES, first={"dog": shown}, memory=memory, handover=handover)
        return next(clip)["twin"].mask

    assert not twin(found, 1.0).any()
    assert not twin(half, 0.4).any()
    assert np.array_equal(twin(half, 0.6), found & ~half)


def test_the_surer_of_two_finds_of_one_place_keeps_it(memory, dog):
    surer = replace(dog, method="persam-f", weights=(0.0, 0.0, 1.0))
    alone = {"dog": dog.segment(FRAMES[0]), "surer": surer.segment(FRAMES[0])}
    order = sorted(alone, key=lambda name: -alone[name].score)
    assert alone[order[0]].score > alone[order[1]].score
    assert (alone["dog"].mask & alone["surer"].mask).any()
    for names in (("dog", "surer"), ("surer", "dog")):
        concepts = {name: {"dog": dog, "surer": surer}[name] for name in names}
        answer = next(follow(concepts, FRAMES, memory=memory, handover=EAGER))
        assert np.array_equal(answer[order[0]].mask, alone[order[0]].mask)


def test_each_frame_is_pulled_when_asked_for_and_encoded_once(backbone, memory, dog, cat, say):
    encoded, pulled = [], []
    encoders = (backbone.model.vision_encoder, memory.model.vision_encoder)
    hooks = [e.register_forward_hook(lambda *_: encoded.append(1)) for e in encoders]
    clip = (pulled.append(1) or frame for frame in FRAMES)
    say(score=True, presence=True)
    answers = follow({"dog": dog, "cat": cat}, clip, memory=memory, handover=EAGER)
    assert (len(pulled), len(encoded)) == (0, 0)
    for number, present in enumerate((True, True, False, True), start=1):
        say(presence=present)  # search alone, following alone, both, and following again
        next(answers)
        assert (len(pulled), len(encoded)) == (number, number)
    for hook in hooks:
        hook.remove()


def test_likeness_counts_where_there_is_one():
    found = Prediction(LEFT, 0.9, None, np.zeros((0, 2)), np.zeros(0), likeness=0.5)
    assert Handover().convincing(found)
    assert Handover().convincing(replace(found, likeness=None))
    assert not Handover().convincing(replace(found, likeness=0.2))
    assert not Handover().convincing(replace(found, score=0.4))
    assert not Handover().convincing(replace(found, mask=np.zeros_like(LEFT)))


def test_track_hands_its_clip_to_the_memory(memory, dog):
    first = {"object": LEFT}
    one = list(track(dog, FRAMES[:4], first=first, variant="memory"))
    two = list(follow(dog, FRAMES[:4], first=first, memory=memory))
    for mine, other in zip(one, two, strict=True):
        assert np.array_equal(mine["object"].mask, other["object"].mask)


def test_frames_of_another_size_are_refused(memory, dog):
    answers = follow(dog, [FRAMES[0], FRAMES[1][:, :-2]], memory=memory)
    next(answers)
    with pytest.raises(InputError, match="frame 0 is 52x40 and frame 1 is 50x40"):
        next(answers)


def test_names_and_models_have_to_fit(backbone, dog, cat):
    with pytest.raises(InputError, match="shows cow, but the concepts are dog, cat"):
        follow({"dog": dog, "cat": cat}, FRAMES, first={"cow": LEFT})
    with pytest.raises(InputError, match="give at least one concept"):
        follow({}, FRAMES)
    sam = personalize(tiny.build("sam"), ELSEWHERE, mask=LEFT)
    with pytest.raises(InputError, match="these have 2"):
        follow({"dog": dog, "sam": sam}, FRAMES)
    with pytest.raises(InputError, match=r"tiny-sam has no video memory.*SAM 2 and EdgeTAM"):
        follow(sam, FRAMES)


@pytest.mark.parametrize("wrong", [{"patience": -1}, {"seeds": 1}, {"max_overlap": 1.5}])
def test_thresholds_that_make_no_sense_are_refused(wrong):
    with pytest.raises(InputError, match="patience of at least 0 frames, at least 2 seeds"):
        Handover(**wrong)
