"""One object on its way through a clip: what it is, where it was last, and what it looked like."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from persam.pipeline import presence, similarity
from persam.pipeline.prompts import mask_box
from persam.video.evidence import SPILL, SURE, Usual
from persam.video.feature_memory import MemoryEntry, read, remembered

if TYPE_CHECKING:
    from persam.concept import Concept
    from persam.structures import Box, Embedding
    from persam.video.encoded_frame import EncodedFrame
    from persam.video.overlaps import ObjectLogits

MARKED = 4  # marked frames that are kept in memory, the latest
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

    def after(self, found: ObjectLogits, box: Box | None) -> TrackState:
        """The state with one more frame.

        Args:
            found: what was found of the object in it.
            box: tight box of what is left of that; None where it was not there.
        """
        if box is None:
            return replace(self, unseen=self.unseen + 1)
        if found.doubt >= SPILL and self.doubtful < PATIENCE:
            return replace(self, unseen=0, doubtful=self.doubtful + 1)
        if found.evidence is None:
            return TrackState(box, self.usual)
        if found.doubt >= SURE:
            return TrackState(box, self.usual.drifting(found.evidence))
        return TrackState(box, self.usual.after(found.evidence))


class Target:
    """What is known of one object; changes with every frame.

    Attributes:
        concept: what is searched for in a whole frame.
        state: of the frames so far.
        marked: what frames show that a person has marked, or the frame in which it was first found.
        recent: what sure frames show, by their numbers; :func:`remembered` says which.
        sure: numbers of all sure frames so far, in their order.
    """

    def __init__(self, concept: Concept) -> None:
        self.concept = concept
        self.state = TrackState()
        self.marked: list[MemoryEntry] = []
        self.recent: dict[int, MemoryEntry] = {}
        self.sure: list[int] = []
        self._mask: np.ndarray | None = None

    @property
    def entries(self) -> list[MemoryEntry]:
        """All that is remembered."""
        return [*self.marked, *self.recent.values()]

    @property
    def latest(self) -> MemoryEntry:
        """The entry of the newest frame that is remembered."""
        return self.entries[-1]

    def last_mask(self, region: Box, size: tuple[int, int]) -> torch.Tensor:
        """``(h, w)`` of a region, 1 where the last mask that was followed was."""
        x0, y0, x1, y1 = region
        mask = np.zeros(size, dtype=bool) if self._mask is None else self._mask
        return torch.from_numpy(mask[y0:y1, x0:x1]).float()

    def mark(self, frame: EncodedFrame, region: Box, mask: np.ndarray) -> None:
        """Take a mask for granted.

        Args:
            frame: which shows the object.
            region: the part of it that is remembered.
            mask: ``(height, width)`` bool in the frame, not empty.
        """
        self.marked = [*self.marked, _entry(frame, region, mask)][-MARKED:]
        self.concept = adapted(self.concept, frame.embedding, mask)
        usual = replace(self.state.usual, areas=(float(mask.sum()),))
        self.state, self._mask = TrackState(mask_box(mask), usual), mask

    def leave_place(self) -> None:
        """Forget where it was, as after a cut; what it looked like stays."""
        self.state = replace(self.state, box=None, unseen=max(1, self.state.unseen))

    def take(self, frame: EncodedFrame, found: ObjectLogits, mask: np.ndarray) -> None:
        """Go on by what was found in a frame.

        Args:
            frame: the frame.
            found: of the object.
            mask: ``(height, width)`` bool, what is left of it beside the other objects.
        """
        before, box = self.state, mask_box(mask)
        self.state = before.after(found, box)
        if box is None or self.state.box != box:
            return
        self._mask = mask
        if found.region is not None and found.evidence is not None and found.doubt < SURE:
            self._remember(frame, found.region, mask)

    def _remember(self, frame: EncodedFrame, region: Box, mask: np.ndarray) -> None:
        self.sure.append(frame.number)
        self.recent[frame.number] = _entry(frame, region, mask)
        kept = set(remembered(self.sure))
        self.recent = {number: e for number, e in self.recent.items() if number in kept}

    def read(self, features: torch.Tensor) -> torch.Tensor:
        """``(h, w)`` share of each cell that is object, by what is remembered.

        Args:
            features: ``(d, h, w)`` unit vectors of a picture.
        """
        return read(self.entries, features)

    def likeness(self, entry: MemoryEntry) -> float:
        """How well all of the object, as it is remembered, finds its like in a mask, -1..1.

        Args:
            entry: of the mask.

        Returns:
            Mean over the object's cells in a remembered frame of the cosine to the nearest cell of
            the mask; of the frame that is most like it.
        """
        inside = entry.foreground.T
        return max(float((e.foreground @ inside).amax(dim=1).mean()) for e in self.entries)


def adapted(concept: Concept, embedding: Embedding, mask: np.ndarray) -> Concept:
    """The same object, compared by the features that one frame of the clip shows.

    They take the place of the reference's: a clip is more like itself than like another photo,
    and the mean over both would be like neither. The target feature stays.

    Args:
        concept: the object.
        embedding: of the frame.
        mask: ``(height, width)`` bool, the object in it, not empty.
    """
    features = embedding.matching[0]
    inside = _cells(mask, embedding)
    outside = similarity.background_cells(inside, embedding.frame)
    view = replace(
        concept.views[0],
        target_feature=concept.target_feature,
        target_embedding=concept.target_embedding,
        foreground=similarity.unit_vectors(features, inside),
        background=similarity.unit_vectors(features, outside),
    )
    return replace(concept, views=(view,))


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
    if len(concept.foreground) == 0:
        return None
    vectors = similarity.unit_vectors(embedding.matching[0], _cells(mask, embedding))
    return presence.likeness(vectors, concept.known.foregrounds)


def _entry(frame: EncodedFrame, region: Box, mask: np.ndarray) -> MemoryEntry:
    x0, y0, x1, y1 = region
    return MemoryEntry.of(frame.region(region), mask[y0:y1, x0:x1])


def _cells(mask: np.ndarray, embedding: Embedding) -> torch.Tensor:
    grid = embedding.matching.shape[2:]
    cells = similarity.covered_cells(mask, embedding.frame, grid)
    return torch.from_numpy(cells).to(embedding.matching.device)
