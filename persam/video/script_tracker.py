"""The official video scripts' way, frame by frame; the steps are :mod:`persam.video.official`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persam.video import official
from persam.video.overlaps import ObjectLogits, empty_prediction, predictions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    from persam.concept import Concept
    from persam.models.base import Backbone
    from persam.structures import Box, Embedding
    from persam.video.choices import Tracking
    from persam.video.record import FrameObject
    from persam.video.structures import FrameResult


class ScriptTracker:
    """Follows objects as ``persam_video.py`` does; all that changes is their last boxes."""

    def __init__(
        self, backbone: Backbone, concepts: Mapping[str, Concept], choices: Tracking
    ) -> None:
        self._backbone, self._choices = backbone, choices
        self._concepts = {name: official.as_scripts(one) for name, one in concepts.items()}
        self._boxes: dict[str, Box | None] = dict.fromkeys(concepts)

    def step(self, image: np.ndarray, number: int, marked: Mapping[str, np.ndarray]) -> FrameResult:
        """Find the objects in the next frame; see :class:`RegionTracker`."""
        embedding = self._backbone.encode(image)
        found = {
            name: ObjectLogits.from_mask(marked[name])
            if name in marked
            else self._find(name, embedding)
            for name in self._boxes
        }
        answer = predictions(found)
        self._go_on({name: one.box for name, one in answer.items()})
        size = (image.shape[0], image.shape[1])
        # Objects that were given up are absent.
        return {name: answer.get(name) or empty_prediction(*size) for name in self._concepts}

    def plan(self, history: Sequence[Mapping[str, FrameObject]]) -> None:
        """Take over the last boxes of the frames before."""
        for line in history:
            self._go_on({name: line[name].box for name in self._boxes})

    def recall(
        self, image: np.ndarray, number: int, masks: Callable[[], Mapping[str, np.ndarray]]
    ) -> None:
        """Nothing of a frame is remembered but its boxes, which :meth:`plan` has."""

    def _go_on(self, found: Mapping[str, Box | None]) -> None:
        if self._choices.boxes_by_position:
            self._boxes = dict(official.boxes_by_position(found))
        else:
            self._boxes = {name: box or self._boxes[name] for name, box in found.items()}

    def _find(self, name: str, embedding: Embedding) -> ObjectLogits:
        faulty = self._choices.areas_as_uint8
        step = official.step(
            self._concepts[name], embedding, self._boxes[name], areas_as_uint8=faulty
        )
        return ObjectLogits.from_step(step, embedding)
