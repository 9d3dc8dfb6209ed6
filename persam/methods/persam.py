"""PerSAM: learn an object from one picture without any training (section 3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from persam.methods.reference import Hint, learn, observe, resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.backbones import Backbone
    from persam.concept import Concept
    from persam.images import Source
    from persam.variants import Variant


def personalize(  # noqa: PLR0913  (mask, box and points are three ways to say one thing)
    backbone: Backbone,
    image: Source,
    *,
    mask: Source | None = None,
    box: Sequence[float] | None = None,
    points: Sequence[Sequence[float]] | None = None,
    variant: str | Variant = "default",
) -> Concept:
    """Learn an object from one picture: PerSAM, training-free.

    Exactly one of ``mask``, ``box`` and ``points`` shows the object.

    Args:
        backbone: what :func:`persam.load` gave.
        image: the picture: a path, a PIL image, or an ``(H, W, 3)`` uint8 RGB array.
        mask: the object in it: a path, a PIL image or an array of the same size.
        box: ``(x0, y0, x1, y1)`` in pixels round the object; the model makes the mask.
        points: ``(x, y)`` pixels on the object; the model makes the mask.
        variant: ``"default"``, ``"official"``, or a :class:`~persam.variants.Variant`.

    Raises:
        InputError: unreadable or unusable input; the message says which and what to do.
    """
    recipe = resolve(variant, "persam", backbone)
    reference = observe(backbone, image, Hint(mask, box, points), recipe)
    return learn(backbone, reference, recipe)
