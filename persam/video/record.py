"""What a run on a clip writes down: a line a frame, and the settings that they came from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from persam.io.records import is_file_name, parse, read_json
from persam.io.writers import write_text
from persam.structures import Box
from persam.video.evidence import MaskEvidence, Reason
from persam.video.structures import Event

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

    from persam.video.structures import FrameResult, TrackedPrediction, VideoFrame


@dataclass(frozen=True)
class FrameObject:
    """What became of one object in one frame.

    Attributes:
        present: whether its mask has any pixel.
        score: the model's estimate of the mask's IoU, about 0..1; 0 where it is absent.
        box: tight box of the mask in pixels, None where it is empty.
        area: pixels of the mask.
        likeness: to the object as it is remembered, -1..1; None where nothing was compared.
        doubt, reason, event, evidence, region, new_shot, presence: see
            :class:`~persam.video.structures.TrackedPrediction`.
    """

    present: bool
    score: float
    box: Box | None
    likeness: float | None
    area: int = 0
    doubt: float = 0.0
    reason: Reason = ""
    event: Event = ""
    evidence: MaskEvidence | None = None
    region: Box | None = None
    new_shot: bool = False
    presence: float | None = None

    @classmethod
    def of(cls, found: TrackedPrediction) -> FrameObject:
        """The entry of what was found."""
        return cls(
            present=found.present,
            score=round(float(found.score), 6),
            box=None if found.box is None else _box(found.box),
            likeness=None if found.likeness is None else round(float(found.likeness), 6),
            area=int(found.mask.sum()),
            doubt=found.doubt,
            reason=found.reason,
            event=found.event,
            evidence=found.evidence,
            region=None if found.region is None else _box(found.region),
            new_shot=found.new_shot,
            presence=found.presence,
        )


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
        objects = {name: FrameObject.of(found) for name, found in answer.items()}
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


class ResumableTracker(Protocol):
    """Finds objects frame by frame, and goes on where an earlier run has stopped."""

    def step(self, image: np.ndarray, number: int, marked: Mapping[str, np.ndarray]) -> FrameResult:
        """Find them in the next frame; see :class:`persam.video.structures.FrameTracker`."""
        ...

    def plan(self, history: Sequence[Mapping[str, FrameObject]]) -> None:
        """Take over what an earlier run has written down of the frames before."""
        ...

    def recall(
        self, image: np.ndarray, number: int, masks: Callable[[], Mapping[str, np.ndarray]]
    ) -> None:
        """Be told of a frame of that history, in order; ``masks`` reads its masks back."""
        ...


@dataclass(frozen=True)
class ClipRun:
    """What ``run.json`` says of a folder of results.

    Attributes:
        settings: all that the masks depend on.
        ended: of a run that reached the clip's end, how many frames it read and what was damaged;
            None before.
        marked: digest of every mask that a person gave, by frame number and object name.
        joined: frame numbers and names of the marks up to which tracking backwards is done.
    """

    settings: Mapping[str, Any]
    ended: Mapping[str, Any] | None = None
    marked: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    joined: Sequence[tuple[int, str]] = ()

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
