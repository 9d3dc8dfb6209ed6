"""Clips: their frames as pictures to look at and click in, and what tracking found in each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from persam.app.photos import MediaFile, UnknownFile
from persam.errors import InputError
from persam.io import drawing
from persam.io.masks import read_labels
from persam.io.records import read_lines
from persam.io.writers import jpeg, write_bytes, write_text
from persam.video.clip import open_clip
from persam.video.output_files import ClipFiles
from persam.video.record import FrameLine
from persam.video.review import needs_review

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from persam.app.objects import NamedObject

SIDE = 1920  # longest side of the frames that are shown and clicked in
_QUALITY = 93


@dataclass(frozen=True)
class ClipFacts:
    """What ``clip.json`` holds, once all frames are read.

    Attributes:
        stamp: of the clip's file; another one makes the frames be read again.
        rate: frames a second.
        names: of the frames' results, in order.
    """

    stamp: int
    rate: float
    names: tuple[str, ...]


_ADAPTER = TypeAdapter(ClipFacts)


class ClipFolder:
    """The folder of a clip within the run's: ``frames/`` to look at, ``track/`` as found."""

    def __init__(self, run: Path, clip: MediaFile) -> None:
        self.clip = clip
        self.folder = run / "clips" / f"{clip.path.stem[:60]}-{clip.id[:6]}"
        self.track = self.folder / "track"

    @property
    def facts(self) -> ClipFacts | None:
        """Of the clip; None before its frames are read."""
        try:
            found = _ADAPTER.validate_json((self.folder / "clip.json").read_bytes())
        except (OSError, ValidationError):
            return None
        return found if found.stamp == self.clip.changed else None

    def read(self, on_progress: Callable[[], None]) -> None:
        """Decode the clip once and write each frame as a picture.

        Raises:
            InputError: it is no clip.
            MissingExtra: without PyAV.
        """
        opened = open_clip(self.clip.path)
        names = []
        for frame in opened:
            small = drawing.thumbnail(frame.image, SIDE)
            write_bytes(self._file(frame.index), jpeg(small, _QUALITY), durable=False)
            names.append(frame.name)
            on_progress()
        facts = ClipFacts(self.clip.changed, float(opened.rate), tuple(names))
        write_text(self.folder / "clip.json", json.dumps(asdict(facts)))

    def frame(self, index: int) -> MediaFile:
        """A frame as a picture of its own.

        Raises:
            UnknownFile: there is none of that number.
        """
        path = self._file(index)
        if index < 0 or not path.is_file():
            raise UnknownFile("There is no such frame. Open the clip again.")
        return MediaFile(f"{self.clip.id}-{index}", path, self.clip.changed)

    def index(self, path: Path) -> int | None:
        """The number of a frame's picture; None of another file."""
        return int(path.stem) if path.parent == self.folder / "frames" else None

    def lines(self) -> list[FrameLine]:
        """What tracking found, frame by frame, as far as it came."""
        return read_lines(self.track / "manifest.jsonl", FrameLine.from_json)

    def masks(self, index: int) -> dict[str, np.ndarray]:
        """Masks of a frame as it was tracked, by name, at the size of its picture."""
        facts = self.facts
        if facts is None or index >= len(facts.names):
            return {}
        path = ClipFiles(self.track, ()).mask(facts.names[index])
        if not path.is_file():
            return {}
        labels = Image.fromarray(read_labels(path, _size(path, "PNG")))
        height, width = _size(self._file(index), "JPEG")
        shown = np.array(labels.resize((width, height), Image.Resampling.NEAREST))
        masks = {name: shown == number for name, number in self._numbers().items()}
        return {name: mask for name, mask in masks.items() if mask.any()}

    def describe(self, objects: Sequence[NamedObject]) -> dict[str, Any]:
        """What the page is told of a clip."""
        facts = self.facts
        marks = {
            index: {"object": one.name, "kind": mark.kind, "frame": index}
            for one in objects
            for mark in one.marks
            if (index := self.index(Path(mark.photo))) is not None
        }
        return {
            "id": self.clip.id,
            "name": self.clip.path.name,
            "ready": facts is not None,
            "frames": len(facts.names) if facts else 0,
            "rate": facts.rate if facts else 0,
            "lines": [frame_json(line) for line in self.lines()],
            "marks": list(marks.values()),
        }

    def _numbers(self) -> dict[str, int]:
        """The label number of each tracked object."""
        if not (self.track / "run.json").exists():
            return {}
        try:
            settings = json.loads((self.track / "run.json").read_bytes())["settings"]
            return {str(name): int(number) for name, number in settings["objects"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{self.track} is not the folder of a tracked clip.") from error

    def _file(self, index: int) -> Path:
        return self.folder / "frames" / f"{index:06d}.jpg"


def frame_json(line: FrameLine) -> dict[str, Any]:
    """What the page is told of a tracked frame."""
    found = {
        name: {"present": one.present, "score": one.score, "doubt": one.doubt}
        | {"reason": one.reason, "event": one.event, "review": needs_review(one)}
        for name, one in line.objects.items()
    }
    return {"index": line.index, "seconds": line.seconds, "objects": found}


def _size(path: Path, kind: str) -> tuple[int, int]:
    """``(height, width)`` of a picture that this program wrote."""
    with Image.open(path, formats=[kind]) as image:
        return image.height, image.width
