"""A second look at a found object: a crop round it, encoded at its own scale.

An encoder sees every picture at one size, so that a small object has few cells. In a crop it has
several times as many: its edges become finer, and thin parts show.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from persam import geometry
from persam.pipeline.decoder_batch import ask_decoder
from persam.pipeline.one_piece import one_piece
from persam.pipeline.prompts import mask_box
from persam.structures import Prompts

if TYPE_CHECKING:
    from persam.pipeline.decoder import Step
    from persam.pipeline.features import SearchTarget
    from persam.structures import Box, Embedding, Frame

    Window = tuple[slice, slice]  # rows and columns of a picture

WIDTH = 1.5  # sides of the object's box that a crop is wide
LEAST = 0.2  # of the picture's long side: the encoder makes nothing of a few blown-up pixels
MOST = 0.7  # of the picture's area: a larger crop shows hardly more than the picture did
OUTSIDE = -1.0  # logit of pixels of the first mask that were taken out of it, or less


def look_again(target: SearchTarget, embedding: Embedding, step: Step, prior: np.ndarray) -> Step:
    """Ask once more in a crop round the mask, where the recipe wants that.

    Args:
        target: the object.
        embedding: the picture, with its pixels; without them there is nothing to crop.
        step: the mask that is to be made finer.
        prior: ``(height, width)`` location prior of the whole picture.

    Returns:
        The step with the finer mask and its score; the step itself where the object is empty or
        not small enough for the recipe, or where the crop shows nothing.
    """
    box = mask_box(step.mask)
    if embedding.image is None or box is None or not _small(box, step.mask, target):
        return step
    window = crop_window(box, step.mask.shape)
    if shows_hardly_more(window, step.mask):
        return step
    backbone = target.backbone
    crop = backbone.encode(np.ascontiguousarray(embedding.image[window]))
    prompts = _prompts(step, embedding, box, window, crop)
    answer = ask_decoder(backbone, crop, prompts)
    best = answer.best()
    finer = np.zeros_like(step.mask)
    finer[window] = geometry.mask_of(answer.logits[best : best + 1], crop.frame)
    if not finer.any():
        return step
    finer = one_piece(finer, prior) if target.variant.one_piece else finer
    return replace(step, mask=finer, score=float(answer.iou[best]))


def crop_window(box: Box, shape: tuple[int, ...], width: float = WIDTH) -> Window:
    """Rows and columns of a square round a box, pushed into the picture and cut at its edges.

    Args:
        box: of the object.
        shape: height and width of the picture.
        width: of the square, in sides of the box.

    Example:
        >>> crop_window((10, 10, 30, 20), (100, 100))
        (slice(0, 30, None), slice(5, 35, None))
    """
    x0, y0, x1, y1 = box
    side = max(width * max(x1 - x0, y1 - y0), LEAST * max(shape))
    spans = []
    for low, high, length in ((y0, y1, shape[0]), (x0, x1, shape[1])):
        start = min(max(0.0, (low + high - side) / 2), max(0.0, length - side))
        spans.append(slice(int(start), min(length, int(np.ceil(start + side)))))
    return spans[0], spans[1]


def shows_hardly_more(window: Window, pixels: np.ndarray) -> bool:
    """Whether a crop is nearly the picture, whose pixels are given in any form."""
    return pixels[window].size > MOST * pixels.size


def crop_corners(mask: np.ndarray) -> np.ndarray:
    """``(4,)`` x0, y0, x1, y1 of the pixels in two corners of the crop round a mask.

    Args:
        mask: ``(height, width)`` bool, not empty.

    Example:
        >>> mask = np.zeros((100, 100), dtype=bool)
        >>> mask[10:20, 10:30] = True
        >>> crop_corners(mask).tolist()
        [5, 0, 34, 29]
    """
    rows, columns = crop_window(mask_box(mask) or (0, 0, *mask.shape[::-1]), mask.shape)
    return np.array([columns.start, rows.start, columns.stop - 1, rows.stop - 1])


def prompts_within(prompts: Prompts, window: Window, frame: Frame) -> Prompts:
    """Points and box in a crop's own pixels; points beside it are left out, the box is cut.

    Args:
        prompts: in pixels of the whole picture.
        window: the crop's rows and columns.
        frame: of the crop.

    Example:
        >>> from persam.structures import Frame, Prompts
        >>> window = (slice(10, 30), slice(40, 60))
        >>> prompts_within(Prompts(box=(45, 5, 70, 20)), window, Frame(20, 20, (8, 8), 8)).box
        (5, 0, 20, 10)
    """
    left, top = window[1].start, window[0].start
    points = prompts.points - np.array([left, top])
    inside = ((points >= 0) & (points < (frame.width, frame.height))).all(axis=1)
    moved = Prompts(points[inside], prompts.labels[inside])
    if prompts.box is None:
        return moved
    x0, y0, x1, y1 = prompts.box
    low = max(0, x0 - left), max(0, y0 - top)
    high = min(frame.width, x1 - left), min(frame.height, y1 - top)
    return replace(moved, box=(*low, *high))


def _small(box: Box, mask: np.ndarray, target: SearchTarget) -> bool:
    area = (box[2] - box[0]) * (box[3] - box[1])
    return area < target.variant.second_look * mask.size


def _prompts(
    step: Step, embedding: Embedding, box: Box, window: Window, crop: Embedding
) -> Prompts:
    """The first answer in the crop's own pixels: its points, the mask's box, its logits."""
    logits = geometry.to_original(step.logits, embedding.frame, window)[0]
    np.minimum(logits, OUTSIDE, out=logits, where=~step.mask[window])
    asked = prompts_within(replace(step.prompts, box=box), window, crop.frame)
    return replace(asked, mask=_in_square(logits, crop.frame, 4 * crop.features.shape[-1])[None])


def _in_square(logits: np.ndarray, frame: Frame, side: int) -> np.ndarray:
    """``(side, side)`` logits over the model's square; padding takes their minimum."""
    rows = max(1, round(side * frame.resized[0] / frame.square))
    columns = max(1, round(side * frame.resized[1] / frame.square))
    placed = np.full((side, side), logits.min(), dtype=np.float32)
    placed[:rows, :columns] = geometry.bilinear(logits[None], (rows, columns))[0]
    return placed
