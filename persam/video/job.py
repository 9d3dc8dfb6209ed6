"""The loop over one clip: frames in, all results on disk out, resumable.

Masks and the manifest are written frame by frame; an interrupted run goes on behind the last frame
that has both. Frames that are done are decoded again where a video is asked for, but not tracked
again: their masks are read back. Tracking then starts anew at the last of them, with its masks as
those of the first frame, so what a tracker remembers of earlier frames is lost there.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from persam.errors import InputError
from persam.io.masks import read_labels
from persam.io.records import append_line, read_lines
from persam.io.writers import remove_leftovers, write_text
from persam.runs import locked, refuse_other_settings
from persam.video.clip import Clip, Damage
from persam.video.labels import number_objects, split_labels
from persam.video.output_files import ClipFiles, ClipOutput, refuse_to_overwrite, remove_results
from persam.video.outputs import FrameWriters, write_annotations
from persam.video.record import ClipRun, FrameLine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import numpy as np

    from persam.video.structures import FrameResult, VideoFrame


class ClipTracker(Protocol):
    """Finds objects in frames: an answer a frame, in their order."""

    def __call__(
        self, frames: Iterable[VideoFrame], *, first: Mapping[str, np.ndarray] | None
    ) -> Iterator[FrameResult]:
        """Take frames, the masks of the first one where they are known, and give answers."""
        ...


@dataclass(frozen=True)
class TrackRequest:
    """What to look for in a clip, and how.

    Attributes:
        objects: names.
        follow: finds them, as :func:`persam.video.tracking.track` with its concepts bound.
        first: masks of the clip's first frame by object name, where they are known.
        settings: all that the answers depend on besides the clip, as JSON can hold it; a run goes
            on only under the same.
    """

    objects: tuple[str, ...]
    follow: ClipTracker
    first: Mapping[str, np.ndarray] | None = None
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
    """

    frames: int
    resumed: int
    present: Mapping[str, int]
    damage: Damage
    folder: Path


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
            of other settings, another run writes into it, or a file cannot be written.
    """
    output = output if isinstance(output, ClipOutput) else ClipOutput(output)
    with locked(output.folder):
        run = _ClipJob(request, clip, output)
        if not run.complete():
            run.begin()
            for line in run.results():
                if on_progress is not None:
                    on_progress(line)
            run.end()
    present = Counter(dict.fromkeys(request.objects, 0))
    for line in run.lines:
        present.update(name for name, entry in line.objects.items() if entry.present)
    return ClipSummary(len(run.lines), run.resumed, dict(present), run.damage, run.files.folder)


class _ClipJob:
    """One pass over the clip: what is settled before its first frame, and the loop."""

    def __init__(self, request: TrackRequest, clip: Clip, output: ClipOutput) -> None:
        self.request, self.clip, self.output = request, clip, output
        self.numbers = number_objects(request.objects)
        self.files = ClipFiles(output.folder, request.objects)
        self.settings = {
            "clip": clip.stamp,
            "rate": str(clip.rate),
            "objects": self.numbers,
            **request.settings,
        }
        refuse_to_overwrite(self.files, (clip.path, *output.protected))
        self.kept = ClipRun.read(self.files.run)
        if output.overwrite:
            remove_results(self.files)
            self.kept = None
        else:
            self._refuse_other()
        self.lines, self.damage = self._done(), clip.damage
        self.resumed = len(self.lines)

    def complete(self) -> bool:
        """Whether everything that is asked for lies there."""
        ended = (self.kept.ended if self.kept else None) or {"frames": -1}
        if ended["frames"] != len(self.lines):
            return False
        cutouts = () if "cutouts" not in self.output.save else self.request.objects
        files = (self.files.cutout(name, line.name) for line in self.lines for name in cutouts)
        if self.files.wanted(self.output.save) or not all(map(Path.exists, files)):
            return False
        known = asdict(Damage()).keys() & ended.keys()
        self.damage = Damage(**{name: ended[name] for name in known})
        return True

    def begin(self) -> None:
        for folder in (self.files.folder, *self.files.frame_folders()):
            remove_leftovers(folder)
        # A killed run may have left half a line, which the next one must not be appended to.
        write_text(self.files.manifest, "".join(line.to_json() + "\n" for line in self.lines))
        ClipRun(self.settings).write(self.files.run)

    def results(self) -> Iterator[FrameLine]:
        writers = FrameWriters(self.files, self.clip, self.numbers, self.output.save)
        try:
            frames = iter(self.clip)
            last = None
            for line, frame in zip(tuple(self.lines), frames, strict=False):
                last = frame
                writers.write(frame, self._masks(frame.name))
                yield line
            for frame, answer in self._answers(frames, last):
                found = {name: answer[name] for name in self.request.objects}
                masks = {name: one.mask for name, one in found.items()}
                writers.write_masks(frame, masks)
                line = FrameLine.of(frame, found)
                append_line(self.files.manifest, line.to_json())
                self.lines.append(line)
                writers.write(frame, masks)
                yield line
            writers.finish()
        finally:
            writers.discard()

    def end(self) -> None:
        if self.files.annotations in self.files.wanted(self.output.save):
            write_annotations(self.files, self.clip, self.numbers, self.lines, self._labels)
        ended = {"frames": len(self.lines), **asdict(self.damage)}
        ClipRun(self.settings, ended).write(self.files.run)

    def _answers(
        self, frames: Iterator[VideoFrame], last: VideoFrame | None
    ) -> Iterator[tuple[VideoFrame, FrameResult]]:
        """The frames that are not done, with what was found in them."""
        if last is None:
            yield from _paired(self.request.follow, frames, self.request.first)
            return
        following = next(frames, None)
        if following is None:
            return
        masks = self._masks(last.name)
        # A mask of nothing, or of everything, shows no object.
        first = {name: mask for name, mask in masks.items() if mask.any() and not mask.all()}
        again = _paired(self.request.follow, chain((last, following), frames), first or None)
        yield from islice(again, 1, None)

    def _masks(self, frame: str) -> dict[str, np.ndarray]:
        return split_labels(self._labels(frame), self.numbers)

    def _labels(self, frame: str) -> np.ndarray:
        return read_labels(self.files.mask(frame), (self.clip.height, self.clip.width))

    def _done(self) -> list[FrameLine]:
        """Lines of the frames that need not be tracked again."""
        lines = read_lines(self.files.manifest, FrameLine.from_json)
        good = 0
        while good < len(lines) and self._holds(lines[good], good):
            good += 1
        return lines[:good]

    def _holds(self, line: FrameLine, index: int) -> bool:
        return line.index == index and self.files.mask(line.name).is_file()

    def _refuse_other(self) -> None:
        folder = self.files.folder
        if self.kept is not None:
            advice = "Say --overwrite to begin anew, or choose another folder."
            refuse_other_settings(folder, self.kept.settings, self.settings, advice)
            return
        taken = [path for path in self.files.single_files() if path.exists()]
        taken += [path for path in self.files.frame_folders() if path.is_dir()]
        if taken:
            raise InputError(
                f"{taken[0]} is there already, and not from a run on a clip. Say --overwrite to "
                f"write over it, or choose another folder."
            )


def _paired(
    follow: ClipTracker, frames: Iterator[VideoFrame], first: Mapping[str, np.ndarray] | None
) -> Iterator[tuple[VideoFrame, FrameResult]]:
    """Every frame with its answer, though the frames flow through the tracker."""
    waiting: deque[VideoFrame] = deque()

    def passing() -> Iterator[VideoFrame]:
        for frame in frames:
            waiting.append(frame)
            yield frame

    for answer in follow(passing(), first=first):
        yield waiting.popleft(), answer
    if waiting:
        raise ValueError(f"The tracker left {len(waiting)} frames without an answer.")
