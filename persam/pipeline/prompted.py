"""What a person's clicks and box mean: the answers to the whole picture and to crops, as one.

An encoder sees every picture at one size, so that a small thing has few cells. In a crop it has
several times as many, and the answers together are better than each: the mean of their logits
decides (benchmarks/pocket.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from persam import geometry
from persam.pipeline.prompts import mask_box
from persam.pipeline.second_look import (
    WIDTH,
    crop_window,
    prompts_within,
    shows_hardly_more,
)
from persam.structures import MaskLogits
from persam.variants import Variant

if TYPE_CHECKING:
    from persam.models.base import Backbone
    from persam.pipeline.second_look import Window
    from persam.structures import Box, Embedding, Frame, Prompts

_WIDE = 2.2  # WIDTH for a lone click
_ROWS = 256  # of a mask at a time: the logits of a large photo would fill a gigabyte


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
        closer: the looks in crops, in their order.
    """

    answer: MaskLogits
    frame: Frame
    closer: tuple[CloserLook, ...] = ()

    def mask(self, index: int, size: tuple[int, int] | None = None) -> np.ndarray:
        """``(height, width)`` bool: where the mean of all looks' logits is above 0.

        Args:
            index: which of ``answer``.
            size: height and width of the mask; None for the picture's own.
        """
        one = slice(index, index + 1)
        frame = self.frame if size is None else replace(self.frame, height=size[0], width=size[1])
        logits = self.answer.logits[one]
        if not self.closer:
            return geometry.mask_of(logits, frame)
        looks = [
            replace(look, window=_scaled(look.window, self.frame, frame), logits=look.logits[one])
            for look in self.closer
        ]
        found = np.empty((frame.height, frame.width), dtype=bool)
        for start in range(0, frame.height, _ROWS):
            band = slice(start, min(start + _ROWS, frame.height))
            total = geometry.to_original(logits, frame, (band, slice(None)))[0]  # of all looks
            for look in looks:
                _add(total, band, look)
            found[band] = total > 0
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
        closely: look at crops as well; see :func:`look_closer`.

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
    """Ask the same in a crop, and once more in a crop round the mask that this gives.

    The first crop lies round the box, or else round the first mask and the points on it. A box is
    then replaced by the mask's own, for people draw them in haste. A lone click has one crop, which
    is wide: it says little of how far its object goes.

    Args:
        backbone: that encoded the picture.
        embedding: the picture; without its pixels there is nothing to crop.
        prompts: that were asked; points off the object alone give no place to look at.
        answer: the whole picture's, with one mask or three.
    """
    found = PromptedMasks(answer, embedding.frame)
    if embedding.image is None or (prompts.box is None and 1 not in prompts.labels):
        return found
    lone = prompts.box is None and len(prompts.points) == 1
    asked, done = prompts, []
    for _ in range(1 if lone else 2):
        extent = asked.box or _extent(found.mask(found.answer.best()), prompts)
        window = crop_window(extent, embedding.image.shape, _WIDE if lone else WIDTH)
        if shows_hardly_more(window, embedding.image) or (window, asked.box) in done:
            break
        found = _with_a_look(found, backbone, embedding.image, asked, window)
        done.append((window, asked.box))
        if prompts.box is not None:
            box = mask_box(found.mask(found.answer.best()))
            asked = replace(prompts, box=box or prompts.box)
    return found


def _with_a_look(
    found: PromptedMasks, backbone: Backbone, image: np.ndarray, prompts: Prompts, window: Window
) -> PromptedMasks:
    crop = backbone.encode(np.ascontiguousarray(image[window]))
    several = len(found.answer.iou) > 1
    answer = backbone.decode(crop, prompts_within(prompts, window, crop.frame), multimask=several)
    looks = 1 + len(found.closer)
    iou = (looks * found.answer.iou + answer.iou) / (looks + 1)
    closer = (*found.closer, CloserLook(window, crop.frame, answer.logits))
    return replace(found, answer=MaskLogits(found.answer.logits, iou), closer=closer)


def _extent(mask: np.ndarray, prompts: Prompts) -> Box:
    """The box of a mask, if it has any pixel, and of the points on the object."""
    on = np.floor(prompts.points[prompts.labels == 1]).astype(np.int64)
    box = mask_box(mask)
    corners = [on, on + 1] if box is None else [on, on + 1, np.reshape(box, (2, 2))]
    every = np.concatenate(corners)
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


def _add(total: np.ndarray, band: slice, look: CloserLook) -> None:
    """Add the one map of a look to a picture's logits in a band of its rows."""
    down, across = look.window
    shared = slice(max(band.start, down.start), min(band.stop, down.stop))
    if shared.start >= shared.stop:
        return
    size = {"height": down.stop - down.start, "width": across.stop - across.start}
    rows = _moved(shared, down), slice(None)
    within = geometry.to_original(look.logits, replace(look.frame, **size), rows)[0]
    total[_moved(shared, band), across] += within


def _moved(span: slice, other: slice) -> slice:
    """The same pixels, counted from another slice's start."""
    return slice(span.start - other.start, span.stop - other.start)
