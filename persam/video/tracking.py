"""Follow objects through a clip: frames in, one answer a frame out, however long the clip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persam.video import official, propagation
from persam.video.choices import Tracking
from persam.video.frames import by_name, first_masks, pictures, shared_backbone
from persam.video.merging import Look, nothing, predictions
from persam.video.propagation import Trail

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import numpy as np

    from persam.concept import Concept
    from persam.io.images import Source
    from persam.models.base import Backbone
    from persam.structures import Embedding, Prediction
    from persam.video.structures import Answer, VideoFrame


def track(
    concepts: Mapping[str, Concept] | Concept,
    frames: Iterable[Source | VideoFrame],
    *,
    first: Mapping[str, Source] | None = None,
    variant: str | Tracking = "default",
) -> Iterator[Answer]:
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
    named, shown = by_name(concepts), dict(first or {})
    backbone = shared_backbone(named, shown)
    if variant == "memory":
        from persam.video.memory import follow

        return follow(named, frames, first=shown)
    choices = variant if isinstance(variant, Tracking) else Tracking.named(variant)
    return _follow(backbone, named, frames, shown, choices)


def _follow(
    backbone: Backbone,
    named: Mapping[str, Concept],
    frames: Iterable[Source | VideoFrame],
    shown: Mapping[str, Source],
    choices: Tracking,
) -> Iterator[Answer]:
    known = {
        name: official.as_scripts(concept) if choices.as_scripts else concept
        for name, concept in named.items()
    }
    trails = dict.fromkeys(known, Trail())
    for number, image in enumerate(pictures(frames)):
        given = first_masks(shown, image.shape[:2]) if number == 0 else {}
        embedding = backbone.encode(image)
        if not choices.as_scripts:
            known = _acquaint(known, embedding, given)
        looks = {
            name: Look.given(given[name], embedding)
            if name in given
            else _look(known[name], embedding, trail, choices)
            for name, trail in trails.items()
        }
        answer = predictions(looks)
        trails = _after(trails, looks, answer, choices)
        yield {name: answer.get(name) or nothing(*image.shape[:2]) for name in named}


def _after(
    trails: Mapping[str, Trail],
    looks: Mapping[str, Look],
    answer: Mapping[str, Prediction],
    choices: Tracking,
) -> dict[str, Trail]:
    """What is known before the next frame; objects that are missing in it were given up."""
    boxes = {name: prediction.box for name, prediction in answer.items()}
    if choices.boxes_by_position:
        return {name: Trail(box) for name, box in official.boxes_by_position(boxes).items()}
    return {name: trail.after(looks[name], boxes[name]) for name, trail in trails.items()}


def _acquaint(
    known: Mapping[str, Concept], embedding: Embedding, given: Mapping[str, np.ndarray]
) -> dict[str, Concept]:
    """The concepts with the cells of what the first frame shows of them."""
    return {
        name: propagation.acquainted(concept, embedding, given[name]) if name in given else concept
        for name, concept in known.items()
    }


def _look(concept: Concept, embedding: Embedding, trail: Trail, choices: Tracking) -> Look:
    if not choices.as_scripts:
        return propagation.look(concept, embedding, trail, choices)
    step = official.step(concept, embedding, trail.box, areas_as_uint8=choices.areas_as_uint8)
    return Look.of(step, embedding)
