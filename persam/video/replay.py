"""What a tracker knew of an object, made again from what a run has written down.

State is a matter of numbers that stand in the record; only the frames that the memory keeps are
encoded again. The result is the tracker as it was, so that a run that goes on finds what it would
have found without the stop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from persam.video.evidence import SURE
from persam.video.feature_memory import remembered
from persam.video.target import TrackedObject, TrackState

if TYPE_CHECKING:
    import numpy as np

    from persam.structures import Box
    from persam.video.encoded_frame import EncodedFrame
    from persam.video.record import FrameObject


@dataclass(frozen=True)
class Plan:
    """What is to be remembered of an object's earlier frames.

    Attributes:
        state: after the last of them.
        marked: number of the frame that is taken for granted; None where it was never found.
        sure: numbers of the sure frames since then.
        regions: of the sure frames that are kept.
    """

    state: TrackState
    marked: int | None
    sure: tuple[int, ...]
    regions: dict[int, Box]

    def recall(
        self,
        target: TrackedObject,
        frame: EncodedFrame,
        mask: Callable[[], np.ndarray],
        region: Callable[[EncodedFrame, np.ndarray], Box],
    ) -> None:
        """Give a frame to the target if it is to be remembered; in the order of the frames.

        Args:
            target: which remembers.
            frame: any of the earlier ones.
            mask: gives the object's mask in it.
            region: gives the region in which a marked mask is remembered.
        """
        if frame.number == self.marked:
            shown = mask()
            target.mark(frame, region(frame, shown), shown)
        elif frame.number in self.regions:
            target.restore(frame, self.regions[frame.number], mask())
        target.sure, target.state = list(self.sure), self.state


def replay(entries: Sequence[FrameObject]) -> Plan:
    """Go through an object's record as the tracker went through the frames.

    Args:
        entries: of all frames so far, from the first on.
    """
    state, marked = TrackState(), None
    sure: list[int] = []
    regions: dict[int, Box] = {}
    for number, entry in enumerate(entries):
        state = state.elsewhere() if entry.new_shot else state
        if entry.box is not None and (entry.event == "marked" or marked is None):
            state = state.marked(entry.box, float(entry.area))
            marked, sure, regions = number, [], {}
            continue
        state = state.after(entry.evidence, entry.doubt, entry.box)
        if not state.follows(entry.box):
            continue
        if entry.evidence is not None and entry.region is not None and entry.doubt < SURE:
            sure.append(number)
            regions[number] = entry.region
            kept = set(remembered(sure))
            regions = {frame: place for frame, place in regions.items() if frame in kept}
    return Plan(state, marked, tuple(sure), regions)
