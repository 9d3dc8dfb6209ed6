"""What a person's clicks and box mean: the whole picture's answer and that of a crop, as one.

An encoder sees every picture at one size, so that a small thing has few cells. In a crop it has
several times as many, and both answers together are better than either: on annotated street and
everyday photos the mean of their logits is worth 2 to 5 points of mIoU (benchmarks/pocket.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from persam import geometry
from persam.pipeline.prompts import mask_box
from persam.pipeline.second_look import MOST, WIDTH, crop_window
from persam.structures import MaskLogits, Prompts
from persam.variants import Variant

if TYPE_CHECKING:
    from persam.models.base import Backbone
    from persam.structures import Box, Embedding, Frame

    Window = tuple[slice, slice]

_WIDE = 2.2  # WIDTH for a lone click, which says little of how far its object goes


@dataclass(frozen=True, eq=False)
class CloserLook:
    """The decoder's answer in a crop.

    Attributes:
        window: rows and columns of the picture.
        frame: how the crop lies in the model's square.
        logits: ``(k, m, m)`` float32.
    """

    window: Window
    frame: Frame
    logits: np.ndarray


@dataclass(frozen=True, eq=False)
class PromptedMasks:
    """The masks that prompts mean.

    Attributes:
        answer: to the whole picture; its estimates are the mean of all looks'.
        frame: how the picture lies in the model's square.
        closer: the second look, or None.
    """

    answer: MaskLogits
    frame: Frame
    closer: CloserLook | None = None

    def mask(self, index: int, size: tuple[int, int] | None = None) -> np.ndarray:
        """``(height, width)`` bool: one of the masks.

        Args:
            index: which of ``answer``.
            size: height and width of the mask; None for the picture's own.
        """
        one = slice(index, index + 1)
        frame = self.frame if size is None else replace(self.frame, height=size[0], width=size[1])
        logits, closer = self.answer.logits[one], self.closer
        found = geometry.mask_of(logits, frame)
        if closer is None:
            return found
        window = _scaled(closer.window, self.frame, frame)
        rows, columns = (span.stop - span.start for span in window)
        cropped = replace(closer.frame, height=rows, width=columns)
        within = geometry.to_original(logits, frame, window)
        within += geometry.to_original(closer.logits[one], cropped)
        found[window] = within[0] > 0  # the mean of both is above 0 where their sum is
        return found


def looks_closer(backbone: Backbone) -> bool:
    """Whether the model's own recipe takes a second look."""
    return Variant.named(backbone.recipe, "persam").second_look > 0


def ask(
    backbone: Backbone,
    embedding: Embedding,
    prompts: Prompts,
    *,
    multimask: bool,
    closely: bool,
) -> PromptedMasks:
    """Ask for what clicks and a box mean.

    Args:
        backbone: that encoded the picture.
        embedding: the picture, with its pixels where it is to be looked at closely.
        prompts: points and box in original pixels.
        multimask: three masks or one, as for :meth:`persam.models.base.Backbone.decode`.
        closely: take a second look, in a crop round the box or the first mask.

    Raises:
        InputError: as the backbone's ``decode``.
    """
    answer = backbone.decode(embedding, prompts, multimask=multimask)
    if not closely:
        return PromptedMasks(answer, embedding.frame)
    return look_closer(backbone, embedding, prompts, answer)


def look_closer(
    backbone: Backbone, embedding: Embedding, prompts: Prompts, answer: MaskLogits
) -> PromptedMasks:
    """Ask the same in a crop round the box, or else round the first mask and the points on it.

    Args:
        backbone: that encoded the picture.
        embedding: the picture; without its pixels there is nothing to crop.
        prompts: that were asked.
        answer: the whole picture's, with one mask or three.
    """
    whole = PromptedMasks(answer, embedding.frame)
    box = prompts.box or _extent(whole.mask(answer.best()), prompts)
    if embedding.image is None or box is None:
        return whole
    shape = embedding.image.shape[:2]
    lone = prompts.box is None and len(prompts.points) == 1
    window = crop_window(box, shape, _WIDE if lone else WIDTH)
    pixels = embedding.image[window]
    if pixels[..., 0].size > MOST * shape[0] * shape[1]:
        return whole
    crop = backbone.encode(np.ascontiguousarray(pixels))
    asked = prompts_within(prompts, window, crop.frame)
    closer = backbone.decode(crop, asked, multimask=len(answer.iou) > 1)
    both = MaskLogits(answer.logits, (answer.iou + closer.iou) / 2)
    return PromptedMasks(both, embedding.frame, CloserLook(window, crop.frame, closer.logits))


def prompts_within(prompts: Prompts, window: Window, frame: Frame) -> Prompts:
    """Points and box in a crop's own pixels; points beside it are left out, the box is cut.

    Args:
        prompts: in pixels of the whole picture.
        window: the crop's rows and columns.
        frame: of the crop.

    Example:
        >>> from persam.structures import Frame
        >>> window = (slice(10, 30), slice(40, 60))
        >>> prompts_within(Prompts(box=(45, 5, 70, 20)), window, Frame(20, 20, (8, 8), 8)).box
        (5, 0, 20, 10)
    """
    left, top = window[1].start, window[0].start
    points = prompts.points - np.array([left, top])
    inside = ((points >= 0) & (points < (frame.width, frame.height))).all(axis=1)
    box = prompts.box
    if box is not None:
        x0, y0, x1, y1 = box
        box = (
            max(0, x0 - left),
            max(0, y0 - top),
            min(frame.width, x1 - left),
            min(frame.height, y1 - top),
        )
    return Prompts(points[inside], prompts.labels[inside], box)


def _extent(mask: np.ndarray, prompts: Prompts) -> Box | None:
    """The box of a mask and of the points on the object; None where there is neither."""
    box, on = mask_box(mask), np.floor(prompts.points[prompts.labels == 1]).astype(np.int64)
    corners = [on, on + 1] if box is None else [on, on + 1, np.reshape(box, (2, 2))]
    every = np.concatenate(corners)
    if not len(every):
        return None
    (x0, y0), (x1, y1) = every.min(axis=0).tolist(), every.max(axis=0).tolist()
    return x0, y0, x1, y1


def _scaled(window: Window, picture: Frame, shown: Frame) -> Window:
    """A window of a picture in the pixels of its smaller copy, at least one each way."""

    def span(pixels: slice, length: int, size: int) -> slice:
        start = min(round(pixels.start * size / length), size - 1)
        return slice(start, max(start + 1, round(pixels.stop * size / length)))

    rows, columns = window
    return (
        span(rows, picture.height, shown.height),
        span(columns, picture.width, shown.width),
    )
