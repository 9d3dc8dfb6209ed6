"""The video memory against transformers' own video models, and what it holds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tiny
import tiny_video
import torch
import transformers

from persam import load
from persam.errors import InputError
from persam.models.memory_choice import MemoryChoice
from persam.models.prompting import preprocess
from persam.models.sam2_video import Followed, ObjectMemory, VideoMemory
from persam.models.video_memory import video_memory
from persam.models.wrapped_backbone import WrappedBackbone
from persam.structures import ModelSpec

if TYPE_CHECKING:
    from pathlib import Path

    from persam.models.sam2 import Sam2Backbone

FRAMES = tiny_video.clip(9)
MASK = tiny_video.block()


@pytest.fixture(scope="module", params=tiny_video.FAMILIES)
def backbone(request, tmp_path_factory) -> Sam2Backbone:
    folder = tmp_path_factory.mktemp(request.param)
    return tiny_video.backbone(request.param, tiny_video.save(request.param, folder))


@pytest.fixture(scope="module")
def memory(backbone) -> VideoMemory:
    return video_memory(backbone)


def run(memory: VideoMemory, backbone: Sam2Backbone, frames: list[np.ndarray]) -> list[Followed]:
    """Seed with the first frame and follow through the others."""
    one = memory.remember()
    one.seed(0, backbone.encode(frames[0]), MASK)
    return [one.follow(t, backbone.encode(frames[t])) for t in range(1, len(frames))]


def theirs(backbone: Sam2Backbone, frames: list[np.ndarray], seeds: tuple[int, ...] = (0,)) -> Any:
    """Let transformers' own model follow a streamed clip from pixels; all memories are kept."""
    name = type(backbone.model).__name__.replace("Model", "VideoModel")
    model = getattr(transformers, name).from_pretrained(backbone.name).eval()
    session = transformers.Sam2VideoInferenceSession(dtype=torch.float32)
    for number, frame in enumerate(frames):
        if number in seeds:
            show(session, number, backbone.square)
        yield model(session, frame=torch.from_numpy(preprocess(frame, backbone).pixels[0]))


def show(session: Any, number: int, square: int) -> None:
    """Add the mask by the family's own processor, of which it reads the side alone."""
    processor: Any = SimpleNamespace(target_size=square)
    add = transformers.Sam2VideoProcessor.process_new_mask_for_video_frame
    add(processor, session, number, [1], MASK)


def same(mine: Followed, other: Any) -> bool:
    presence = torch.tensor(mine.presence)
    logits = torch.from_numpy(mine.logits)
    return torch.allclose(logits, other.pred_masks[0, 0], rtol=1e-5, atol=1e-3) and bool(
        (presence - other.object_score_logits).abs() < 1e-4
    )


def held(session: Any) -> tuple[int, int]:
    """Count the tensors that a session holds, and their numbers, wherever they are."""
    tensors, open_ends = [], [vars(session), vars(session.cache)]
    while open_ends:
        value = open_ends.pop()
        if isinstance(value, torch.Tensor):
            tensors.append(value)
        elif isinstance(value, dict):
            open_ends += [*value.values(), torch.zeros(len(value))]  # an empty entry counts, too
        elif isinstance(value, list | tuple):
            open_ends += [*value, torch.zeros(len(value))]
    return len(tensors), sum(tensor.numel() for tensor in tensors)


def test_a_clip_is_followed_as_transformers_streams_it(backbone, memory):
    mine, other = run(memory, backbone, FRAMES), list(theirs(backbone, FRAMES))[1:]
    assert all(same(one, two) for one, two in zip(mine, other, strict=True))
    assert {one.present for one in mine} == {True, False}, "the clip has to show both"
    assert all(one.present == bool((one.logits > -1000).any()) for one in mine)


def test_a_clip_is_followed_as_transformers_propagates_it(backbone, memory):
    pixels = torch.cat(
        [torch.from_numpy(preprocess(frame, backbone).pixels[0]) for frame in FRAMES]
    )
    session = transformers.Sam2VideoInferenceSession(video=pixels, dtype=torch.float32)
    show(session, 0, backbone.square)
    memory.model(session, frame_idx=0)
    other = list(memory.model.propagate_in_video_iterator(session))[1:]
    mine = run(memory, backbone, FRAMES)
    assert all(same(one, two) for one, two in zip(mine, other, strict=True))


def test_a_mask_in_a_later_frame_counts_as_shown_even_where_it_was_followed(backbone, memory):
    one = memory.remember()
    one.seed(0, backbone.encode(FRAMES[0]), MASK)
    mine = []
    for number in range(1, 7):
        embedding = backbone.encode(FRAMES[number])
        mine.append(one.follow(number, embedding))
        if number == 4:
            one.seed(number, embedding, MASK)
    other = list(theirs(backbone, FRAMES[:7], seeds=(0, 4)))[1:]
    assert all(same(mine[i], other[i]) for i in (0, 1, 2, 4, 5))
    unshown = run(memory, backbone, FRAMES[:7])
    assert abs(mine[4].presence - unshown[4].presence) > 1e-2


def test_what_is_remembered_does_not_grow_with_the_clip(backbone, memory):
    one = memory.remember()
    embeddings = [backbone.encode(frame) for frame in FRAMES[:3]]
    one.seed(0, embeddings[0], MASK)
    counts = {}
    for number in range(1, 41):
        one.follow(number, embeddings[number % 3])
        counts[number] = held(one.session)
    assert counts[tiny_video.POINTERS] == counts[40]
    assert counts[1] < counts[tiny_video.POINTERS]


def test_the_first_and_the_latest_shown_masks_are_kept(backbone, memory):
    one = memory.remember(seeds=3)
    embedding = backbone.encode(FRAMES[0])
    counts = []
    for number in range(6):
        one.seed(number, embedding, MASK)
        counts.append(held(one.session))
    assert sorted(one.session.output_dict_per_obj[0]["cond_frame_outputs"]) == [0, 4, 5]
    assert counts[2] == counts[5]


def test_a_mask_thinner_than_the_models_pixels_says_that_nothing_is_there(backbone, memory):
    large = FRAMES[0].repeat(8, axis=0).repeat(8, axis=1)
    speck = np.zeros(large.shape[:2], dtype=bool)
    speck[100, 100] = True
    one = memory.remember()
    one.seed(0, backbone.encode(large), speck)
    seed = one.session.output_dict_per_obj[0]["cond_frame_outputs"][0]
    assert float(seed["object_score_logits"]) < 0


def test_weights_are_held_once_and_switches_are_each_models_own(backbone, memory):
    video, picture = memory.model.state_dict(), backbone.model.state_dict()
    assert set(picture) < set(video)
    assert all(video[name].data_ptr() == tensor.data_ptr() for name, tensor in picture.items())
    assert not any(parameter.requires_grad for parameter in memory.model.parameters())
    assert memory.model.mask_decoder.dynamic_multimask_via_stability
    assert not backbone.model.mask_decoder.dynamic_multimask_via_stability


def test_a_wrapped_backbone_has_the_memory_of_the_one_inside(backbone):
    video = video_memory(WrappedBackbone(backbone, ModelSpec("wrapped"))).model
    assert video.no_memory_embedding.data_ptr() == backbone.model.no_memory_embedding.data_ptr()


def test_nothing_can_be_followed_before_it_was_shown(backbone, memory):
    one = memory.remember()
    assert isinstance(one, ObjectMemory) and not one.seeded
    with pytest.raises(InputError, match="seed the memory with a mask first"):
        one.follow(0, backbone.encode(FRAMES[0]))


@pytest.mark.parametrize("family", ["sam", "sam3", "pocket"])
def test_other_families_have_no_video_memory(family):
    with pytest.raises(InputError, match=f"tiny-{family} has no video memory.*SAM 2 and EdgeTAM"):
        video_memory(tiny.build(family))


def test_a_model_that_came_from_no_folder_has_no_memory():
    with pytest.raises(InputError, match="tiny-sam2 was not loaded from a folder"):
        video_memory(tiny.build("sam2"))


def test_a_picture_models_folder_has_no_memory(tmp_path: Path):
    tiny.build("sam2").model.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"does not load.*'sam2'.*Published checkpoints"):
        video_memory(load(tmp_path, device="cpu"))


def test_a_folder_without_the_memorys_tensors_is_refused_by_their_names(tmp_path: Path):
    video = tiny_video.build("sam2")
    kept = {n: t for n, t in video.state_dict().items() if not n.startswith("memory_encoder")}
    video.save_pretrained(tmp_path, state_dict=kept)
    with pytest.raises(InputError, match=r"lacks \d+ tensors of Sam2VideoModel.*memory_encoder"):
        video_memory(load(tmp_path, device="cpu"))


def test_a_choice_keeps_sure_frames_and_anchors_beside_the_seeds(memory, backbone):
    encoded = [backbone.encode(frame) for frame in FRAMES]

    def kept(choice: MemoryChoice) -> tuple[set[int], set[int]]:
        one = memory.remember(choice=choice)
        one.seed(0, encoded[0], MASK)
        for t in range(1, len(FRAMES)):
            one.follow(t, encoded[t])
        outputs = one.session.output_dict_per_obj[0]
        return set(outputs["cond_frame_outputs"]), set(outputs["non_cond_frame_outputs"])

    assert kept(MemoryChoice(min_score=1e9)) == ({0}, set())
    anything = MemoryChoice(min_score=-1e9, max_change=1e9, max_shared=2.0, gap=2, anchors=2)
    cond, window = kept(anything)
    assert 0 in cond and len(cond) <= 3
    assert not cond & window
