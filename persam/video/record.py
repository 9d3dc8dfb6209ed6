"""What a run on a clip writes down: a line a frame, and the settings that they came from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from persam.io.records import is_file_name, parse, read_json
from persam.io.writers import write_text
from persam.structures import Box

if TYPE_CHECKING:
    from pathlib import Path

    from persam.video.structures import FrameResult, VideoFrame


@dataclass(frozen=True)
class FrameObject:
    """What became of one object in one frame.

    Attributes:
        present: whether its mask has any pixel.
        score: the model's estimate of the mask's IoU, about 0..1; 0 where it is absent.
        box: tight box of the mask in pixels, None where it is empty.
        likeness: to the object of the reference, -1..1; None where the recipe does not say.
    """

    present: bool
    score: float
    box: Box | None
    likeness: float | None


@dataclass(frozen=True)
class FrameLine:
    """One line of ``manifest.jsonl``.

    Attributes:
        index: of the frame, from 0 on.
        name: of its files.
        pts: its time, in the clip's own units.
        seconds: the same in seconds.
        objects: by object name.
    """

    index: int
    name: str
    pts: int
    seconds: float
    objects: Mapping[str, FrameObject]

    @classmethod
    def of(cls, frame: VideoFrame, answer: FrameResult) -> FrameLine:
        """The line of a frame and what was found in it."""
        objects = {
            name: FrameObject(
                present=found.present,
                score=round(float(found.score), 6),
                box=None if found.box is None else _box(found.box),
                likeness=None if found.likeness is None else round(float(found.likeness), 6),
            )
            for name, found in answer.items()
        }
        seconds = round(float(frame.pts * frame.time_base), 6)
        return cls(frame.index, frame.name, frame.pts, seconds, objects)

    def to_json(self) -> str:
        """All fields as one line of JSON."""
        return json.dumps(asdict(self), allow_nan=False)

    @classmethod
    def from_json(cls, line: str) -> FrameLine:
        """Read what :meth:`to_json` wrote.

        Raises:
            ValueError: it is something else.
        """
        found = parse(line, cls)
        # Files are found, and deleted, by these names.
        strange = [name for name in (found.name, *found.objects) if not is_file_name(name)]
        if strange:
            raise ValueError(f"{strange[0]!r} is no file's name")
        return found


def _box(box: Box) -> Box:
    x0, y0, x1, y1 = (int(value) for value in box)
    return x0, y0, x1, y1


@dataclass(frozen=True)
class ClipRun:
    """What ``run.json`` says of a folder of results.

    Attributes:
        settings: all that the masks depend on.
        ended: of a run that reached the clip's end, how many frames it read and what was damaged;
            None before.
    """

    settings: Mapping[str, Any]
    ended: Mapping[str, Any] | None = None

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        write_text(path, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> ClipRun | None:
        """Read what :meth:`write` wrote; None where there is no such file.

        Raises:
            InputError: something else wrote it.
        """
        return read_json(path, cls, "is not of a persam run. Choose another folder.")
