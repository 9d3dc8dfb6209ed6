"""What flows between the stages: small frozen values that check themselves once, at birth.

All numbers are float32 arrays of numpy; torch stays inside the models.

Conventions of the whole package: arrays are ``(height, width)``; points are ``(x, y)`` and boxes
``(x0, y0, x1, y1)`` in pixel edges of the upright original picture, so that ``mask[y0:y1, x0:x1]``
is what a box holds and a box of one pixel is legal; a *grid* is the lattice of feature cells that
an encoder gives for its square input.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Box = tuple[int, int, int, int]
Weights = tuple[float, float, float]  # PerSAM-F's, of the decoder's three masks


NO_COLOURS = np.zeros((0, 3), dtype=np.float32)  # of a reference whose colours were not kept
NO_COLOURS.setflags(write=False)
_MAPS = 128  # turned into cells at a time


@dataclass(frozen=True)
class ModelSpec:
    """Which model: what :func:`persam.load` is given, and what a concept file remembers.

    Attributes:
        name: of the model itself.
        match_with: of the model whose features objects are compared by; None for its own.
        plugin: of a Stable-SAM plugin in its decoder; None without.

    Example:
        >>> str(ModelSpec("pocket", plugin="pocket-stable"))
        'pocket with plugin pocket-stable'
    """

    name: str
    match_with: str | None = None
    plugin: str | None = None

    def __str__(self) -> str:
        parts = [self.name]
        parts += [] if self.match_with is None else [f"matched with {self.match_with}"]
        parts += [] if self.plugin is None else [f"with plugin {self.plugin}"]
        return " ".join(parts)


@dataclass(frozen=True)
class Frame:
    """How one picture lies in the square that a model sees.

    Attributes:
        height, width: size of the upright original, in pixels.
        resized: ``(height, width)`` of the picture inside the square, at its top left corner.
        square: side of the model's input. Families that stretch the picture over the whole
            square have ``resized == (square, square)``; the others leave padding below or right.
    """

    height: int
    width: int
    resized: tuple[int, int]
    square: int

    def __post_init__(self) -> None:
        sides = (self.height, self.width, *self.resized)
        if min(sides) < 1 or max(self.resized) > self.square:
            raise ValueError(
                f"A frame needs sides of at least 1 pixel and a resized picture within its square; "
                f"got {self.height}x{self.width} -> {self.resized} in {self.square}."
            )

    def picture_cells(self, grid: Sequence[int]) -> tuple[int, int]:
        """How many rows and columns of a grid over the square show the picture, not its padding.

        A row or column counts where at least half of it is picture; one of each always counts.

        Args:
            grid: ``(h, w)`` cells.

        Example:
            >>> Frame(480, 640, (768, 1024), 1024).picture_cells((64, 64))
            (48, 64)
        """
        rows = int(grid[0] * self.resized[0] / self.square + 0.5)
        columns = int(grid[1] * self.resized[1] / self.square + 0.5)
        return max(1, rows), max(1, columns)


@dataclass(frozen=True, eq=False)
class Preprocessed:
    """A picture as a backbone's encoder takes it: resized, normalised, padded; not yet encoded.

    Attributes:
        pixels: ``(1, 3, square, square)`` float32, one for each of the backbone's encoders. Only
            the backbone that made it reads it.
        frame: how the picture lies in the model's square.
    """

    pixels: tuple[np.ndarray, ...]
    frame: Frame


class PictureMaps(Protocol):
    """What an encoder makes of one picture, now or when it is asked for; all float32."""

    @property
    def features(self) -> np.ndarray:
        """``(1, c, h, w)``, the decoder's image features."""
        ...

    @property
    def matching(self) -> np.ndarray:
        """``(1, d, h', w')``, the features that tell objects apart."""
        ...

    @property
    def extras(self) -> tuple[np.ndarray, ...]:
        """Whatever else the family's decoder wants of the picture."""
        ...

    @property
    def cells(self) -> np.ndarray:
        """``(h', w', d)``, the matching features of every grid cell, each of length 1."""
        ...


@dataclass(frozen=True, eq=False)
class Maps:
    """A picture's maps at hand, as :class:`PictureMaps` says; checked at birth."""

    features: np.ndarray
    matching: np.ndarray
    extras: tuple[np.ndarray, ...] = ()

    def __post_init__(self) -> None:
        for name, maps in (("features", self.features), ("matching", self.matching)):
            if maps.ndim != 4 or maps.shape[0] != 1:
                raise ValueError(
                    f"An embedding's {name} are (1, channels, h, w); got {tuple(maps.shape)}."
                )

    @property
    def cells(self) -> np.ndarray:
        """See :class:`PictureMaps`."""
        return self._cells

    @cached_property
    def _cells(self) -> np.ndarray:
        return unit_cells(self.matching)

    def __repr__(self) -> str:
        shapes = f"features {self.features.shape[1:]}, matching {self.matching.shape[1:]}"
        return f"{shapes}, {len(self.extras)} extras"


class LaterMaps:
    """A picture's maps that are worked out when they are first read, each kind by itself.

    Most photos of an album do not show the object: what the matching features alone can tell then
    costs no more than these.

    Args:
        matching: gives the matching features.
        decoder: gives the decoder's features and its extras behind them.
        cells: gives the matching features' cells, each of length 1; None makes them of these.
    """

    def __init__(
        self,
        matching: Callable[[], np.ndarray],
        decoder: Callable[[], tuple[np.ndarray, ...]],
        cells: Callable[[], np.ndarray] | None = None,
    ) -> None:
        self._make_matching, self._make_decoder, self._make_cells = matching, decoder, cells

    @cached_property
    def _matching(self) -> np.ndarray:
        return self._make_matching()

    @cached_property
    def _decoder(self) -> tuple[np.ndarray, ...]:
        return self._make_decoder()

    @cached_property
    def _cells(self) -> np.ndarray:
        return unit_cells(self.matching) if self._make_cells is None else self._make_cells()

    def __repr__(self) -> str:
        return "maps that are made when they are read"

    @property
    def matching(self) -> np.ndarray:
        """See :class:`PictureMaps`."""
        return self._matching

    @property
    def features(self) -> np.ndarray:
        """See :class:`PictureMaps`."""
        return self._decoder[0]

    @property
    def extras(self) -> tuple[np.ndarray, ...]:
        """See :class:`PictureMaps`."""
        return self._decoder[1:]

    @property
    def cells(self) -> np.ndarray:
        """See :class:`PictureMaps`."""
        return self._cells


@dataclass(frozen=True, eq=False)
class Embedding:
    """One encoded picture: what the decoder draws from and what objects are compared by.

    Attributes:
        maps: what the encoder makes of it.
        frame: how the picture lies in the model's square.
        image: ``(height, width, 3)`` uint8 RGB, the picture itself, for recipes with a second look;
            None where it is not at hand, or not wanted.

    Example:
        >>> features = np.zeros((1, 2, 3, 4), np.float32)
        >>> Embedding(Maps(features, features), Frame(30, 40, (3, 4), 4))
        Embedding(picture 30x40, features (2, 3, 4), matching (2, 3, 4), 0 extras)
    """

    maps: PictureMaps
    frame: Frame
    image: np.ndarray | None = None

    @property
    def features(self) -> np.ndarray:
        """``(1, c, h, w)`` float32, the decoder's image features."""
        return self.maps.features

    @property
    def matching(self) -> np.ndarray:
        """``(1, d, h', w')`` float32, the features that tell objects apart.

        The same array as ``features`` for the SAM families; the pocket model keeps its own.
        """
        return self.maps.matching

    @property
    def extras(self) -> tuple[np.ndarray, ...]:
        """Whatever else the family's decoder wants of the picture.

        SAM 2's features of higher resolution, for example, or SAM-HQ's early features. Only the
        family's own adapter reads them.
        """
        return self.maps.extras

    @property
    def decoder_maps(self) -> tuple[np.ndarray, ...]:
        """All that the decoder wants of the picture: its features, and the extras behind them."""
        return self.features, *self.extras

    @property
    def cells(self) -> np.ndarray:
        """``(h', w', d)`` the matching features of every grid cell, each of length 1.

        All comparisons of this picture read them; they are worked out once.
        """
        return self.maps.cells

    @cached_property
    def picture_cells(self) -> tuple[int, int]:
        """How many rows and columns of the matching grid show the picture; the rest is padding."""
        return self.frame.picture_cells(self.cells.shape[:2])

    def __repr__(self) -> str:
        return f"Embedding(picture {self.frame.height}x{self.frame.width}, {self.maps})"


@dataclass(frozen=True, eq=False)
class Prompts:
    """What the decoder is asked for one picture, in original pixels.

    Attributes:
        points: ``(n, 2)`` ``(x, y)``; n may be 0.
        labels: ``(n,)``, 1 for a point on the object, 0 for one off it.
        box: ``(x0, y0, x1, y1)`` in pixel edges, or None.
        mask: ``(1, m, m)`` low-resolution logits of an earlier step, or None.

    Example:
        >>> clicks = Prompts(np.array([[30, 12], [5, 35]]), np.array([1, 0]))
        >>> (len(clicks.points), clicks.box)
        (2, None)
        >>> Prompts(box=(5, 5, 25, 25)).points.shape
        (0, 2)
    """

    points: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), dtype=np.int64))
    labels: np.ndarray = field(default_factory=lambda: np.zeros((0,), dtype=np.int64))
    box: Box | None = None
    mask: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.points.ndim != 2 or self.points.shape[1] != 2:
            raise ValueError(f"Points are (n, 2), each (x, y); got shape {self.points.shape}.")
        if self.labels.shape != self.points.shape[:1]:
            raise ValueError(
                f"One label per point: got {len(self.points)} points, {self.labels.shape} labels."
            )


@dataclass(frozen=True, eq=False)
class Guidance:
    """What PerSAM adds to the first decoder call; either part may be absent.

    Attributes:
        attention: ``(1, 1, 1, h * w)``, added after the softmax of the token-to-image attention.
        target: ``(1, 1, c)``, the target embedding that is added to every decoder token.
        alpha: factor of ``attention``; 1 is the official code's.

    Example:
        >>> half = Guidance(attention=np.zeros((1, 1, 1, 16), np.float32), alpha=0.5)
        >>> half.target is None
        True
    """

    attention: np.ndarray | None = None
    target: np.ndarray | None = None
    alpha: float = 1.0


@dataclass(frozen=True, eq=False)
class MaskLogits:
    """What one decoder call answers.

    Attributes:
        logits: ``(k, m, m)`` float32; above 0 is object.
        iou: ``(k,)`` float32, the model's own estimate of each mask's IoU.

    Example:
        >>> answer = MaskLogits(np.zeros((3, 8, 8), np.float32), np.array([0.2, 0.9, 0.5]))
        >>> answer.best()
        1
    """

    logits: np.ndarray
    iou: np.ndarray

    def __post_init__(self) -> None:
        if self.logits.ndim != 3 or self.iou.shape != self.logits.shape[:1]:
            raise ValueError(
                f"Mask logits are (k, m, m) with k scores; got {tuple(self.logits.shape)} "
                f"and {tuple(self.iou.shape)}."
            )

    def best(self) -> int:
        """Index of the mask that the model believes in most."""
        return int(self.iou.argmax())


@dataclass(frozen=True)
class Calibration:
    """Likeness -> the probability that the object is there, where both are as likely beforehand.

    Attributes:
        middle: the likeness at which the object is as likely there as not.
        slope: how fast the log-odds rise from there; above 0.

    Example:
        >>> calibration = Calibration(middle=0.3, slope=40.0)
        >>> calibration.presence(0.3), round(calibration.presence(0.4), 3)
        (0.5, 0.982)
    """

    middle: float
    slope: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.middle) and math.isfinite(self.slope) and self.slope > 0):
            raise ValueError(
                f"A calibration has a finite middle and a finite slope above 0; got {self}."
            )

    def likeness(self, presence: float) -> float:
        """The likeness at which presence is so much; -1 and 1 for 0 and 1, which it never is."""
        if not 0 < presence < 1:
            return 2.0 * presence - 1
        return self.middle + math.log(presence / (1 - presence)) / self.slope

    def presence(self, likeness: float) -> float:
        """The probability, 0..1."""
        odds = self.slope * (likeness - self.middle)
        # The two forms of one function, each where it cannot overflow.
        if odds >= 0:
            return 1 / (1 + math.exp(-odds))
        return math.exp(odds) / (1 + math.exp(odds))


def unit_cells(matching: np.ndarray) -> np.ndarray:
    """``(1, d, h, w)`` matching features as ``(h, w, d)`` float32 cells, each of length 1."""
    maps = matching[0]
    found = np.empty((*maps.shape[1:], len(maps)), dtype=np.float32)
    # A few maps at a time, as a processor's cache holds them: twice as quick as all at once.
    for start in range(0, len(maps), _MAPS):
        some = slice(start, start + _MAPS)
        found[..., some] = np.moveaxis(maps[some], 0, -1)
    return unit_length(found)


def unit_length(vectors: np.ndarray) -> np.ndarray:
    """Scale the vectors along the last axis to length 1; float32, contiguous. Zeros stay zeros.

    Example:
        >>> unit_length(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    rows = np.ascontiguousarray(vectors, dtype=np.float32)
    return rows / lengths(rows)


def lengths(vectors: np.ndarray) -> np.ndarray:
    """``(..., 1)`` lengths of vectors along the last axis; of zeros next to nothing."""
    found = np.sqrt(np.einsum("...d,...d->...", vectors, vectors))[..., None]
    return np.maximum(found, np.float32(1e-12))
