"""Following objects by SAM 2's or EdgeTAM's own video memory, found by a reference photo.

The two halves need each other: the family's memory follows an object well once it has seen a mask
of it in the clip, and a concept finds an object of which it has only another picture. A
frame is encoded once, and both read that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from persam import geometry
from persam.errors import InputError
from persam.pipeline.prompts import mask_box
from persam.pipeline.similarity import sigmoid
from persam.prediction import Prediction
from persam.structures import Prompts
from persam.video.overlaps import ObjectLogits, empty_prediction, resolve_overlaps
from persam.video.structures import TrackedPrediction, event_of

if TYPE_CHECKING:
    from persam.concept import Concept
    from persam.models.base import Backbone
    from persam.models.memory_choice import MemoryChoice
    from persam.models.sam2_video import ObjectMemory, VideoMemory
    from persam.structures import Embedding
    from persam.video.record import FrameObject
    from persam.video.structures import Event, FrameResult


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
        choice: which followed frames the memory keeps; None for the latest, as the families do.
    """

    min_score: float = 0.5
    min_likeness: float = 0.3
    patience: int = 6
    max_overlap: float = 0.5
    seeds: int = 4
    choice: MemoryChoice | None = None

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


@dataclass
class _Track:
    """One object on its way through the clip.

    Attributes:
        concept: searches for it.
        memory: follows it.
        unseen: frames since the memory saw it.
        seen: whether it was there in any frame.
        there: whether it was in the last one.
    """

    concept: Concept
    memory: ObjectMemory
    unseen: int = 0
    seen: bool = False
    there: bool = False

    def told(self, found: TrackedPrediction) -> TrackedPrediction:
        """The answer of a frame, and what happens to the object in it."""
        event = found.event or event_of(seen=self.seen, before=self.there, now=found.present)
        self.there, self.seen = found.present, self.seen or found.present
        return replace(found, event=event)


class MemoryTracker:
    """Follows objects through a clip by the model's own video memory.

    An object that nobody has marked is searched for by its concept, frame by frame, until it is
    found; that mask seeds its memory. Where the memory has seen nothing of it for longer than the
    handover's patience, the search goes on beside the memory, and what it finds is a further seed.
    Each pixel belongs to the followed object with the highest logit; a mask that was searched gives
    way to those, and to searched ones with a higher score.

    A frame is encoded once, and what is remembered does not grow with the clip. The score of a
    followed mask is the memory's belief, 0..1, that the object is in the frame; of a searched one,
    the concept's score.
    """

    def __init__(
        self,
        backbone: Backbone,
        concepts: Mapping[str, Concept],
        handover: Handover | None = None,
        memory: VideoMemory | None = None,
    ) -> None:
        """Start with nothing remembered.

        Args:
            backbone: of the SAM 2 or EdgeTAM family.
            concepts: what to follow, by name, learnt with that backbone on any picture.
            handover: thresholds between search and memory; None for the defaults.
            memory: of the backbone, where it is loaded already; None loads it.

        Raises:
            InputError: a model without a video memory.
        """
        from persam.models.video_memory import video_memory

        memory = memory or video_memory(backbone)
        self.backbone = backbone
        self._resumed = -1
        self.handover = handover or Handover()
        kept = self.handover.seeds, self.handover.choice
        self.tracks = {
            name: _Track(concept, memory.remember(*kept)) for name, concept in concepts.items()
        }

    def step(self, image: np.ndarray, number: int, marked: Mapping[str, np.ndarray]) -> FrameResult:
        """Find the objects in the next frame; see :class:`FrameTracker`."""
        size = image.shape[:2]
        embedding = self.backbone.encode(image)
        found = self._seeded(number, marked, embedding)
        found |= self._followed(number, embedding, found)
        found |= self._searched(number, embedding, found)
        return {
            name: track.told(found.get(name) or empty_prediction(*size))
            for name, track in self.tracks.items()
        }

    def plan(self, history: Sequence[Mapping[str, FrameObject]]) -> None:
        """Note the last frame of an earlier run, from which the memory starts anew."""
        self._resumed = len(history) - 1
        for name, track in self.tracks.items():
            track.seen = any(line[name].present for line in history)
            track.there = bool(history) and history[-1][name].present

    def recall(
        self, image: np.ndarray, number: int, masks: Callable[[], Mapping[str, np.ndarray]]
    ) -> None:
        """Seed the memories with the masks of the last frame that is done."""
        if number == self._resumed:
            embedding = self.backbone.encode(image)
            # A mask of nothing, or of everything, shows no object.
            given = {n: m for n, m in masks().items() if m.any() and not m.all()}
            self._seeded(number, given, embedding)

    def _seeded(
        self, number: int, marked: Mapping[str, np.ndarray], embedding: Embedding
    ) -> dict[str, TrackedPrediction]:
        for name, mask in marked.items():
            self.tracks[name].memory.seed(number, embedding, mask)
            self.tracks[name].unseen = 0
        return {name: _prediction(mask, 1.0, "marked") for name, mask in marked.items()}

    def _followed(
        self, number: int, embedding: Embedding, marked: Mapping[str, TrackedPrediction]
    ) -> dict[str, TrackedPrediction]:
        """What the memories see of the other objects in a frame, each pixel of one object."""
        found, size = {}, (embedding.frame.height, embedding.frame.width)
        others = {name: track for name, track in self.tracks.items() if name not in marked}
        for name, track in others.items():
            one = track.memory.follow(number, embedding) if track.memory.seeded else None
            if one is not None and one.present:
                # From the model's masks to the picture in one step, as the family's processor.
                logits = geometry.bilinear(one.logits[None], size)[0]
                belief = float(sigmoid(np.array(one.presence, dtype=np.float64)))
                found[name] = ObjectLogits(logits, belief, Prompts())
        masks = resolve_overlaps(found) if found else {}
        taken = _union(marked, size)
        predictions = {n: _prediction(mask & ~taken, found[n].score) for n, mask in masks.items()}
        visible = {name: one for name, one in predictions.items() if one.present}
        for name, track in others.items():
            track.unseen = 0 if name in visible else track.unseen + 1
        return visible

    def _searched(
        self, number: int, embedding: Embedding, followed: Mapping[str, Prediction]
    ) -> dict[str, TrackedPrediction]:
        """What the concepts find of the objects that no memory sees; it seeds their memories."""
        taken = _union(followed, (embedding.frame.height, embedding.frame.width))
        answer = {}
        for name, found in self._candidates(embedding, followed):
            free = found.mask & ~taken
            if not free.any() or free.sum() < (1 - self.handover.max_overlap) * found.mask.sum():
                continue
            self.tracks[name].memory.seed(number, embedding, free)
            self.tracks[name].unseen = 0
            taken |= free
            answer[name] = TrackedPrediction(
                free, found.score, mask_box(free), found.points, found.labels, found.likeness
            )
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


def _union(found: Mapping[str, Prediction], size: tuple[int, int]) -> np.ndarray:
    """``(height, width)`` bool: the pixels that objects have already."""
    taken = np.zeros(size, dtype=bool)
    for one in found.values():
        taken |= one.mask
    return taken


def _prediction(mask: np.ndarray, score: float, event: Event = "") -> TrackedPrediction:
    prompts = Prompts()
    box = mask_box(mask)
    return TrackedPrediction(mask, score, box, prompts.points, prompts.labels, event=event)
