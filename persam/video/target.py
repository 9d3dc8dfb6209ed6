"""One object on its way through a clip: what it is, where it was last, and what it looked like."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from persam.pipeline import presence, similarity
from persam.pipeline.prompts import mask_box
from persam.video.evidence import SPILL, SURE, Usual
from persam.video.feature_memory import (
    MemoryEntry,
    along,
    main_axes,
    recollect,
    remembered,
)

if TYPE_CHECKING:
    from persam.concept import Concept
    from persam.structures import Box, Embedding
    from persam.video.encoded_frame import EncodedFrame
    from persam.video.evidence import MaskEvidence
    from persam.video.feature_memory import Recollection
    from persam.video.overlaps import ObjectLogits

PATIENCE = 3  # doubtful frames in a row, after which the object is followed where they put it


@dataclass(frozen=True)
class TrackState:
    """What the frames so far say of one object.

    Attributes:
        box: tight box of its last mask that was not too doubtful; None before it was ever found.
        usual: what its masks are usually like.
        unseen: frames since it was last found.
        doubtful: frames in a row whose mask was too doubtful to be followed.
    """

    box: Box | None = None
    usual: Usual = field(default_factory=Usual)
    unseen: int = 0
    doubtful: int = 0

    def after(self, evidence: MaskEvidence | None, doubt: float, box: Box | None) -> TrackState:
        """The state with one more frame.

        Args:
            evidence: of what was found of the object in it, if anything was compared.
            doubt: of the same, 0..1.
            box: tight box of what is left of that; None where it was not there.
        """
        if box is None:
            return replace(self, unseen=self.unseen + 1)
        if doubt >= SPILL and self.doubtful < PATIENCE:
            return replace(self, unseen=0, doubtful=self.doubtful + 1)
        if evidence is None:
            return TrackState(box, self.usual)
        if doubt >= SURE:
            return TrackState(box, self.usual.drifting(evidence))
        return TrackState(box, self.usual.after(evidence))

    def follows(self, box: Box | None) -> bool:
        """Whether the latest frame's box is the one that the object is followed by."""
        return box is not None and self.box == box

    def marked(self, box: Box, area: float) -> TrackState:
        """The state at a mask that is taken for granted: ``area`` pixels in ``box``."""
        return TrackState(box, replace(self.usual, areas=(area,)))

    def elsewhere(self) -> TrackState:
        """The state after a cut: where it was says nothing any more."""
        return replace(self, box=None)


class TrackedObject:
    """What is known of one object; changes with every frame.

    Attributes:
        concept: what is searched for in a whole frame.
        state: of the frames so far.
        axes: that cells are remembered along, of the marked frame.
        marked: what the latest frame shows that a person has marked, or else the frame in which it
            was first found.
        recent: what sure frames show, by their numbers; :func:`remembered` says which.
        sure: numbers of all sure frames since then, in their order.
    """

    def __init__(self, concept: Concept) -> None:
        self.concept = concept
        self.state = TrackState()
        self.axes: np.ndarray | None = None
        self.marked: MemoryEntry | None = None
        self.recent: dict[int, MemoryEntry] = {}
        self.sure: list[int] = []

    @property
    def entries(self) -> list[MemoryEntry]:
        """All that is remembered."""
        first = [] if self.marked is None else [self.marked]
        return [*first, *self.recent.values()]

    def mark(self, frame: EncodedFrame, region: Box, mask: np.ndarray) -> None:
        """Take a mask for granted, and remember the object by it alone.

        What came before has no say in what follows, so that a mark changes nothing beyond the next.

        Args:
            frame: which shows the object.
            region: the part of it that is remembered.
            mask: ``(height, width)`` bool in the frame, not empty.
        """
        box = mask_box(mask)
        if box is None:
            raise ValueError("A mask that is taken for granted shows at least a pixel.")
        self.axes = main_axes(frame.region(region).cells)
        self.marked, self.recent, self.sure = self._entry(frame, region, mask, granted=True), {}, []
        self.concept = adapted(self.concept, frame.embedding, mask)
        self.state = self.state.marked(box, float(mask.sum()))

    def take(self, frame: EncodedFrame, found: ObjectLogits, mask: np.ndarray) -> None:
        """Go on by what was found in a frame.

        Args:
            frame: the frame.
            found: of the object.
            mask: ``(height, width)`` bool, what is left of it beside the other objects.
        """
        box = mask_box(mask)
        self.state = self.state.after(found.evidence, found.doubt, box)
        if not self.state.follows(box):
            return
        if found.region is not None and found.evidence is not None and found.doubt < SURE:
            self.remember(frame, found.region, mask)

    def remember(self, frame: EncodedFrame, region: Box, mask: np.ndarray) -> None:
        """Keep a sure frame, and let go of those that :func:`remembered` does not keep."""
        self.sure.append(frame.number)
        self.recent[frame.number] = self._entry(frame, region, mask, granted=False)
        kept = set(remembered(self.sure))
        self.recent = {number: e for number, e in self.recent.items() if number in kept}

    def restore(self, frame: EncodedFrame, region: Box, mask: np.ndarray) -> None:
        """Remember a frame as an earlier run did; that it is kept was decided there."""
        self.recent[frame.number] = self._entry(frame, region, mask, granted=False)

    def _entry(
        self, frame: EncodedFrame, region: Box, mask: np.ndarray, *, granted: bool
    ) -> MemoryEntry:
        x0, y0, x1, y1 = region
        shown = mask[y0:y1, x0:x1]
        return MemoryEntry.of(frame.region(region), shown, self.axes, granted=granted)

    def recollect(self, cells: np.ndarray, places: np.ndarray) -> Recollection:
        """What is remembered says of a picture's cells.

        Args:
            cells: ``(h, w, d)`` unit vectors of a picture.
            places: ``(h, w, 2)`` where they are beside the object's expected place.
        """
        return recollect(self.entries, along(cells, self.axes), places)

    def likeness(self, entry: MemoryEntry) -> float:
        """How well all of the object, as it is remembered, finds its like in a mask, -1..1.

        Args:
            entry: of the mask.

        Returns:
            Mean over the object's cells in a remembered frame of the cosine to the nearest cell of
            the mask; of the frame that is most like it.
        """
        return presence.likeness(entry.foreground, [one.foreground for one in self.entries])


def adapted(concept: Concept, embedding: Embedding, mask: np.ndarray) -> Concept:
    """The same object, compared by the features that one frame of the clip shows.

    They take the place of the reference's: a clip is more like itself than like another photo,
    and the mean over both would be like neither. The target feature stays.

    Args:
        concept: the object.
        embedding: of the frame.
        mask: ``(height, width)`` bool, the object in it, not empty.
    """
    cells = embedding.cells
    inside = similarity.covered_cells(mask, embedding.frame, cells.shape[:2])
    outside = similarity.background_cells(inside, embedding.frame)
    reference = replace(
        concept.references[0],
        target_feature=concept.features.target_feature,
        target_embedding=concept.features.target_embedding,
        foreground=cells[inside],
        background=cells[outside],
    )
    return replace(concept, references=(reference,))


def likeness_within(concept: Concept, embedding: Embedding, mask: np.ndarray) -> float | None:
    """How well all of the object finds its like within a mask.

    Args:
        concept: the object.
        embedding: the frame.
        mask: ``(height, width)`` bool, not empty.

    Returns:
        Mean over the object's cells of the cosine to the nearest cell of the mask, -1..1; None for
        a concept without cells to compare with.
    """
    if len(concept.features.foreground) == 0:
        return None
    inside = similarity.covered_cells(mask, embedding.frame, embedding.cells.shape[:2])
    return presence.likeness(embedding.cells[inside], concept.features.foregrounds)
