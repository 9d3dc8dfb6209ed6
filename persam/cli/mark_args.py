"""Objects that are marked in frames of the clip itself, as they are given on a command line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from persam.cli.object_args import numbers
from persam.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np

    from persam.models.base import Backbone
    from persam.pipeline.reference import Reference
    from persam.variants import Variant
    from persam.video.clip import Clip
    from persam.video.structures import VideoFrame

_FORM = "120=mask.png, 120:box=X0,Y0,X1,Y1 or 120:point=X,Y,not=X,Y, perhaps with NAME@ before it"
_HEAD = re.compile(
    r"(?:(?P<name>[^@]+)@)?(?P<frame>[0-9]{1,9})(?P<kind>[=:])(?P<rest>.+)", re.DOTALL
)


@dataclass(frozen=True)
class MarkArgs:
    """One object marked in one frame, as typed.

    Attributes:
        frame: its number, from 0 on; None for the first frame from ``seconds`` on.
        seconds: a time of the clip.
        name: of the object; None where it has none of its own.
        mask: a picture of the frame's size.
        box: ``x0,y0,x1,y1``.
        points: ``x,y`` each, on the object.
        not_points: the same, off it.
    """

    frame: int | None = 0
    seconds: float = 0.0
    name: str | None = None
    mask: Path | None = None
    box: str | None = None
    points: tuple[str, ...] = ()
    not_points: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str) -> MarkArgs:
        """Read a ``--keyframe``.

        Raises:
            InputError: it has another form.

        Example:
            >>> MarkArgs.of("cat@120:point=3,4,point=5,6,not=7,8").points
            ('3,4', '5,6')
        """
        head = _HEAD.fullmatch(text)
        if head is None:
            raise InputError(f"--keyframe takes {_FORM}; got {text!r}.")
        frame, name, rest = int(head["frame"]), head["name"], head["rest"]
        if head["kind"] == "=":
            return cls(frame, name=name, mask=Path(rest))
        parts: dict[str, tuple[str, ...]] = dict.fromkeys(("box", "point", "not"), ())
        for word, values in re.findall(r"(?:^|,)(\w+)=([^=]+?)(?=,\w+=|$)", rest):
            if word not in parts:
                raise InputError(f"--keyframe takes {_FORM}; got {word!r} in {text!r}.")
            parts[word] = (*parts[word], values)
        boxes, points = parts["box"], parts["point"]
        if len(boxes) > 1 or not (boxes or points):
            raise InputError(f"--keyframe takes {_FORM}; got {text!r}.")
        return cls(frame, 0.0, name, None, boxes[0] if boxes else None, points, parts["not"])

    @classmethod
    def own(
        cls, at: str | None, box: str | None, points: Sequence[str], not_points: Sequence[str]
    ) -> MarkArgs:
        """What ``--box``, ``--point`` and ``--not-point`` say of the clip's own frame ``--at``.

        Raises:
            InputError: the time has another form.
        """
        frame, seconds = (0, 0.0) if at is None else (None, seconds_of(at))
        return cls(frame, seconds, None, None, box, tuple(points), tuple(not_points))

    def masks(
        self, image: np.ndarray, backbone: Backbone, variant: Variant
    ) -> dict[str | None, np.ndarray]:
        """``(H, W)`` bool masks of the frame by object name; None for an object without one.

        Args:
            image: ``(H, W, 3)``, the frame.
            backbone: makes a mask of a box or points.
            variant: the recipe.

        Raises:
            InputError: a file that cannot be read, or a place that cannot be used.
        """
        from persam.pipeline.reference import encode_reference
        from persam.video.labels import read_objects

        if self.mask is None:
            return {self.name: encode_reference(backbone, self._reference(image), variant).mask}
        found = read_objects(self.mask, (image.shape[0], image.shape[1]))
        if len(found) == 1:
            return {self.name: next(iter(found.values()))}
        if self.name is not None:
            raise InputError(
                f"{self.mask} shows {len(found)} objects, but --keyframe {self.name}@{self.frame} "
                f"is about one. Leave the name out: they are named by their numbers."
            )
        return {str(number): mask for number, mask in found.items()}

    def _reference(self, image: np.ndarray) -> Reference:
        from persam.pipeline.reference import Reference

        return Reference(
            image,
            box=None if self.box is None else numbers(self.box, "box=", 4),
            points=[numbers(point, "point=", 2) for point in self.points] or None,
            not_points=[numbers(point, "not=", 2) for point in self.not_points],
        )


def seconds_of(text: str) -> float:
    """Read a time: seconds, minutes and seconds, or hours, minutes and seconds.

    Raises:
        InputError: something else was typed.

    Example:
        >>> seconds_of("90.5"), seconds_of("1:30.5"), seconds_of("1:00:02")
        (90.5, 90.5, 3602.0)
    """
    if not re.fullmatch(r"(?:[0-9]+:){0,2}[0-9]+(?:\.[0-9]*)?", text):
        raise InputError(f"--at takes a time as 12.5, 1:12.5 or 1:02:12.5; got {text!r}.")
    seconds = 0.0
    for part in text.split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


def frames_of(clip: Clip, marks: Sequence[MarkArgs]) -> dict[MarkArgs, tuple[int, np.ndarray]]:
    """Number and picture of the frame that every mark is about; one reading of the clip.

    Raises:
        InputError: the clip ends before one of them, or a number tells no more which one is meant.
    """
    missing = list(marks)
    found: dict[MarkArgs, tuple[int, np.ndarray]] = {}
    for frame in clip if missing else ():
        time = float(frame.pts * frame.time_base)
        for mark in tuple(missing):
            if frame.index == mark.frame or (mark.frame is None and time >= mark.seconds):
                if mark.frame is not None:
                    refuse_moved(clip, frame)
                found[mark] = (frame.index, frame.image)
                missing.remove(mark)
        if not missing:
            return found
    if missing:
        late = missing[0]
        at = f"{late.seconds:g} s" if late.frame is None else f"frame {late.frame}"
        raise InputError(f"{clip.path} ends before {at}. Mark a frame that it has.")
    return found


def refuse_moved(clip: Clip, frame: VideoFrame) -> None:
    """Refuse a mark where frames before it could not be read, so that it may be of another.

    Raises:
        InputError: names what could not be read.
    """
    if clip.pictures and frame.index != frame.pts:
        raise InputError(
            f"Frame {frame.index} of {clip.path} is marked, but pictures before {frame.name} "
            f"cannot be read, so that another may be meant: {' '.join(clip.damage.reasons)} Mend "
            f"them or take them out of the folder."
        )


def collect(
    marks: Iterable[tuple[int, Mapping[str | None, np.ndarray]]], only: str
) -> dict[int, dict[str, np.ndarray]]:
    """Masks by frame number and object name.

    Args:
        marks: masks of a frame by name each; None is the one object.
        only: the name of the one object.

    Raises:
        InputError: one object is marked twice in a frame.
    """
    found: dict[int, dict[str, np.ndarray]] = {}
    for number, masks in marks:
        for name, mask in masks.items():
            named = only if name is None else name
            if named in found.setdefault(number, {}):
                raise InputError(f"Frame {number} marks {named!r} twice. Leave one of them out.")
            found[number][named] = mask
    return found
