"""The loop over one clip: frames in, all results on disk out, resumable.

Masks and the manifest are written frame by frame; an interrupted run goes on behind the last frame
that has both. Frames that are done are decoded again, but not tracked again: the tracker is told
what the manifest says of them, and their masks are read back. Where a person has marked later
frames than the first, the clip is tracked backwards from these, too, and both ways are joined
(:mod:`persam.video.joining`) before anything else is made of the masks.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from persam.errors import InputError
from persam.runs import locked
from persam.video.ahead import frames_ahead
from persam.video.clip_state import ClipState
from persam.video.joining import BackwardSpan, Joiner
from persam.video.marks import marked_before
from persam.video.output_files import ClipOutput
from persam.video.outputs import FrameWriters, write_annotations
from persam.video.record import FrameLine, ResumableTracker
from persam.video.review import write_review

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from persam.video.clip import Clip
    from persam.video.marks import Marks
    from persam.video.structures import Damage, VideoFrame

_LOG = logging.getLogger(__name__)
NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True)
class TrackRequest:
    """What to look for in a clip, and how.

    Attributes:
        objects: names.
        tracker: makes what finds some of them, by their names; a new one for every way through
            the clip.
        marked: masks that a person gave, by frame number and object name.
        settings: all that the answers depend on besides the clip and the marks, as JSON can hold
            it; a run goes on only under the same.
    """

    objects: tuple[str, ...]
    tracker: Callable[[Sequence[str]], ResumableTracker]
    marked: Marks = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ClipSummary:
    """What a run did.

    Attributes:
        frames: how many the clip has.
        resumed: how many of them were done already by an earlier run.
        present: object name -> in how many frames it is.
        damage: what was wrong with the clip.
        folder: where everything lies.
        doubtful: how many masks of all objects are to be looked at; ``review.json`` lists them.
        notes: what could not be made as asked, in words.
    """

    frames: int
    resumed: int
    present: Mapping[str, int]
    damage: Damage
    folder: Path
    doubtful: int = 0
    notes: tuple[str, ...] = ()


def segment_clip(
    request: TrackRequest,
    clip: Clip,
    output: ClipOutput | str | Path,
    on_progress: Callable[[FrameLine], None] | None = None,
) -> ClipSummary:
    """Find objects in a clip and write the results, a few frames in memory at a time.

    Args:
        request: what to look for.
        clip: see :func:`persam.video.clip.open_clip`.
        output: the folder, or the folder with choices.
        on_progress: called after each frame, done ones included.

    Raises:
        InputError: a result would overwrite something of the user's, the folder holds the results
            of other settings, another run writes into it, a marked frame is none of the clip's,
            or a file cannot be written.
    """
    output = output if isinstance(output, ClipOutput) else ClipOutput(output)
    with locked(output.folder):
        run = _ClipJob(request, clip, output)
        if not run.complete():
            for line in run.results():
                _LOG.info("%s: %s", run.state.files.folder, line.name)
                if on_progress is not None:
                    on_progress(line)
        lines, files = run.state.ordered, run.state.files
        doubtful = write_review(files, lines)
    present = Counter(dict.fromkeys(request.objects, 0))
    for line in lines:
        present.update(name for name, entry in line.objects.items() if entry.present)
    return ClipSummary(
        frames=len(lines),
        resumed=run.resumed,
        present=dict(present),
        damage=run.damage,
        folder=files.folder,
        doubtful=doubtful,
        notes=tuple(run.notes),
    )


class _ClipJob:
    """One run over the clip: the ways through it, one after the other."""

    def __init__(self, request: TrackRequest, clip: Clip, output: ClipOutput) -> None:
        self.request, self.clip, self.output = request, clip, output
        self.notes: list[str] = []
        self.state = ClipState(clip, request.objects, request.marked, request.settings, output)
        self.joiner = Joiner(self.state.files, clip, self.state.numbers)
        self.joiner.finish()
        self.state.read()
        self.resumed, self.damage = len(self.state.lines), clip.damage

    @property
    def both_ways(self) -> bool:
        """Whether the clip is tracked backwards, too."""
        return any(masks for number, masks in self.request.marked.items() if number > 0)

    def complete(self) -> bool:
        """Whether everything that is asked for lies there."""
        ended, files = self.state.ended, self.state.files
        if ended is None:
            return False
        save, lines = self.output.save, self.state.ordered
        pictures = (one[2] for line in lines for one in files.frame_pictures(save, line.name))
        if files.wanted(save) or not all(map(Path.exists, pictures)):
            return False
        self.damage = ended
        return True

    def results(self) -> Iterator[FrameLine]:
        """Make everything that is missing; gives each frame's line once."""
        self.state.begin()
        given: set[int] = set()
        stop: int | None = 0
        while stop is not None:
            start, stop = self.state.gap()
            # What follows a join is made of final masks alone.
            save = self.output.save if stop is None and not self.both_ways else NOTHING
            for line in self._pass(start, stop, save):
                if line.index not in given:
                    given.add(line.index)
                    yield line
        self._refuse_marks_behind()
        if self.both_ways:
            self._join()
            for _ in self._pass(len(self.state.lines), None, self.output.save):
                pass
        files = self.state.files
        if files.annotations in files.wanted(self.output.save):
            lines, numbers = self.state.ordered, self.state.numbers
            write_annotations(files, self.clip, numbers, lines, self.state.labels)
        self.state.end(self.damage)

    def _pass(self, start: int, stop: int | None, save: frozenset[str]) -> Iterator[FrameLine]:
        """Go through the clip once, up to ``stop``: track from ``start`` on, write what is asked.

        Args:
            start: number of the first frame that is not done.
            stop: number of the frame behind the last one; None for all.
            save: what is made besides masks and lines.
        """
        writers = FrameWriters(self.state.files, self.clip, self.state.numbers, save)
        tracker = None if self._all_tracked(start) else self._tracker(start)
        frames = frames_ahead(self.clip)
        try:
            for frame in frames:
                if frame.index == stop:
                    break
                line = self.state.lines.get(frame.index)
                if line is not None and tracker is not None:
                    masks = partial(self.state.masks, line.name)
                    tracker.recall(frame.image, frame.index, masks)
                if line is None:
                    tracker = tracker or self._tracker(start)
                    line = self._found(tracker, frame, writers)
                writers.write(frame, line.objects, partial(self.state.masks, line.name))
                yield line
            writers.finish()
            self.notes += writers.notes
        finally:
            frames.close()
            writers.discard()

    def _all_tracked(self, start: int) -> bool:
        """Whether no frame is left to be tracked, as far as is known."""
        joined = any((number, name) in self.state.joined for number, name in self._marks())
        return self.state.ended is not None or (joined and start == len(self.state.lines))

    def _marks(self) -> Iterator[tuple[int, str]]:
        """Frame number and object name of every mark, in the order of the frames."""
        for number in sorted(self.request.marked):
            for name in self.request.marked[number]:
                yield number, name

    def _tracker(self, start: int) -> ResumableTracker:
        """A tracker that knows what has been found before ``start``."""
        tracker = self.request.tracker(self.request.objects)
        if start > 0:
            tracker.plan([self.state.lines[number].objects for number in range(start)])
        return tracker

    def _found(
        self, tracker: ResumableTracker, frame: VideoFrame, writers: FrameWriters
    ) -> FrameLine:
        """Track the next frame and write its masks and line."""
        answer = tracker.step(frame.image, frame.index, self.request.marked.get(frame.index, {}))
        found = {name: answer[name] for name in self.request.objects}
        writers.write_masks(frame, {name: one.mask for name, one in found.items()})
        line = FrameLine.of(frame, found)
        self.state.add(line)
        return line

    def _join(self) -> None:
        """Track backwards from every mark from which that has not been done, and join."""
        marked, state = self.request.marked, self.state
        for number, name in self._marks():
            span = BackwardSpan(name, number, marked_before(marked, name, number))
            if (number, name) not in state.joined and span.first < number:
                tracker = self.request.tracker((name,))
                self.joiner.join(tracker, span, marked[number][name], state.lines)
            state.joined |= {(number, name)}
            state.write_run()

    def _refuse_marks_behind(self) -> None:
        frames = len(self.state.lines)
        behind = [number for number in self.request.marked if number >= frames]
        if behind:
            raise InputError(
                f"Frame {behind[0]} is marked, but {self.clip.path} has frames 0 to {frames - 1}."
            )
