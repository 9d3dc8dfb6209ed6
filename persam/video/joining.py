"""Tracking backwards from a marked frame, and joining it with what was found forwards.

Between two marks of an object the frames near the first are best followed from it, those near the
second from that. The two ways meet where their masks agree best and are least doubted.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from persam.io.masks import read_labels
from persam.io.own_files import file_sha256
from persam.io.records import append_line, read_lines
from persam.io.writers import write_labels, write_text
from persam.metrics import overlap
from persam.video.evidence import SPILL
from persam.video.record import FrameLine, FrameObject
from persam.video.structures import event_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from persam.video.clip import Clip
    from persam.video.output_files import ClipFiles
    from persam.video.structures import FrameTracker


@dataclass(frozen=True)
class BackwardSpan:
    """What is to be tracked backwards.

    Attributes:
        name: of the object.
        mark: number of the marked frame that it starts from.
        before: number of the object's mark before that; None where there is none.
    """

    name: str
    mark: int
    before: int | None

    @property
    def first(self) -> int:
        """The first frame of the span."""
        return 0 if self.before is None else self.before + 1


def best_join(
    agreements: Sequence[float], forward: Sequence[float], backward: Sequence[float]
) -> int:
    """How many frames of a span are taken from the forward way; the others from the backward one.

    Args:
        agreements: IoU of both ways in every frame.
        forward: doubt of that way in every frame, 0..1.
        backward: the same of the other way.

    Returns:
        0 to as many as there are; the least mean doubt, plus what the ways disagree where they
        meet.

    Example:
        >>> best_join([0.9, 0.2, 0.1], [0.0, 0.9, 0.9], [0.9, 0.0, 0.0])
        1
    """
    count = len(agreements)
    costs = []
    for taken in range(count + 1):
        doubt = (sum(forward[:taken]) + sum(backward[taken:])) / max(1, count)
        at = agreements[max(0, taken - 1) : taken + 1]
        costs.append(doubt + 1 - (max(at) if at else 1.0))
    return int(np.argmin(costs))


def doubt_of(entry: FrameObject) -> float:
    """Doubt of one way in a frame; where it has lost the object, that of a mask not to be followed.

    A lost object has no mask that could be doubted. Between two marks the way that still sees it is
    to be preferred, as long as its mask is worth following.
    """
    return entry.doubt if entry.present else SPILL


class Joiner:
    """Writes joined masks into a clip's results, so that a kill at any time loses nothing."""

    def __init__(self, files: ClipFiles, clip: Clip, numbers: Mapping[str, int]) -> None:
        self._files, self._clip, self._numbers = files, clip, numbers
        self._size = (clip.height, clip.width)

    @property
    def _folder(self) -> Path:
        return self._files.folder / ".persam-joining"

    @property
    def _done(self) -> Path:
        return self._folder / "lines.jsonl"

    def join(
        self,
        tracker: FrameTracker,
        span: BackwardSpan,
        mask: np.ndarray,
        lines: dict[int, FrameLine],
    ) -> None:
        """Track one object backwards and put the better end of that into the results.

        Args:
            tracker: of that object alone, new.
            span: the frames.
            mask: ``(height, width)`` bool, the object in the marked frame.
            lines: of the clip by frame number; those of the span are replaced.
        """
        shutil.rmtree(self._folder, ignore_errors=True)
        found = self._track(tracker, span, mask, lines)
        order = range(span.first, span.mark)
        forward = [lines[number].objects[span.name] for number in order]
        agreements = [
            overlap(
                self._labels(self._files.mask(lines[n].name)) == self._number(span), self._own(n)
            ).iou
            if forward[n - span.first].present or found[n].present
            else 1.0
            for n in order
        ]
        taken = 0
        if span.before is not None:
            doubts = [doubt_of(found[number]) for number in order]
            taken = best_join(agreements, [*map(doubt_of, forward)], doubts)
        changed = []
        seen = span.before is not None  # the frame before is that mark
        there = forward[taken - 1].present if taken else seen
        for number in order[taken:]:
            line, now = lines[number], found[number].present
            self._combine(number, line, span)
            entry = replace(found[number], event=event_of(seen=seen, before=there, now=now))
            changed.append(replace(line, objects={**line.objects, span.name: entry}))
            seen, there = seen or now, now
        write_text(self._done, "".join(line.to_json() + "\n" for line in changed))
        for line in self.finish():
            lines[line.index] = line

    def finish(self) -> list[FrameLine]:
        """Bring a join to its end that is decided but not all written; give its lines.

        One that is not decided yet leaves nothing behind.
        """
        lines = read_lines(self._done, FrameLine.from_json) if self._done.exists() else []
        for line in lines:
            made = self._folder / f"{line.index}.png"
            if made.exists():
                mask = self._files.mask(line.name)
                self._files.own.refuse_others(mask)
                self._files.own.announce(mask, str(file_sha256(made)))
                made.replace(mask)
            append_line(self._files.manifest, line.to_json())
        shutil.rmtree(self._folder, ignore_errors=True)
        return lines

    def _track(
        self,
        tracker: FrameTracker,
        span: BackwardSpan,
        mask: np.ndarray,
        lines: Mapping[int, FrameLine],
    ) -> dict[int, FrameObject]:
        """Masks of the span go to files of their own; what is said of them comes back."""
        found = {}
        for frame in self._clip.backwards(
            span.first, span.mark + 1, lambda number: lines[number].pts
        ):
            marked = {span.name: mask} if frame.index == span.mark else {}
            answer = tracker.step(frame.image, span.mark - frame.index, marked)[span.name]
            if frame.index < span.mark:
                write_labels(self._folder / f"{frame.index}.png", answer.mask.astype(np.uint8))
                # What is cut backwards is not so forwards.
                before = lines[frame.index].objects[span.name]
                found[frame.index] = replace(FrameObject.of(answer), new_shot=before.new_shot)
        return found

    def _combine(self, number: int, line: FrameLine, span: BackwardSpan) -> None:
        """Make the frame's label map of what it has and the new mask, which gives way to others."""
        labels = self._labels(self._files.mask(line.name)).copy()
        labels[labels == self._number(span)] = 0
        labels[self._own(number) & (labels == 0)] = self._number(span)
        write_labels(self._folder / f"{number}.png", labels)

    def _number(self, span: BackwardSpan) -> int:
        return self._numbers[span.name]

    def _own(self, number: int) -> np.ndarray:
        return self._labels(self._folder / f"{number}.png") > 0

    def _labels(self, path: Path) -> np.ndarray:
        return read_labels(path, self._size)
