"""The ways in which data sets keep a picture and its true mask."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from persam.errors import InputError
from persam.evaluation.datasets.segments import draw, own_size
from persam.io.images import read_image
from persam.io.masks import read_labels, read_mask
from persam.io.picture_file import picture_size

if TYPE_CHECKING:
    from pathlib import Path

Size = tuple[int, int]
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Values:
    """Which pixel values of a mask file are object.

    Attributes:
        first, last: the values, both included.
        indexed: they are label numbers, also where a palette colours them; otherwise they say how
            bright a pixel is.
        void: the value of pixels that the annotators left open; None where there are none.

    Example:
        >>> Values(7, 7, indexed=True, void=255)
        Values(first=7, last=7, indexed=True, void=255)
    """

    first: int
    last: int
    indexed: bool
    void: int | None = None

    def of(self, numbers: np.ndarray) -> np.ndarray:
        """Where of a mask's pixels the object is, ``(H, W)`` bool."""
        return (numbers >= self.first) & (numbers <= self.last)


@dataclass(frozen=True)
class Photo:
    """A picture file and a mask file.

    Attributes:
        stem: names the picture.
        image: the picture.
        labels: the mask.
        values: which of its pixel values are object. Picture and mask are then taken as they are
            stored, whatever their EXIF orientation, as the official loaders do, and the mask may
            be empty. None: all that is not black is object, there must be some, and both files
            are turned upright.

    Example:
        >>> from persam import samples
        >>> photo = Photo("00", *samples.files(samples.PICTURES, 0))
        >>> picture, truth = photo.read()
        >>> (picture.shape, truth.dtype)
        ((480, 640, 3), dtype('bool'))
    """

    stem: str
    image: Path
    labels: Path
    values: Values | None = None

    @property
    def indexed(self) -> bool:
        """Whether the mask's pixels are label numbers."""
        return self.values is not None and self.values.indexed

    @property
    def mask(self) -> Path | np.ndarray:
        """The mask file where all that is not black counts, else the true mask, read anew."""
        return self.labels if self.values is None else self.truth()

    @property
    def files(self) -> tuple[Path, ...]:
        """Picture and mask."""
        return (self.image, self.labels)

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """The picture ``(H, W, 3)`` uint8 RGB and its true mask ``(H, W)`` bool.

        Raises:
            InputError: a file cannot be read, the sizes differ, or the mask is empty and must not
                be.
        """
        picture = read_image(self.image, upright=self.values is None)
        height, width = picture.shape[:2]
        return picture, self.truth((height, width))

    def truth(self, size: Size | None = None) -> np.ndarray:
        """The true mask, ``(H, W)`` bool.

        Args:
            size: ``(H, W)`` of the picture that :meth:`read` gives; None looks it up.

        Raises:
            InputError: the mask cannot be read, has another size, or is empty and must not be.
        """
        size = size or picture_size(self.image, upright=self.values is None)
        if self.values is not None:
            return self.values.of(self._numbers(size))
        truth = read_mask(self.labels, size, usable=False) > 0
        if not truth.any():
            raise InputError(
                f"{self.labels} is empty, but this score needs the object in every photo. "
                f"Take photo and mask out of the folder."
            )
        return truth

    def annotation(self) -> tuple[np.ndarray, np.ndarray | None]:
        """The true mask and the pixels that the annotators left open, ``(H, W)`` bool each.

        Raises:
            InputError: as :meth:`truth`.
        """
        if self.values is None or self.values.void is None:
            return self.truth(), None
        numbers = self._numbers(picture_size(self.image, upright=False))
        return self.values.of(numbers), numbers == self.values.void

    def describe(self) -> str:
        """The picture's path."""
        return str(self.image)

    def complaint(self) -> str | None:
        """Another size, said as ``cat/00.png (6x9, not 6x8)``, height first."""
        upright = self.values is None
        given, wanted = (picture_size(file, upright=upright) for file in (self.labels, self.image))
        if given == wanted:
            return None
        name = f"{self.labels.parent.name}/{self.labels.name}"
        return f"{name} ({given[0]}x{given[1]}, not {wanted[0]}x{wanted[1]})"

    def _numbers(self, size: Size) -> np.ndarray:
        return read_labels(self.labels, size, luminance=not self.indexed)


@dataclass(frozen=True)
class SegmentedPhoto:
    """A picture file, and segments of it that an annotation file holds.

    Segments were drawn on the pixels as they are stored, so the picture is not turned by its EXIF
    orientation.

    Attributes:
        stem: names the picture.
        picture: its file.
        segments: COCO polygons and run lengths; together they are the mask.
        label: the class, for errors.
        box: ``(x0, y0, x1, y1)`` in pixels of the picture, ends excluded, which alone is shown;
            None shows all.

    Example:
        >>> from persam import samples
        >>> file, _ = samples.files(samples.PICTURES, 0)
        >>> square = ([10, 10, 14, 10, 14, 14, 10, 14],)
        >>> photo = SegmentedPhoto("00", file, (square,), "dog", box=(8, 8, 16, 16))
        >>> (photo.mask.shape, int(photo.mask.sum()))
        ((8, 8), 16)
    """

    stem: str
    picture: Path
    segments: tuple[Any, ...] = field(repr=False)
    label: str
    box: Box | None = None

    @property
    def image(self) -> Path | np.ndarray:
        """The file, or ``(H, W, 3)`` uint8 RGB within the box, read anew every time."""
        return self.picture if self.box is None else self._crop(self._pixels())

    @property
    def mask(self) -> np.ndarray:
        """The true mask of what is shown, ``(H, W)`` bool, drawn anew every time."""
        return self.truth()

    @property
    def files(self) -> tuple[Path, ...]:
        """The picture alone: the segments were read when the data set was opened."""
        return (self.picture,)

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """What is shown, ``(H, W, 3)`` uint8 RGB, and its true mask ``(H, W)`` bool, perhaps empty.

        Raises:
            InputError: the picture cannot be read, or segments or box do not fit it.
        """
        picture = self._pixels()
        height, width = picture.shape[:2]
        return self._crop(picture), self._crop(self._draw((height, width)))

    def truth(self, size: Size | None = None) -> np.ndarray:
        """The true mask of what is shown, ``(H, W)`` bool, perhaps empty.

        Args:
            size: ``(H, W)`` of what is shown; None looks it up.

        Raises:
            InputError: segments or box do not fit the picture, or the size is another one.
        """
        mask = self._crop(self._draw(self._size()))
        if size is not None and mask.shape != tuple(size):
            raise InputError(
                f"{self.describe()} is shown as {mask.shape[0]}x{mask.shape[1]} (height x width), "
                f"but its mask was asked for as {size[0]}x{size[1]}. Ask for the size that read() "
                f"gives."
            )
        return mask

    def annotation(self) -> tuple[np.ndarray, None]:
        """The true mask of what is shown; outlines leave no pixel open."""
        return self.truth(), None

    def describe(self) -> str:
        """The picture's path and the class."""
        return f"{self.picture}, class {self.label}"

    def complaint(self) -> str | None:
        """Segments of another size, said as ``dog/1.jpg (segments 6x9, picture 6x8)``."""
        size = self._size()
        others = {own_size(segment) or size for segment in self.segments} - {size}
        if not others:
            return None
        (height, width), *_ = sorted(others)
        return f"{self.picture} (segments {height}x{width}, picture {size[0]}x{size[1]})"

    def _pixels(self) -> np.ndarray:
        return read_image(self.picture, upright=False)

    def _size(self) -> Size:
        return picture_size(self.picture, upright=False)

    def _draw(self, size: Size) -> np.ndarray:
        try:
            return draw(self.segments, size)
        except InputError as error:
            raise InputError(f"{self.describe()}: {error}") from error

    def _crop(self, array: np.ndarray) -> np.ndarray:
        if self.box is None:
            return array
        x0, y0, x1, y1 = self.box
        cut = array[y0:y1, x0:x1]
        if cut.size == 0 or min(x0, y0) < 0:
            raise InputError(
                f"{self.describe()}: the object's box {self.box} (x0, y0, x1, y1) holds nothing of "
                f"a picture of {array.shape[0]}x{array.shape[1]} (height x width)."
            )
        return np.ascontiguousarray(cut)
