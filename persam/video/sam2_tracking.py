"""Following objects by SAM 2's or EdgeTAM's own video memory, found by a reference photo.

The two halves need each other: the family's memory follows an object well once it has seen a mask
of it in the clip, and a concept finds an object of which it has only another picture. A
frame is encoded once, and both read that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from persam import geometry
from persam.concept import Concept
from persam.errors import InputError
from persam.pipeline.prompts import mask_box
from persam.pipeline.similarity import sigmoid
from persam.prediction import Prediction
from persam.structures import Prompts
from persam.video.frames import by_name, first_masks, pictures, shared_backbone
from persam.video.overlaps import ObjectLogits, empty_prediction, resolve_overlaps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from persam.io.images import Source
    from persam.models.base import Backbone
    from persam.models.sam2_video import ObjectMemory, VideoMemory
    from persam.structures import Embedding
    from persam.video.structures import FrameResult, VideoFrame


@dataclass(frozen=True)
class Handover:
    """When the concept's search hands over to the memory, and the memory to the search.

    The numbers have reasons, but were not measured on clips.

    Attributes:
        min_score: a found mask is followed from this score on. Below one half the model itself
            expects less than half of the mask to be right.
        min_likeness: and from this likeness on, where the concept's variant tells one; the number
            that tells objects from their absence with the built-in model.
        patience: for so many frames the memory may see nothing of the object before the concept
            found for it. The families' memory reads back six frames, and what is hidden for less
            it finds again by itself; a search beside it would rather find something similar.
        max_overlap: share of a found mask, 0..1, that may lie on objects that are being followed.
            A mask that is mostly another object is that object.
        seeds: how many given or found masks the memory keeps, the first and the latest; at least 2.
            Four is SAM 3's own number; SAM 2 and EdgeTAM keep all, which grows with the clip.
    """

    min_score: float = 0.5
    min_likeness: float = 0.3
    patience: int = 6
    max_overlap: float = 0.5
    seeds: int = 4

    def __post_init__(self) -> None:
        if self.patience < 0 or self.seeds < 2 or not 0 <= self.max_overlap <= 1:
            raise InputError(
                f"A handover has a patience of at least 0 frames, at least 2 seeds and an overlap "
                f"of 0..1; got {self.patience}, {self.seeds} and {self.max_overlap:g}."
            )

    def convincing(self, found: Prediction) -> bool:
        """Whether what a concept found is good enough to be followed."""
        alike = found.likeness is None or found.likeness >= self.min_likeness
        return found.present and found.score >= self.min_score and alike


def follow(
    concepts: Mapping[str, Concept] | Concept,
    frames: Iterable[Source | VideoFrame],
    *,
    first: Mapping[str, Source] | None = None,
    handover: Handover | None = None,
    memory: VideoMemory | None = None,
) -> Iterator[FrameResult]:
    """Follow objects through a clip by the model's own video memory.

    An object without a mask in ``first`` is searched for by its concept, frame by frame, until it
    is found; that mask seeds its memory. Where the memory has seen nothing of it for longer than
    the handover's patience, the search goes on beside the memory, and what it finds is a further
    seed. Each pixel belongs to the followed object with the highest logit; a mask that was
    searched gives way to those, and to searched ones with a higher score.

    One frame is pulled and encoded for each answer, and what is remembered does not grow with the
    clip.

    Args:
        concepts: what to follow, by name; a single one is called ``"object"``. All learnt with
            one backbone of the SAM 2 or EdgeTAM family, on any picture.
        frames: in order, all of one size.
        first: masks of objects in the first frame, by name: they are its answer.
        handover: thresholds between search and memory; None for the defaults.
        memory: of the concepts' backbone, where it is loaded already; None loads it.

    Returns:
        For each frame, every object's prediction. The score of a followed mask is the memory's
        belief, 0..1, that the object is in the frame; of a searched one, the concept's score.

    Raises:
        InputError: no concepts, concepts of several models, a model without a video memory, a
            name in ``first`` that is no concept; while iterating: frames of several sizes, or
            a frame or mask that cannot be read.
    """
    from persam.models.sam2_video import video_memory

    named, first = by_name(concepts), dict(first or {})
    backbone = shared_backbone(named, first)
    memory = memory or video_memory(backbone)
    handover = handover or Handover()
    tracks = {
        name: _Track(concept, memory.remember(handover.seeds)) for name, concept in named.items()
    }
    return _Follower(backbone, tracks, handover).answers(frames, first)


@dataclass
class _Track:
    """One object on its way through the clip; ``unseen`` counts frames since the memory saw it."""

    concept: Concept
    memory: ObjectMemory
    unseen: int = 0


@dataclass(frozen=True)
class _Follower:
    """The objects of one clip, and what to do with its next frame."""

    backbone: Backbone
    tracks: dict[str, _Track]
    handover: Handover

    def answers(
        self, frames: Iterable[Source | VideoFrame], first: Mapping[str, Source]
    ) -> Iterator[FrameResult]:
        for number, image in enumerate(pictures(frames)):
            size = image.shape[:2]
            given = first_masks(first, size) if number == 0 else {}
            embedding = self.backbone.encode(image)
            found = self._seeded(given, embedding) if given else self._followed(number, embedding)
            found |= self._searched(number, embedding, found)
            yield {name: found.get(name) or empty_prediction(*size) for name in self.tracks}

    def _seeded(
        self, given: Mapping[str, np.ndarray], embedding: Embedding
    ) -> dict[str, Prediction]:
        for name, mask in given.items():
            self.tracks[name].memory.seed(0, embedding, mask)
        return {name: _prediction(mask, 1.0) for name, mask in given.items()}

    def _followed(self, number: int, embedding: Embedding) -> dict[str, Prediction]:
        """What the memories see in a frame, each pixel of one object."""
        found, size = {}, (embedding.frame.height, embedding.frame.width)
        for name, track in self.tracks.items():
            one = track.memory.follow(number, embedding) if track.memory.seeded else None
            if one is not None and one.present:
                # From the model's masks to the picture in one step, as the family's processor.
                logits = geometry.bilinear(one.logits[None], size)[0]
                belief = float(sigmoid(np.float64(one.presence)))
                found[name] = ObjectLogits(logits, belief, Prompts())
        masks = resolve_overlaps(found) if found else {}
        predictions = {name: _prediction(mask, found[name].score) for name, mask in masks.items()}
        visible = {name: one for name, one in predictions.items() if one.present}
        for name, track in self.tracks.items():
            track.unseen = 0 if name in visible else track.unseen + 1
        return visible

    def _searched(
        self, number: int, embedding: Embedding, followed: Mapping[str, Prediction]
    ) -> dict[str, Prediction]:
        """What the concepts find of the objects that no memory sees; it seeds their memories."""
        taken = np.zeros((embedding.frame.height, embedding.frame.width), dtype=bool)
        for prediction in followed.values():
            taken |= prediction.mask
        answer = {}
        for name, found in self._candidates(embedding, followed):
            free = found.mask & ~taken
            if not free.any() or free.sum() < (1 - self.handover.max_overlap) * found.mask.sum():
                continue
            self.tracks[name].memory.seed(number, embedding, free)
            self.tracks[name].unseen = 0
            taken |= free
            answer[name] = replace(found, mask=free, box=mask_box(free))
        return answer

    def _candidates(
        self, embedding: Embedding, followed: Mapping[str, Prediction]
    ) -> list[tuple[str, Prediction]]:
        """Convincing finds of the objects that are due for a search, the surest first."""
        patience = self.handover.patience
        due = {
            name: track.concept
            for name, track in self.tracks.items()
            if name not in followed and (not track.memory.seeded or track.unseen > patience)
        }
        found = {name: concept.segment_embedding(embedding) for name, concept in due.items()}
        kept = [(name, one) for name, one in found.items() if self.handover.convincing(one)]
        return sorted(kept, key=lambda pair: -pair[1].score)


def _prediction(mask: np.ndarray, score: float) -> Prediction:
    prompts = Prompts()
    return Prediction(mask, score, mask_box(mask), prompts.points, prompts.labels)
