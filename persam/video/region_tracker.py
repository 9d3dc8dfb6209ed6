"""Our own tracker: every object by its memory, frame by frame, and each pixel of one object."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from persam.pipeline.prompts import mask_box
from persam.video.cuts import CutDetector
from persam.video.encoded_frame import EncodedFrame
from persam.video.overlaps import ObjectLogits, predictions
from persam.video.propagation import find, region_of
from persam.video.target import Target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from persam.concept import Concept
    from persam.models.base import Backbone
    from persam.structures import Box
    from persam.video.choices import Tracking
    from persam.video.structures import Event, FrameResult, TrackedPrediction


class RegionTracker:
    """Follows objects by :mod:`persam.video.propagation`; changes with every frame.

    Attributes:
        targets: the objects by name.
    """

    def __init__(
        self, backbone: Backbone, concepts: Mapping[str, Concept], choices: Tracking
    ) -> None:
        self.targets = {name: Target(concept) for name, concept in concepts.items()}
        self._backbone, self._choices = backbone, choices
        self._cuts = CutDetector()

    def step(self, image: np.ndarray, number: int, marked: Mapping[str, np.ndarray]) -> FrameResult:
        """Find the objects in the next frame.

        Args:
            image: ``(height, width, 3)`` uint8 RGB.
            number: of the frame; a later one than the last.
            marked: masks that a person gave for this frame, by object name: they are its answer.
        """
        frame = EncodedFrame(self._backbone, image, number)
        if self._cuts.is_cut(image):
            for target in self.targets.values():
                target.leave_place()
        found = {name: self._find(name, frame, marked) for name in self.targets}
        answer = predictions(found)
        return {name: self._taken(name, frame, found[name], answer[name]) for name in found}

    def mark(self, image: np.ndarray, number: int, masks: Mapping[str, np.ndarray]) -> None:
        """Remember what a person has marked in a frame, wherever in the clip it is.

        Args:
            image: ``(height, width, 3)`` uint8 RGB.
            number: of the frame.
            masks: ``(height, width)`` bool by object name, not empty.
        """
        frame = EncodedFrame(self._backbone, image, number)
        for name, mask in masks.items():
            self.targets[name].mark(frame, self._region(frame, mask), mask)

    def _find(
        self, name: str, frame: EncodedFrame, marked: Mapping[str, np.ndarray]
    ) -> ObjectLogits:
        if name in marked:
            return ObjectLogits.from_mask(marked[name], self._backbone.device)
        return find(self.targets[name], frame, self._choices)

    def _taken(
        self, name: str, frame: EncodedFrame, found: ObjectLogits, answer: TrackedPrediction
    ) -> TrackedPrediction:
        """What becomes of an object's answer: its target goes on by it."""
        target, marked = self.targets[name], found.given
        gone = target.state.box is not None and target.state.unseen == 0
        event: Event = "lost" if gone and not answer.present else ""
        if answer.present and target.state.unseen > 0:
            event = "found again"
        if answer.present and (marked or not target.marked):
            target.mark(frame, self._region(frame, answer.mask), answer.mask)
        else:
            target.take(frame, found, answer.mask)
        return replace(answer, event="marked" if marked else event)

    def _region(self, frame: EncodedFrame, mask: np.ndarray) -> Box:
        box = mask_box(mask)
        if box is None:
            raise ValueError("A mask that is remembered shows at least a pixel.")
        return region_of(box, frame, self._choices)
