"""The reference picture: how the object is shown, and what it teaches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from persam.errors import InputError
from persam.io.images import read_image
from persam.io.masks import read_mask
from persam.io.reference_input import check_reference_box, check_reference_mask
from persam.pipeline import similarity
from persam.pipeline.colour import cell_colours
from persam.pipeline.features import ReferenceFeatures
from persam.pipeline.one_piece import count_pieces
from persam.pipeline.prompted import ask
from persam.structures import NO_COLOURS, Prompts, unit_length
from persam.variants import Variant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.io.images import Source
    from persam.models.base import Backbone
    from persam.structures import Box, Embedding
    from persam.variants import Method


@dataclass(frozen=True, eq=False)
class Reference:
    """A picture, and where the object is in it: exactly one of mask, box and points says so.

    Attributes:
        image: a path, a PIL image, or an ``(H, W, 3)`` uint8 RGB array.
        mask: a path, a PIL image or an array of the picture's size.
        box: ``(x0, y0, x1, y1)`` in pixels round the object; the model makes the mask.
        points: ``(x, y)`` pixels on the object; the model makes the mask.
        not_points: ``(x, y)`` pixels off the object, beside a box or points.
        as_given: take a mask or a box that looks like a mistake; see
            :mod:`persam.io.reference_input`.

    Example:
        >>> Reference("dog.jpg", box=(120, 80, 410, 460)).box
        (120, 80, 410, 460)
    """

    image: Source
    mask: Source | None = None
    box: Sequence[float] | None = None
    points: Sequence[Sequence[float]] | None = None
    not_points: Sequence[Sequence[float]] = ()
    as_given: bool = False

    def __post_init__(self) -> None:
        if len(self.not_points) and self.mask is not None:
            raise InputError("not_points= belong to box= or points=; a mask says it all itself.")
        given = [name for name in ("mask", "box", "points") if getattr(self, name) is not None]
        if len(given) != 1:
            raise InputError(
                f"Show the object by exactly one of mask=, box= or points=; "
                f"got {' and '.join(given) or 'none of them'}."
            )


@dataclass(frozen=True, eq=False)
class EncodedReference:
    """One picture with the object marked in it.

    Attributes:
        embedding: the encoded picture.
        grey: ``(height, width)`` uint8 grey values of the mask.
        mask: ``(height, width)`` bool, the object; not empty.
        facts: how the object was shown; see :class:`persam.pipeline.features.ReferenceFeatures`.
    """

    embedding: Embedding
    grey: np.ndarray
    mask: np.ndarray
    facts: dict[str, Any]


def encode_reference(backbone: Backbone, shown: Reference, variant: Variant) -> EncodedReference:
    """Encode the reference and settle which pixels are the object.

    Given masks are object where above half of their largest grey value, or above 0 in the
    official foreground rule. A box asks the model for the single mask, as SAM does where a prompt
    is not ambiguous; points ask for three, of which the one with the highest IoU estimate counts,
    unless a Stable-SAM plugin has settled what points mean. A recipe with a second look takes one
    here, too.

    Raises:
        InputError: unreadable input, a box or point outside the picture, a mask that is empty, or
            one that the model made and that is empty or covers everything; input that cannot be
            meant.
    """
    picture = read_image(shown.image)
    height, width = picture.shape[:2]
    facts: dict[str, Any] = {"size": [height, width]}
    if shown.mask is not None:
        grey = read_mask(shown.mask, (height, width))
        if not shown.as_given:
            check_reference_mask(picture, grey)
        mask = _object(grey, variant)
        facts |= {"prompt": "mask", "pieces": count_pieces(mask)}
        return EncodedReference(_encoded(backbone, picture), grey, mask, facts)
    if shown.box is not None and not shown.as_given:
        check_reference_box(_numbers(shown.box, "box", (4,)).tolist(), (height, width))
    prompts = _prompts(shown, height, width)
    embedding = _encoded(backbone, picture)
    closely = variant.second_look > 0
    mask, score = _made_by_the_model(backbone, embedding, prompts, closely=closely)
    kind = "box" if shown.box is not None else "points"
    value = list(prompts.box or ()) if kind == "box" else prompts.points.tolist()
    if len(shown.not_points):
        facts["off"] = [list(map(float, point)) for point in shown.not_points]
        value = value if kind == "box" else prompts.points[prompts.labels == 1].tolist()
    facts |= {"prompt": kind, "value": value, "score": score, "pieces": count_pieces(mask)}
    return EncodedReference(embedding, mask.astype(np.uint8) * 255, mask, facts)


def _encoded(backbone: Backbone, picture: np.ndarray) -> Embedding:
    """The embedding together with its picture, whose colours are learnt, too."""
    return replace(backbone.encode(picture), image=picture)


def reference_features(
    backbone: Backbone, reference: EncodedReference, variant: Variant
) -> ReferenceFeatures:
    """What a reference teaches PerSAM: target feature and embedding, and the cells.

    Raises:
        InputError: the official foreground rule leaves no cell.
    """
    embedding = reference.embedding
    inside = object_cells(backbone, reference, embedding.matching.shape[2:], variant)  # (g, v)
    outside = similarity.background_cells(inside, embedding.frame)  # (g, v)
    shown = object_cells(backbone, reference, embedding.features.shape[2:], variant)  # (h, w)
    # Where nothing would read the cells, they would only fill the concept's file.
    kept = variant.contrast > 0 or variant.min_presence > 0 or variant.parts > 0
    pooled = similarity.pool(embedding.matching[0], inside, variant.pooling)
    colours = cell_colours(embedding)
    return ReferenceFeatures(
        target_feature=unit_length(pooled),  # (d,)
        target_embedding=similarity.pool(embedding.features[0], shown, "mean"),  # (c,)
        foreground=embedding.cells[inside & kept],  # (n, d)
        background=embedding.cells[outside & kept],  # (k, d)
        colours=NO_COLOURS if colours is None else colours[inside & kept],  # (n, 3)
        facts=reference.facts,
    )


def resolve(variant: str | Variant, method: Method, backbone: Backbone) -> Variant:
    """The variant itself, or the one of that name for the method; "default" is the model's own.

    Raises:
        InputError: there is no such variant.
    """
    if not isinstance(variant, str):
        return variant
    return Variant.named(backbone.recipe if variant == "default" else variant, method)


def _object(grey: np.ndarray, variant: Variant) -> np.ndarray:
    if variant.foreground == "coverage":
        return grey > grey.max() / 2
    mask = grey > 0
    if mask.all() and not (grey > grey.max() / 2).all():
        raise InputError(
            "The mask has a dark background that is not 0: the official variant takes every grey "
            "value above 0 as object, which is the whole picture. Make the background exactly 0, "
            'or use variant="default".'
        )
    return mask


def object_cells(
    backbone: Backbone, reference: EncodedReference, grid: Sequence[int], variant: Variant
) -> np.ndarray:
    """``(h, w)`` bool: the object's cells."""
    embedding = reference.embedding
    if variant.foreground == "coverage":
        return similarity.covered_cells(reference.mask, embedding.frame, grid)
    return similarity.official_cells(
        reference.grey, embedding.frame, grid, backbone.mean, backbone.std
    )


def _made_by_the_model(
    backbone: Backbone, embedding: Embedding, prompts: Prompts, *, closely: bool
) -> tuple[np.ndarray, float]:
    several = prompts.box is None and backbone.ambiguous
    found = ask(backbone, embedding, prompts, multimask=several, closely=closely)
    best = found.answer.best()
    mask = found.mask(best)
    if not mask.any() or mask.all():
        what = "the whole picture" if mask.any() else "nothing"
        raise InputError(
            f"The model took {what} for the object at that place. Give another box or points, or "
            f"a mask."
        )
    return mask, float(found.answer.iou[best])


def _prompts(shown: Reference, height: int, width: int) -> Prompts:
    off = np.zeros((0, 2))
    if len(shown.not_points):
        off = _points(shown.not_points, "not_points", height, width)
    if shown.box is not None:
        box = _box(shown.box, height, width)
        return Prompts(off, np.zeros(len(off), dtype=np.int64), box=box)
    on = _points(shown.points, "points", height, width)
    both = np.floor(on)[(np.floor(on)[:, None] == np.floor(off)).all(axis=2).any(axis=1)]
    if len(both):
        raise InputError(
            f"The pixel {tuple(both[0].astype(int).tolist())} is given as on the object and as off "
            f"it. Give it as one of both."
        )
    labels = np.repeat(np.array([1, 0], dtype=np.int64), (len(on), len(off)))
    return Prompts(np.concatenate([on, off]), labels)


def _points(values: object, name: str, height: int, width: int) -> np.ndarray:
    points = _numbers(values, name, (-1, 2))
    inside = (points >= 0) & (points < (width, height))
    if len(points) == 0 or not inside.all():
        raise InputError(
            f"Points are (x, y) pixels inside the {width}x{height} picture, at least one; "
            f"got {name}={points.tolist()}."
        )
    return points


def _box(box: Sequence[float], height: int, width: int) -> Box:
    x0, y0, x1, y1 = (round(edge) for edge in _numbers(box, "box", (4,)).tolist())
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        raise InputError(
            f"A box is (x0, y0, x1, y1) in pixels with x0 < x1 and y0 < y1, inside the "
            f"{width}x{height} picture; got {tuple(box)}."
        )
    return x0, y0, x1, y1


def _numbers(values: object, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A list of numbers of the expected shape (-1: any length), or a clear error."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}= takes numbers; got {values!r}.") from error
    fits = array.ndim == len(shape) and all(
        want in (-1, have) for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits or not np.isfinite(array).all():
        expected = "four numbers (x0, y0, x1, y1)" if name == "box" else "a list of (x, y) pairs"
        raise InputError(f"{name}= takes {expected}; got {values!r}.")
    return array
