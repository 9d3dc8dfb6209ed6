"""The answer for one picture: the object's mask, how sure it is, and ways to show and keep it."""

from __future__ import annotations

from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from persam.errors import InputError
from persam.io.extras import import_extra

if TYPE_CHECKING:
    from collections.abc import Mapping

    from persam.io.images import Source
    from persam.structures import Box


@dataclass(frozen=True, eq=False)
class Prediction:
    """The object in one picture.

    Attributes:
        mask: ``(height, width)`` bool, at the size of the upright original.
        score: the model's estimate of the mask's IoU, about 0..1 for trained models.
        box: tight box of the mask, ``mask[y0:y1, x0:x1]``; None where the mask is empty. It goes
            back in as ``box=`` unchanged.
        points: ``(n, 2)`` the point prompts that were used, ``(x, y)``.
        labels: ``(n,)``, 1 on the object, 0 off it.
        likeness: how well all of the object finds its like in the picture, -1..1. None where the
            variant keeps no cells of the reference.
        presence: the probability that the object is in the picture, 0..1, where it was as likely
            as not beforehand. None where the concept has no calibration: other models than the
            pocket model with a single reference, or a variant that keeps no cells of it.
        doubtful: whether a person should look at it: presence is near the threshold, or another
            object claims the same place almost as well.
        trace: every intermediate stage by name, where it was asked for; else empty. The names are
            those of :data:`persam.pipeline.trace.STAGES`.

    Example:
        >>> nothing = np.zeros((0, 2), dtype=np.int64)
        >>> mask = np.zeros((4, 6), dtype=bool)
        >>> mask[1:3, 2:5] = True
        >>> Prediction(mask, 0.9, (2, 1, 5, 3), nothing, nothing[:, 0], presence=0.97)
        Prediction(6 of 4x6 pixels, box (2, 1, 5, 3), score 0.900, presence 0.970)
    """

    mask: np.ndarray
    score: float
    box: Box | None
    points: np.ndarray
    labels: np.ndarray
    likeness: float | None = None
    presence: float | None = None
    doubtful: bool = False
    trace: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.dtype != np.bool_:
            raise ValueError(
                f"A prediction's mask is (height, width) bool; got {self.mask.shape} "
                f"{self.mask.dtype}."
            )

    @property
    def present(self) -> bool:
        """Whether anything of the object was found."""
        return bool(self.mask.any())

    def __repr__(self) -> str:
        height, width = self.mask.shape
        facts = [f"{np.count_nonzero(self.mask)} of {height}x{width} pixels"]
        facts += [] if self.box is None else [f"box {self.box}"]
        facts += [f"score {self.score:.3f}"]
        facts += [] if self.presence is None else [f"presence {self.presence:.3f}"]
        facts += [f"{len(self.trace)} stages"] if self.trace else []
        return f"Prediction({', '.join(facts)})"

    def _repr_png_(self) -> bytes:
        """The mask as notebooks show it, white on black."""
        data = BytesIO()
        Image.fromarray(self.mask.astype(np.uint8) * 255).save(data, "PNG")
        return data.getvalue()

    def save(self, path: str | Path) -> None:
        """Write the mask as a grey PNG, 255 on the object and 0 elsewhere, whole or not at all.

        Args:
            path: ending in ``.png``.

        Raises:
            InputError: another ending, or a file that cannot be written.
        """
        from persam.io.writers import write_mask

        if Path(path).suffix.lower() != ".png":
            raise InputError(f"Masks are written as PNG files, without loss; got {path}.")
        write_mask(path, self.mask)

    def overlay(self, image: Source) -> Image.Image:
        """The picture with the object tinted and outlined, and the points that were asked with.

        Args:
            image: the picture that this is the answer for.

        Raises:
            InputError: unreadable, or a picture of another size.
        """
        from persam.io.drawing import overlay

        marks = [(*xy, label) for xy, label in zip(self.points, self.labels, strict=True)]
        points = [(int(x), int(y), int(label)) for x, y, label in marks]
        return Image.fromarray(overlay(self._picture(image), self.mask, points))

    def cutout(self, image: Source) -> Image.Image:
        """The object alone, all else transparent.

        Args:
            image: the picture that this is the answer for.

        Raises:
            InputError: unreadable, or a picture of another size.
        """
        from persam.io.drawing import cutout

        return Image.fromarray(cutout(self._picture(image), self.mask))

    def to_coco(self, *, image_id: int = 1, category_id: int = 1) -> dict[str, Any]:
        """One COCO annotation with a run-length coded mask.

        Args:
            image_id: of the picture in the COCO file.
            category_id: of the object.

        Returns:
            ``segmentation``, ``area``, ``bbox`` (``[x, y, width, height]``), ``score`` and the ids.

        Raises:
            MissingExtra: pycocotools is not installed.
        """
        from persam.io.labels.coco_writer import mask_fields

        return {
            "image_id": image_id,
            "category_id": category_id,
            **mask_fields(self.mask),
            "iscrowd": 0,
            "score": self.score,
        }

    def to_supervision(self, class_id: int = 0) -> Any:
        """The object as ``supervision.Detections``; none where nothing was found.

        Args:
            class_id: of the object.

        Raises:
            MissingExtra: supervision is not installed.
        """
        supervision: Any = import_extra("supervision", "supervision", "supervision.Detections")
        if self.box is None:
            return supervision.Detections.empty()
        return supervision.Detections(
            xyxy=np.array([self.box], dtype=np.float32),
            mask=self.mask[None],
            confidence=np.array([self.score], dtype=np.float32),
            class_id=np.array([class_id]),
        )

    def _picture(self, image: Source) -> np.ndarray:
        from persam.io.images import read_image

        picture = read_image(image)
        if picture.shape[:2] != self.mask.shape:
            (height, width), (rows, columns) = picture.shape[:2], self.mask.shape
            raise InputError(
                f"The picture is {width}x{height}, but this is the answer for one of "
                f"{columns}x{rows} (width x height). Give the picture that was segmented."
            )
        return picture
