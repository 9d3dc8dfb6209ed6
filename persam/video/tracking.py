"""Follow objects through a clip: frames in, one answer a frame out, however long the clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from persam import geometry, refine
from persam.concept import Concept
from persam.errors import InputError
from persam.prompts import mask_box
from persam.structures import Box, Prediction, Prompts
from persam.video import official
from persam.video.choices import Tracking
from persam.video.frames import first_masks, pictures

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from persam.images import Source
    from persam.structures import Embedding
    from persam.video.structures import Answer, VideoFrame

_BELIEVED = 10.0  # logit of a pixel that a given mask says is object


@dataclass(frozen=True, eq=False)
class Look:
    """What was found of one object in one frame, before the objects are told apart.

    Attributes:
        logits: ``(height, width)``; above 0 is object.
        score: the model's estimate of the mask's IoU.
        prompts: what the decoder was asked first.
        likeness: see :class:`~persam.structures.Prediction`.
    """

    logits: torch.Tensor
    score: float
    prompts: Prompts
    likeness: float | None = None


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
    named = {"object": concepts} if isinstance(concepts, Concept) else dict(concepts)
    shown = dict(first or {})
    _check(named, shown)
    if variant == "memory":
        from persam.video.memory import follow

        return follow(named, frames, first=shown)
    choices = variant if isinstance(variant, Tracking) else Tracking.named(variant)
    return _follow(named, frames, shown, choices)


def merge(looks: Mapping[str, Look]) -> dict[str, np.ndarray]:
    """Give every pixel to the object with the highest logit, or to none where all are below 0.

    Returns:
        ``(height, width)`` bool by object name.
    """
    logits = torch.stack([look.logits for look in looks.values()])
    best, owner = logits.max(dim=0)
    return {
        name: ((owner == number) & (best > 0)).cpu().numpy() for number, name in enumerate(looks)
    }


def _check(named: Mapping[str, Concept], shown: Mapping[str, Source]) -> None:
    if not named:
        raise InputError("There is nothing to follow: give at least one concept.")
    strange = sorted(set(shown) - set(named))
    if strange:
        raise InputError(
            f"first= shows {', '.join(strange)}, but the concepts are {', '.join(named)}. Learn a "
            f"concept of that name, or leave the mask out."
        )
    backbones = {id(concept.backbone): concept.backbone.name for concept in named.values()}
    if len(backbones) > 1:
        raise InputError(
            f"Concepts are followed together with one backbone; these have {len(backbones)}: "
            f"{', '.join(backbones.values())}. Load the model once and learn them all with it."
        )


def _follow(
    named: Mapping[str, Concept],
    frames: Iterable[Source | VideoFrame],
    shown: Mapping[str, Source],
    choices: Tracking,
) -> Iterator[Answer]:
    if choices.as_scripts:
        named = {name: official.as_scripts(concept) for name, concept in named.items()}
    backbone = next(iter(named.values())).backbone
    boxes: dict[str, Box | None] = dict.fromkeys(named)
    given = shown
    for image in pictures(frames):
        masks = first_masks(given, image.shape[:2]) if given else {}
        given = {}
        embedding = backbone.encode(image)
        looks = {}
        for name, box in boxes.items():
            if name in masks:
                looks[name] = _given(masks[name], embedding)
            else:
                looks[name] = _look(named[name], embedding, box, choices)
        answer = _answer(looks)
        boxes = official.next_boxes(
            boxes,
            {name: found.mask for name, found in answer.items()},
            by_position=choices.boxes_by_position,
        )
        yield {name: answer.get(name) or _nothing(image) for name in named}


def _given(mask: np.ndarray, embedding: Embedding) -> Look:
    sign = torch.from_numpy(mask).to(embedding.features.device).float() * 2 - 1
    return Look(sign * _BELIEVED, 1.0, Prompts())


def _look(concept: Concept, embedding: Embedding, box: Box | None, choices: Tracking) -> Look:
    if choices.as_scripts:
        step = official.step(concept, embedding, box, areas_as_uint8=choices.areas_as_uint8)
        logits = geometry.to_original(step.logits, embedding.frame)[0]
        return Look(logits, step.score, step.prompts)
    seen = concept.locate(embedding)
    first = refine.first_step(
        concept.backbone, embedding, seen.prompts, seen.guidance, concept.weights
    )
    steps = refine.cascade(concept.backbone, embedding, first, concept.variant)
    final = refine.standing(steps, keep_best=concept.variant.keep_best)
    logits = geometry.to_original(final.logits, embedding.frame)[0]
    if seen.likeness is not None and seen.likeness < concept.variant.min_likeness:
        logits = torch.full_like(logits, -_BELIEVED)
    return Look(logits, final.score, seen.prompts, seen.likeness)


def _answer(looks: Mapping[str, Look]) -> dict[str, Prediction]:
    found = {}
    for name, mask in merge(looks).items() if looks else ():
        look = looks[name]
        found[name] = Prediction(
            mask=mask,
            score=look.score if mask.any() else 0.0,
            box=mask_box(mask),
            points=look.prompts.points,
            labels=look.prompts.labels,
            likeness=look.likeness,
        )
    return found


def _nothing(image: np.ndarray) -> Prediction:
    empty = Prompts()
    return Prediction(np.zeros(image.shape[:2], dtype=bool), 0.0, None, empty.points, empty.labels)
