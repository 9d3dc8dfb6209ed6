"""From clicks, a box and brush strokes to a mask: encoded once, the decoder asked each time."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy.ndimage import distance_transform_edt

from persam import geometry
from persam.app.renditions import fitted
from persam.errors import InputError
from persam.io.images import read_image
from persam.pipeline.prompted import ask, looks_closer
from persam.structures import Prompts

if TYPE_CHECKING:
    from persam.app.photos import MediaFile
    from persam.models.base import Backbone
    from persam.pipeline.prompted import PromptedMasks
    from persam.structures import Embedding, Frame, MaskLogits

_Key = tuple[str, int]  # a photo's id, and when it was changed
KEPT = 12  # encoded photos
ADDED, ERASED = 1, 2  # values of the brush's layer
_FEW = 2  # clicks that do not say all of an object yet


@dataclass(frozen=True, eq=False)
class Drawing:
    """What a person did to show an object in one photo.

    Attributes:
        points: ``(x, y, label)`` in pixels of the upright photo; label 1 on the object, 0 off it.
        box: ``(x0, y0, x1, y1)`` round the object, or None.
        paint: ``(h, w)`` uint8 of any size: 1 where the brush added, 2 where it erased; or None.
        start: ``(height, width)`` bool, the mask that is put right; None to begin with nothing.
        choice: which of the decoder's three masks, from the smallest 0 to the largest 2; None for
            the one that it believes in most.
    """

    points: tuple[tuple[float, float, int], ...] = ()
    box: tuple[float, float, float, float] | None = None
    paint: np.ndarray | None = None
    start: np.ndarray | None = None
    choice: int | None = None

    @property
    def asks(self) -> bool:
        """Whether the decoder has anything to answer."""
        return bool(self.points) or self.box is not None


@dataclass(frozen=True, eq=False)
class Outline:
    """The mask of a drawing.

    Attributes:
        mask: ``(height, width)`` bool at the size that was asked for.
        score: the model's estimate of the mask's IoU, about 0..1; None where it was not asked.
        closer: whether the same drawing, looked at closely, may give a finer mask.
    """

    mask: np.ndarray
    score: float | None
    closer: bool = False


class EncodedPhotos:
    """The photos that were opened last, encoded."""

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = backbone
        self._kept: OrderedDict[_Key, Embedding] = OrderedDict()
        # The pixels of one alone: a person clicks in one photo at a time, and it may be large.
        self._read: tuple[_Key, np.ndarray] | None = None
        self._lock = Lock()

    def get(self, photo: MediaFile) -> Embedding:
        """The embedding of a photo, made on the first call; with its pixels for a second look.

        Raises:
            InputError: the photo cannot be read.
        """
        key = (photo.id, photo.changed)
        with self._lock:  # a click waits for the encoder that its photo's opening has started
            if key not in self._kept:
                self._kept[key] = self.backbone.encode(self._pixels(photo, key))
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            if looks_closer(self.backbone):
                return replace(self._kept[key], image=self._pixels(photo, key))
            self._read = None
            return self._kept[key]

    def _pixels(self, photo: MediaFile, key: _Key) -> np.ndarray:
        if self._read is None or self._read[0] != key:
            self._read = None  # one at a time, while it is read as well
            self._read = key, read_image(photo.path)
        return self._read[1]


def outline(
    backbone: Backbone,
    embedding: Embedding,
    drawing: Drawing,
    side: int | None = None,
    *,
    closely: bool = True,
) -> Outline:
    """The mask that a drawing means.

    The decoder answers the points and the box; the brush then adds and erases pixels.

    Args:
        backbone: that encoded the photo.
        embedding: the photo, with its pixels.
        drawing: what the person did.
        side: longest side of the answer; None for the photo's own size.
        closely: take a second look where the model's recipe does: a finer mask, an encoder call
            later.

    Raises:
        InputError: a point or box outside the photo.
    """
    frame = embedding.frame
    whole = (frame.height, frame.width)
    size = whole if side is None else fitted(whole, side)
    mask, score, closer = np.zeros(size, dtype=bool), None, False
    if drawing.start is not None:
        mask = _resized(drawing.start, size)
    if drawing.asks:
        closer = looks_closer(backbone)
        found, index = _ask(backbone, embedding, drawing, closely=closely and closer)
        mask, score = found.mask(index, size), float(found.answer.iou[index])
    if drawing.paint is not None:
        paint = _resized(drawing.paint, size)
        mask = (mask | (paint == ADDED)) & (paint != ERASED)
    return Outline(mask, score, closer and not closely)


def _ask(
    backbone: Backbone, embedding: Embedding, drawing: Drawing, *, closely: bool
) -> tuple[PromptedMasks, int]:
    """The masks that a drawing may mean, and the index of the one that it does."""
    several = drawing.box is None and len(drawing.points) == 1 and backbone.ambiguous
    prompts = _prompts(_seeded(drawing), embedding.frame)
    several = several or drawing.choice is not None
    found = ask(backbone, embedding, prompts, multimask=several, closely=closely)
    if drawing.choice is not None:
        return found, _by_size(found.answer, drawing.choice)
    return found, _best(found.answer, prompts, embedding.frame)


def _seeded(drawing: Drawing) -> Drawing:
    """The drawing and, where a mask is put right by few clicks, a point deep inside that mask.

    A click says what is wrong with a mask and not what is right with it. On 31 answers of the
    built-in model below an IoU of 0.9 the point raises IoU after one click from 0.33 to 0.60 and
    after two from 0.59 to 0.63; from the third on (0.67 to 0.63) it only stands in the way.
    """
    if drawing.start is None or drawing.box is not None or not drawing.start.any():
        return drawing
    if len(drawing.points) > _FEW:
        return drawing
    depth = np.asarray(distance_transform_edt(np.pad(drawing.start, 1)))[1:-1, 1:-1]
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return replace(drawing, points=((float(x), float(y), 1), *drawing.points))


def _best(answer: MaskLogits, prompts: Prompts, frame: Frame) -> int:
    """Index of the mask that the model believes in most, of those that hold the clicked pixel."""
    if len(answer.iou) == 1 or len(prompts.points) == 0:
        return answer.best()
    side = answer.logits.shape[-1]
    x, y = (geometry.to_square(prompts.points[:1], frame)[0] * side / frame.square).astype(int)
    x, y = min(x, side - 1), min(y, side - 1)
    order = sorted(range(len(answer.iou)), key=lambda one: -float(answer.iou[one]))
    return next((one for one in order if answer.logits[one, y, x] > 0), answer.best())


def _by_size(answer: MaskLogits, choice: int) -> int:
    """Index of the mask that is smallest (0), between (1) or largest (2)."""
    areas = [int((one > 0).sum()) for one in answer.logits]
    return sorted(range(len(areas)), key=areas.__getitem__)[min(choice, len(areas) - 1)]


def _prompts(drawing: Drawing, frame: Frame) -> Prompts:
    xy = np.array([point[:2] for point in drawing.points], dtype=np.float64).reshape(-1, 2)
    labels = np.array([point[2] for point in drawing.points], dtype=np.int64)
    box = drawing.box
    corners = xy if box is None else np.concatenate([xy, np.reshape(box, (2, 2))])
    if not ((corners >= 0) & (corners <= (frame.width, frame.height))).all():
        raise InputError(
            f"Points and boxes lie inside the {frame.width}x{frame.height} photo; got "
            f"{corners.tolist()}."
        )
    if box is not None and not (box[0] < box[2] and box[1] < box[3]):
        raise InputError(f"A box is (x0, y0, x1, y1) with x0 < x1 and y0 < y1; got {list(box)}.")
    # A click at the far edge is on the last pixel.
    xy = np.minimum(xy, (frame.width - 0.5, frame.height - 0.5))
    if box is None:
        return Prompts(xy, labels)
    x0, y0, x1, y1 = (round(edge) for edge in box)
    return Prompts(xy, labels, box=(x0, y0, x1, y1))


def _resized(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if mask.shape == size:
        return mask
    return np.array(Image.fromarray(mask).resize((size[1], size[0]), Image.Resampling.NEAREST))
