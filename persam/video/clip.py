"""Clips in: a video file, or a folder of frames, as pictures one after the other."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from persam.errors import InputError
from persam.io.folders import list_images, name_outputs
from persam.io.images import read_image
from persam.video.structures import ClipFormat, Damage, Start, VideoFrame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy as np

FOLDER_RATE = Fraction(25)
# Frames that are read at once to be given backwards.
_BYTES_AT_ONCE, _FEWEST = 256_000_000, 4


class ClipReader(Protocol):
    """Decodes a clip."""

    def __call__(self, damage: Damage, start: Start | None = None) -> Iterator[VideoFrame]:
        """Give the frames from ``start`` on, or all; count what goes wrong."""
        ...


@dataclass(frozen=True)
class Clip:
    """A clip that can be read from its beginning any number of times.

    Iterating decodes one frame at a time and gives a :class:`VideoFrame` each.

    Attributes:
        path: the file or folder.
        format: size, timing and colour.
        frames: how many it announces to have; None where only reading tells.
        has_sound: whether there is a sound track.
        stamp: changes when the file, or any file of the folder, changes.
        pictures: file names of a folder's frames by their names.
        passed_over: entries of a folder that are no pictures.
        damage: of the latest reading, so far.
    """

    path: Path
    format: ClipFormat
    frames: int | None
    has_sound: bool
    stamp: str
    reader: ClipReader = field(repr=False)
    pictures: Mapping[str, str] = field(default_factory=dict, repr=False)
    passed_over: tuple[Path, ...] = ()
    damage: Damage = field(default_factory=Damage, compare=False)

    @property
    def width(self) -> int:
        """Of the upright pictures, in pixels."""
        return self.format.width

    @property
    def height(self) -> int:
        """Of the upright pictures, in pixels."""
        return self.format.height

    @property
    def rate(self) -> Fraction:
        """Frames per second, on average."""
        return self.format.rate

    def __iter__(self) -> Iterator[VideoFrame]:
        """Read from the beginning.

        Raises:
            InputError: a frame of a file has another size than the first.
        """
        self.damage.reset()
        yield from self._checked(self.reader(self.damage))

    def backwards(self, start: int, stop: int, time: Callable[[int], int]) -> Iterator[VideoFrame]:
        """Read frames ``stop - 1`` down to ``start``; a bounded number of them in memory.

        Args:
            start: number of the last frame to give.
            stop: number of the frame after the first one to give.
            time: gives the time of a frame, in the clip's units, as an earlier reading found it.

        Raises:
            InputError: a frame is not there any more.
        """
        at_once = max(_FEWEST, _BYTES_AT_ONCE // (3 * self.width * self.height))
        for high in range(stop, start, -at_once):
            low = max(start, high - at_once)
            frames = self._checked(self.reader(Damage(), Start(low, time(low))))
            part = list(islice(frames, high - low))
            if len(part) < high - low:
                raise InputError(f"{self.path} has no frame {low + len(part)} any more.")
            yield from reversed(part)

    def _checked(self, frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
        for frame in frames:
            height, width = frame.image.shape[:2]
            if (height, width) != (self.height, self.width):
                raise InputError(
                    f"Frame {frame.name} of {self.path} is {width}x{height}, the first one "
                    f"{self.width}x{self.height}. Cut the clip where its size changes."
                )
            yield frame


def open_clip(path: str | Path, fps: Fraction | float | None = None) -> Clip:
    """Open a clip.

    Args:
        path: a file that FFmpeg reads, or a folder of pictures in the order of their names.
        fps: frames per second of a folder; 25 where not given.

    Raises:
        InputError: missing, no video, without frames, or an ``fps`` that cannot be used.
        MissingExtra: a file without PyAV.
    """
    path = Path(path)
    if path.is_dir():
        return _open_folder(path, FOLDER_RATE if fps is None else _rate(fps))
    if fps is not None:
        raise InputError(
            f"--fps {float(fps):g} would do nothing: {path} says itself when its frames are shown. "
            f"Leave it out; it is for folders of frames."
        )
    try:
        facts = path.stat()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    from persam.video.decoding import examine, read_frames

    found = examine(path)
    return Clip(
        path=path,
        format=found.format,
        frames=found.frames,
        has_sound=found.has_sound,
        stamp=f"{facts.st_size} {facts.st_mtime_ns}",
        reader=partial(read_frames, path),
    )


FASTEST = 10_000  # frames per second; no file keeps finer times than that


def _rate(fps: Fraction | float) -> Fraction:
    try:
        rate = Fraction(str(fps)).limit_denominator(1001)
    except ValueError:  # not a number, or infinite
        rate = Fraction(0)
    if not 0 < rate <= FASTEST:
        raise InputError(
            f"--fps is a number of frames per second above 0, at most {FASTEST}; got {fps}."
        )
    return rate


def _open_folder(path: Path, rate: Fraction) -> Clip:
    listing = list_images([path])
    photos = listing.photos
    names = name_outputs(photos, {})
    height, width = _first_size(path, photos)
    digest = hashlib.sha256()
    for photo in photos:
        digest.update(f"{photo.name}\0{_facts(photo)}\n".encode(errors="replace"))
    time_base = 1 / rate

    def read(damage: Damage, start: Start | None = None) -> Iterator[VideoFrame]:
        count, first = (0, 0) if start is None else (start.index, start.pts)
        for place in range(first, len(photos)):
            photo, name = photos[place], names[place]
            image = _read_frame(photo, (height, width), damage)
            if image is not None:
                yield VideoFrame(image, count, place, time_base, name)
                count += 1

    return Clip(
        path=path,
        format=ClipFormat(width, height, time_base, rate),
        frames=len(photos),
        has_sound=False,
        stamp=digest.hexdigest()[:16],
        reader=read,
        pictures={name: photo.name for name, photo in zip(names, photos, strict=True)},
        passed_over=listing.passed_over,
    )


def _facts(photo: Path) -> str:
    """Size and date of a file; nothing of one that is not there, which reading it will say."""
    try:
        facts = photo.stat()
    except OSError:
        return ""
    return f"{facts.st_size}\0{facts.st_mtime_ns}"


def _first_size(path: Path, photos: Sequence[Path]) -> tuple[int, int]:
    """``(height, width)`` of the first frame that can be read."""
    for photo in photos:
        with suppress(InputError):
            height, width = read_image(photo).shape[:2]
            return height, width
    raise InputError(f"None of the {len(photos)} pictures in {path} can be read.")


def _read_frame(photo: Path, size: tuple[int, int], damage: Damage) -> np.ndarray | None:
    """A frame of a folder; one that is damaged or of another size is left out and counted."""
    try:
        image = read_image(photo)
    except InputError as error:
        damage.lose(str(error))
        return None
    if image.shape[:2] == size:
        return image
    height, width = image.shape[:2]
    damage.lose(f"{photo} is {width}x{height}, the first frame {size[1]}x{size[0]}.")
    return None
