"""What label files say of one object, whatever their format: its class, its shape, who made it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import numpy as np

from persam.errors import InputError
from persam.io.labels import outlines, rle

if TYPE_CHECKING:
    from collections.abc import Sequence

    Attributes = Mapping[str, str]

_GRAIN = 4  # vertices are compared to a quarter of a pixel, as tools round them


@dataclass(frozen=True)
class LabelClass:
    """A kind of object.

    Attributes:
        number: its id in files whose format has ids.
        name: what people call it.
        colour: ``"#rrggbb"``, or None where the file gives none.

    Example:
        >>> LabelClass(3, "dog").colour is None
        True
    """

    number: int
    name: str
    colour: str | None = None


@dataclass(frozen=True)
class Origin:
    """Who made a label.

    Attributes:
        by: a person, or a model.
        concept: name of the concept that the model looked for.
        version: of the model and the concept, a short digest.
        score, presence: what the model said of it, 0..1.
        doubt: how likely the label is wrong, 0..1, where that was estimated.

    Example:
        >>> Origin("model", concept="dog", score=0.91).by
        'model'
    """

    by: Literal["person", "model"] = "person"
    concept: str | None = None
    version: str | None = None
    score: float | None = None
    presence: float | None = None
    doubt: float | None = None


@dataclass(frozen=True, eq=False)
class Label:
    """One object that is marked in a picture: by a mask, by a box, or by points.

    Attributes:
        name: of its class.
        size: ``(height, width)`` of the upright picture.
        runs: the mask as COCO's compressed run lengths; None for a box or points.
        polygons: ``(n, 2)`` ``(x, y)`` float64 each, the rings that the mask was drawn as, where
            it was; their union is the mask.
        box: ``(x0, y0, x1, y1)`` in pixels, x1 and y1 not included; None unless it is a box.
        points: ``(x, y)`` on the object; none unless it is points.
        group: number that several marks of one object share in their file, if any.
        crowd: a region of many objects, as COCO has them; teaches nothing of a single one.
        origin: who made it.
        attributes: whatever else the file says, by name.

    Example:
        >>> mask = np.zeros((4, 6), dtype=bool)
        >>> mask[1:3, 2:5] = True
        >>> label = Label.of_mask("dog", mask)
        >>> (label.kind, label.bounds, int(label.mask.sum()))
        ('mask', (2.0, 1.0, 5.0, 3.0), 6)
        >>> Label.of_box("dog", (2, 1, 9, 3), (4, 6)).bounds
        (2.0, 1.0, 6, 3.0)
    """

    name: str
    size: tuple[int, int]
    runs: bytes | None = None
    polygons: tuple[np.ndarray, ...] = ()
    box: tuple[float, float, float, float] | None = None
    points: tuple[tuple[float, float], ...] = ()
    group: int | None = None
    crowd: bool = False
    origin: Origin = Origin()
    attributes: Attributes = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        ways = (self.runs is not None, self.box is not None, bool(self.points))
        if sum(ways) != 1:
            raise InputError(f"A label has a mask, a box or points; {self.name!r} has {ways}.")

    @classmethod
    def of_mask(cls, name: str, mask: np.ndarray, **facts: object) -> Label:
        """Mark an object by its mask, ``(H, W)`` bool."""
        height, width = mask.shape
        return cls(name, (height, width), runs=rle.encode(mask), **facts)  # type: ignore[arg-type]

    @classmethod
    def of_polygons(
        cls, name: str, rings: Sequence[np.ndarray], size: tuple[int, int], **facts: object
    ) -> Label:
        """Mark an object by rings ``(n, 2)`` whose union is its mask; cut off at the borders.

        Raises:
            InputError: they enclose no pixel of the picture.
        """
        inside = [outlines.clip(ring, size) for ring in rings]
        rings = tuple(ring for ring in inside if len(ring) >= 3)
        mask = outlines.fill(rings, size)
        if not mask.any():
            raise InputError(f"the polygon of {name!r} encloses no pixel of the picture")
        return cls(name, size, rle.encode(mask), tuple(rings), **facts)  # type: ignore[arg-type]

    @classmethod
    def of_box(
        cls, name: str, box: Sequence[float], size: tuple[int, int], **facts: object
    ) -> Label:
        """Mark an object by a box ``(x0, y0, x1, y1)``, cut off at the borders.

        Raises:
            InputError: no pixel of the picture is inside.
        """
        height, width = size
        x0, y0, x1, y1 = (float(value) for value in box)
        x0, x1 = sorted((min(max(x0, 0.0), width), min(max(x1, 0.0), width)))
        y0, y1 = sorted((min(max(y0, 0.0), height), min(max(y1, 0.0), height)))
        if x1 - x0 < 0.5 or y1 - y0 < 0.5:
            raise InputError(f"the box of {name!r} encloses no pixel of the picture")
        return cls(name, size, box=(x0, y0, x1, y1), **facts)  # type: ignore[arg-type]

    @property
    def kind(self) -> Literal["mask", "box", "points"]:
        """By what the object is marked."""
        if self.runs is not None:
            return "mask"
        return "box" if self.box is not None else "points"

    @property
    def mask(self) -> np.ndarray:
        """``(H, W)`` bool.

        Raises:
            InputError: it is marked by a box or by points.
        """
        if self.runs is None:
            raise InputError(f"{self.name!r} is marked by a {self.kind}, not by a mask.")
        return rle.decode(self.runs, self.size)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Tight box ``(x0, y0, x1, y1)``, x1 and y1 not included."""
        if self.box is not None:
            return self.box
        if self.points:
            xs, ys = zip(*self.points, strict=True)
            return min(xs), min(ys), max(xs) + 1, max(ys) + 1
        return rle.bounds(self.runs or b"", self.size)

    @property
    def digest(self) -> str:
        """Names class and shape, however its file rounds numbers; others have another digest."""
        if self.polygons:
            rings = sorted(np.rint(ring * _GRAIN).astype(int).tolist() for ring in self.polygons)
            return _short(repr((self.name, self.size, rings)))
        shape = self.runs, _rounded(self.box), _rounded(self.points)
        return _short(repr((self.name, self.size, *shape)))


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _rounded(numbers: object) -> object:
    return None if numbers is None else np.rint(np.array(numbers) * _GRAIN).astype(int).tolist()
