"""What lies in a clip's folder of results: which frames are done, and what may be kept of them."""

from __future__ import annotations

from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from persam.errors import InputError
from persam.io.masks import read_labels
from persam.io.records import append_line, read_lines
from persam.io.writers import remove_leftovers, write_text
from persam.runs import refuse_other_settings
from persam.video.labels import number_objects, split_labels
from persam.video.marks import Span, check_marks, digests, outdated
from persam.video.output_files import (
    ClipFiles,
    ClipOutput,
    adopt_results,
    refuse_to_overwrite,
    remove_results,
)
from persam.video.record import ClipRun, FrameLine
from persam.video.structures import Damage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from persam.video.clip import Clip
    from persam.video.marks import Marks


class ClipState:
    """The results of one clip so far.

    Attributes:
        files: where they lie.
        numbers: label of every object.
        lines: of the frames that are done, by their numbers; :meth:`read` finds them.
        joined: marks from which tracking backwards is done, as frame number and object name.
    """

    def __init__(
        self,
        clip: Clip,
        objects: Sequence[str],
        marked: Marks,
        settings: Mapping[str, Any],
        output: ClipOutput,
    ) -> None:
        """Settle whether this run may go on in the folder.

        Raises:
            InputError: a result would overwrite something of the user's, the folder holds the
                results of other settings, or a mark cannot be of this clip.
        """
        self.numbers = number_objects(objects)
        self.files = ClipFiles(output.folder, objects, all_own=output.overwrite_hand_work)
        self.lines: dict[int, FrameLine] = {}
        self._size = (clip.height, clip.width)
        own = {"clip": clip.stamp, "rate": str(clip.rate), "objects": self.numbers}
        self._settings = {**own, **settings}
        refuse_to_overwrite(self.files, (clip.path, *output.protected))
        check_marks(marked, self._size, tuple(objects))
        self._before = ClipRun.read(self.files.run)
        if self._before is None:
            self._refuse_foreign()
        elif not self.files.own.any:
            adopt_results(self.files)
        if output.overwrite or (self._before is None and output.overwrite_hand_work):
            remove_results(self.files)
            self._before = None
        elif self._before is not None:
            advice = "Say --overwrite to begin anew, or choose another folder."
            before = self._before.settings
            refuse_other_settings(self.files.folder, before, self._settings, advice)
        self._digests = digests(marked)
        self._outdated, self.joined = self._changes()

    @property
    def ordered(self) -> list[FrameLine]:
        """The lines in the order of the frames."""
        return [self.lines[number] for number in sorted(self.lines)]

    @property
    def ended(self) -> Damage | None:
        """What was wrong with the clip, of a run that has reached its end and still holds."""
        ended = self._before.ended if self._before else None
        if ended is None or self._outdated or ended.get("frames") != len(self.lines):
            return None
        known = asdict(Damage()).keys() & ended.keys()
        return Damage(**{name: ended[name] for name in known})

    def read(self) -> None:
        """Find the lines of the frames that need not be tracked again."""
        lines = {line.index: line for line in read_lines(self.files.manifest, FrameLine.from_json)}
        self.lines = {number: line for number, line in lines.items() if self._holds(line)}

    def begin(self) -> None:
        """Write down what this run is, before its first frame."""
        for folder in (self.files.folder, *self.files.frame_folders()):
            remove_leftovers(folder)
        self.files.own.tidy()
        if self._outdated:
            outdated = self.files.of_all_frames()
            for path in outdated:
                self.files.own.refuse_others(path)
            for path in outdated:
                self.files.own.remove(path)
        if self._before is None:  # so that what lies there has an owner from the first file on
            self.write_run()
        self._write_lines()
        self.write_run()

    def end(self, damage: Damage) -> None:
        """Write down that the clip's end was reached."""
        self._write_lines()
        self.write_run({"frames": len(self.lines), **asdict(damage)})

    def add(self, line: FrameLine) -> None:
        """Take the line of a frame whose masks are written."""
        append_line(self.files.manifest, line.to_json())
        self.lines[line.index] = line

    def gap(self) -> tuple[int, int | None]:
        """The first frame that is not done, and the first one behind it that is."""
        start = next(number for number in count() if number not in self.lines)
        return start, min((number for number in self.lines if number > start), default=None)

    def masks(self, frame: str) -> dict[str, np.ndarray]:
        """The masks of a frame by object name, read back."""
        return split_labels(self.labels(frame), self.numbers)

    def labels(self, frame: str) -> np.ndarray:
        """The label map of a frame, read back."""
        return read_labels(self.files.mask(frame), self._size)

    def write_run(self, ended: Mapping[str, Any] | None = None) -> None:
        """Write ``run.json``."""
        joined = sorted(self.joined)
        ClipRun(self._settings, ended, self._digests, joined).write(self.files.run)

    def _changes(self) -> tuple[list[Span], frozenset[tuple[int, str]]]:
        """What the marks have changed since the earlier run, and what of its joins still holds."""
        if self._before is None:
            return [], frozenset()
        joined = frozenset((number, name) for number, name in self._before.joined)
        return outdated(self._before.marked, self._digests, joined)

    def _holds(self, line: FrameLine) -> bool:
        known = all(name in line.objects for name in self.numbers)
        changed = any(span.holds(line.index) for span in self._outdated)
        return known and not changed and self.files.mask(line.name).is_file()

    def _write_lines(self) -> None:
        # A killed run may have left half a line, which the next one must not be appended to.
        write_text(self.files.manifest, "".join(line.to_json() + "\n" for line in self.ordered))

    def _refuse_foreign(self) -> None:
        """Refuse files that no run on a clip wrote, where there is no run to go on with."""
        files, own = self.files, self.files.own
        folders = filter(Path.is_dir, files.frame_folders())
        inside = (path for folder in folders for path in folder.iterdir())
        results = (*files.of_all_frames(), *filter(Path.is_file, inside))
        taken = [path for path in results if own.state(path) in ("changed", "foreign")]
        if files.manifest.exists() and not (own.any or own.all_own):
            taken.append(files.manifest)
        if taken:
            raise InputError(
                f"{taken[0]} is there already, and not from a run on a clip. Choose another "
                f"folder, or write over it by --overwrite-hand-work."
            )
