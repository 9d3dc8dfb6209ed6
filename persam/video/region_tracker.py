"""Our own tracker: every object by its memory, frame by frame, and each pixel of one object."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from persam.models.runtime.numpy_threads import one_thread
from persam.pipeline.prompts import mask_box
from persam.video.cuts import CutDetector
from persam.video.encoded_frame import EncodedFrame
from persam.video.overlaps import ObjectLogits, predictions
from persam.video.propagation import find, region_of
from persam.video.replay import Plan, replay
from persam.video.structures import event_of
from persam.video.target import TrackedObject

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from persam.concept import Concept
    from persam.models.base import Backbone
    from persam.structures import Box
    from persam.video.choices import Tracking
    from persam.video.record import FrameObject
    from persam.video.structures import FrameResult, TrackedPrediction


class RegionTracker:
    """Follows objects by :mod:`persam.video.propagation`; changes with every frame.

    Attributes:
        targets: the objects by name.
    """

    def __init__(
        self, backbone: Backbone, concepts: Mapping[str, Concept], choices: Tracking
    ) -> None:
        self.targets = {name: TrackedObject(concept) for name, concept in concepts.items()}
        self._backbone, self._choices = backbone, choices
        self._cuts = CutDetector()
        self._plans: dict[str, Plan] = {}

    def step(self, image: np.ndarray, number: int, marked: Mapping[str, np.ndarray]) -> FrameResult:
        """Find the objects in the next frame.

        Args:
            image: ``(height, width, 3)`` uint8 RGB.
            number: of the frame; a later one than the last.
            marked: masks that a person gave for this frame, by object name: they are its answer.
        """
        with one_thread:
            return self._step(EncodedFrame(self._backbone, image, number), marked)

    def _step(self, frame: EncodedFrame, marked: Mapping[str, np.ndarray]) -> FrameResult:
        cut = self._cuts.is_cut(frame.image)
        if cut:
            for target in self.targets.values():
                target.state = target.state.elsewhere()
        found = {name: self._find(name, frame, marked) for name in self.targets}
        answer = predictions(found)
        taken = {name: self._taken(name, frame, found[name], answer[name]) for name in found}
        return {name: replace(one, new_shot=cut) for name, one in taken.items()}

    def plan(self, history: Sequence[Mapping[str, FrameObject]]) -> None:
        """Take over what an earlier run has written down of the frames before; see :meth:`recall`.

        Args:
            history: what became of each object, frame by frame from the first on.
        """
        self._plans = {name: replay([line[name] for line in history]) for name in self.targets}
        for name, plan in self._plans.items():
            self.targets[name].state = plan.state

    def recall(
        self, image: np.ndarray, number: int, masks: Callable[[], Mapping[str, np.ndarray]]
    ) -> None:
        """Remember a frame of the history as the earlier run did.

        Args:
            image: ``(height, width, 3)`` uint8 RGB.
            number: of the frame.
            masks: gives the masks of that frame by object name; asked only where they matter.
        """
        self._cuts.is_cut(image)
        frame = EncodedFrame(self._backbone, image, number)
        for name, plan in self._plans.items():
            plan.recall(self.targets[name], frame, lambda name=name: masks()[name], self._region)

    def _find(
        self, name: str, frame: EncodedFrame, marked: Mapping[str, np.ndarray]
    ) -> ObjectLogits:
        if name in marked:
            return ObjectLogits.from_mask(marked[name])
        return find(self.targets[name], frame, self._choices)

    def _taken(
        self, name: str, frame: EncodedFrame, found: ObjectLogits, answer: TrackedPrediction
    ) -> TrackedPrediction:
        """What becomes of an object's answer: its target goes on by it."""
        target, marked = self.targets[name], found.given
        seen = target.marked is not None
        event = event_of(seen=seen, before=seen and target.state.unseen == 0, now=answer.present)
        if answer.present and (marked or target.marked is None):
            target.mark(frame, self._region(frame, answer.mask), answer.mask)
        else:
            target.take(frame, found, answer.mask)
        return replace(answer, event="marked" if marked else event)

    def _region(self, frame: EncodedFrame, mask: np.ndarray) -> Box:
        box = mask_box(mask)
        if box is None:
            raise ValueError("A mask that is remembered shows at least a pixel.")
        return region_of(box, frame, self._choices)
