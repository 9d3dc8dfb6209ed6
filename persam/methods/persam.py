"""PerSAM: learn an object from one picture, or several, without any training (section 3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from persam.concept import Concept, with_negatives
from persam.errors import InputError
from persam.pipeline.presence import calibrate
from persam.pipeline.reference import (
    Reference,
    encode_reference,
    object_cells,
    reference_features,
    resolve,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.io.images import Source
    from persam.models.base import Backbone
    from persam.pipeline.reference import EncodedReference
    from persam.variants import Variant


def personalize(  # noqa: PLR0913  (mask, box and points are three ways to say one thing)
    backbone: Backbone,
    image: Source | Reference | Sequence[Reference],
    *,
    mask: Source | None = None,
    box: Sequence[float] | None = None,
    points: Sequence[Sequence[float]] | None = None,
    negatives: Sequence[Reference] = (),
    variant: str | Variant = "default",
) -> Concept:
    """Learn an object from one picture or several: PerSAM, training-free.

    Exactly one of ``mask``, ``box`` and ``points`` shows the object in a picture; where ``image``
    is one :class:`persam.Reference` or several, they say it themselves.

    Args:
        backbone: what :func:`persam.load` gave.
        image: the picture: a path, a PIL image, or an ``(H, W, 3)`` uint8 RGB array; or
            a list of :class:`persam.Reference`.
        mask: the object in it: a path, a PIL image or an array of the same size.
        box: ``(x0, y0, x1, y1)`` in pixel edges round the object; the model makes the mask.
        points: ``(x, y)`` pixels on the object; the model makes the mask.
        negatives: what the object is not, however like it: another dog, the other mug. They are
            told from it by contrast, which is at least 1 where there are any.
        variant: ``"default"``, ``"official"``, or a :class:`~persam.variants.Variant`.

    Raises:
        InputError: unreadable or unusable input; the message says which and what to do.

    Example:
        >>> import persam
        >>> from persam import samples
        >>> photo, mask = samples.files(samples.PICTURES, 0)
        >>> other, _ = samples.files(samples.PICTURES, 2)
        >>> dog = persam.personalize(persam.load("pocket"), photo, mask=mask)
        >>> dog.segment(other).presence > 0.5
        True
        >>> persam.personalize(dog.backbone, photo, box=(10, 300, 200, 470)).method
        'persam'
    """
    recipe = resolve(variant, "persam", backbone)
    given = references_in(image, mask, box, points)
    encoded = [
        [encode_reference(backbone, one, recipe) for one in several]
        for several in (given, negatives)
    ]
    return learn(backbone, encoded[0], recipe, encoded[1])


def learn(
    backbone: Backbone,
    references: Sequence[EncodedReference],
    variant: Variant,
    negatives: Sequence[EncodedReference] = (),
) -> Concept:
    """PerSAM's concept of the object that the references show.

    Negative references are told from the object by contrast, which is at least 1 with them.

    Raises:
        InputError: the official foreground rule leaves no cell.
    """
    if negatives:
        variant = with_negatives(variant)
    first = references[0]
    embedding = first.embedding
    inside = object_cells(backbone, first, embedding.matching.shape[2:], variant)
    taught = tuple(reference_features(backbone, reference, variant) for reference in references)
    return Concept(
        backbone=backbone,
        method="persam",
        variant=variant,
        references=taught,
        negatives=tuple(reference_features(backbone, one, variant) for one in negatives),
        calibration=calibrate(taught, backbone.calibration),
        trace={
            "ref_embedding": embedding.features[0],
            "ref_foreground": inside.astype(np.uint8),
            "ref_mask": first.mask.astype(np.uint8),
        },
    )


def references_in(
    image: Source | Reference | Sequence[Reference],
    mask: Source | None,
    box: Sequence[float] | None,
    points: Sequence[Sequence[float]] | None,
) -> list[Reference]:
    """The references, however they were given; at least one.

    Raises:
        InputError: none, or references that say twice where the object is.
    """
    if isinstance(image, Reference):
        image = [image]
    if not isinstance(image, list | tuple):
        return [Reference(image, mask, box, points)]  # pyright: ignore[reportArgumentType]
    strange = [one for one in image if not isinstance(one, Reference)]
    if not image or strange:
        raise InputError(
            f"Several references are a list of persam.Reference, at least one; got "
            f"{len(image)}, of which {len(strange)} are something else."
        )
    if any(way is not None for way in (mask, box, points)):
        raise InputError(
            "persam.Reference says itself where the object is: leave mask=, box= and points= out."
        )
    return list(image)
