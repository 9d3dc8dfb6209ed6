"""Follow objects through a clip: frames in, one answer a frame out, however long the clip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persam.video import official, propagation
from persam.video.choices import Tracking
from persam.video.frames import by_name, first_masks, pictures, shared_backbone
from persam.video.overlaps import ObjectLogits, empty_prediction, predictions
from persam.video.propagation import TrackState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import numpy as np

    from persam.concept import Concept
    from persam.io.images import Source
    from persam.models.base import Backbone
    from persam.prediction import Prediction
    from persam.structures import Embedding
    from persam.video.structures import FrameResult, VideoFrame


def track(
    concepts: Mapping[str, Concept] | Concept,
    frames: Iterable[Source | VideoFrame],
    *,
    first: Mapping[str, Source] | None = None,
    variant: str | Tracking = "default",
) -> Iterator[FrameResult]:
    """Follow objects through a clip.

    Frames are pulled one at a time and the memory in use does not grow with the clip.

    Args:
        concepts: what to follow, by name; a single concept is named ``"object"``. All were learnt
            with one backbone.
        frames: pictures of one size: paths, PIL images, arrays or frames of a clip.
        first: masks of the first frame by object name: they are its answer for these objects.
        variant: ``"default"``, ``"official"`` (the official video scripts), ``"memory"`` (the
            video memory of SAM 2 and EdgeTAM), or a :class:`~persam.video.choices.Tracking`.

    Yields:
        For every frame what was found of every object, by name. Masks of one frame never overlap;
        an object that is not there has an empty mask and a score of 0.

    Raises:
        InputError: no concepts, concepts of several backbones, a name in ``first`` that no concept
            has, no such variant; while frames are pulled: a frame or mask that cannot be read, or
            is of another size.
    """
    named, masks = by_name(concepts), dict(first or {})
    backbone = shared_backbone(named, masks)
    if variant == "memory":
        from persam.video.sam2_tracking import follow

        return follow(named, frames, first=masks)
    choices = variant if isinstance(variant, Tracking) else Tracking.named(variant)
    return _follow(backbone, named, frames, masks, choices)


def _follow(
    backbone: Backbone,
    named: Mapping[str, Concept],
    frames: Iterable[Source | VideoFrame],
    first: Mapping[str, Source],
    choices: Tracking,
) -> Iterator[FrameResult]:
    concepts = {
        name: official.as_scripts(concept) if choices.as_scripts else concept
        for name, concept in named.items()
    }
    states = dict.fromkeys(concepts, TrackState())
    for number, image in enumerate(pictures(frames)):
        given = first_masks(first, image.shape[:2]) if number == 0 else {}
        embedding = backbone.encode(image)
        if not choices.as_scripts:
            concepts = _adapted(concepts, embedding, given)
        found = {
            name: ObjectLogits.from_mask(given[name])
            if name in given
            else _find(concepts[name], embedding, state, choices)
            for name, state in states.items()
        }
        answer = predictions(found)
        states = _after(states, found, answer, choices)
        yield {name: answer.get(name) or empty_prediction(*image.shape[:2]) for name in named}


def _after(
    states: Mapping[str, TrackState],
    found: Mapping[str, ObjectLogits],
    answer: Mapping[str, Prediction],
    choices: Tracking,
) -> dict[str, TrackState]:
    """The states before the next frame; objects that are missing in it were given up."""
    boxes = {name: prediction.box for name, prediction in answer.items()}
    if choices.boxes_by_position:
        return {name: TrackState(box) for name, box in official.boxes_by_position(boxes).items()}
    return {name: state.after(found[name], boxes[name]) for name, state in states.items()}


def _adapted(
    concepts: Mapping[str, Concept], embedding: Embedding, given: Mapping[str, np.ndarray]
) -> dict[str, Concept]:
    """The concepts with the cells of what the first frame shows of them."""
    return {
        name: propagation.adapted(concept, embedding, given[name]) if name in given else concept
        for name, concept in concepts.items()
    }


def _find(
    concept: Concept, embedding: Embedding, state: TrackState, choices: Tracking
) -> ObjectLogits:
    if not choices.as_scripts:
        return propagation.find(concept, embedding, state, choices)
    step = official.step(concept, embedding, state.box, areas_as_uint8=choices.areas_as_uint8)
    return ObjectLogits.from_step(step, embedding)
