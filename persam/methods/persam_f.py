"""PerSAM-F: PerSAM plus two learned numbers that choose the object's scale (section 3.3)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from persam.methods.fit import fit
from persam.methods.reference import Hint, learn, observe, resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.backbones import Backbone
    from persam.concept import Concept
    from persam.images import Source
    from persam.variants import Variant


def finetune(  # noqa: PLR0913  (mask, box and points are three ways to say one thing)
    backbone: Backbone,
    image: Source,
    *,
    mask: Source | None = None,
    box: Sequence[float] | None = None,
    points: Sequence[Sequence[float]] | None = None,
    variant: str | Variant = "default",
) -> Concept:
    """Learn an object from one picture: PerSAM-F, which fits two weights to it.

    The decoder gives three masks of different extent (part, more, whole). Their weights are fitted
    to the reference mask; the model itself stays as it is. Exactly one of ``mask``, ``box`` and
    ``points`` shows the object.

    Args:
        backbone: what :func:`persam.load` gave.
        image: the picture: a path, a PIL image, or an ``(H, W, 3)`` uint8 RGB array.
        mask: the object in it: a path, a PIL image or an array of the same size.
        box: ``(x0, y0, x1, y1)`` in pixels round the object; the model makes the mask.
        points: ``(x, y)`` pixels on the object; the model makes the mask.
        variant: ``"default"``, ``"official"`` (1,000 steps of AdamW: up to minutes for a large
            picture), or a :class:`~persam.variants.Variant`.

    Raises:
        InputError: unreadable or unusable input; the message says which and what to do.
    """
    recipe = resolve(variant, "persam-f", backbone)
    reference = observe(backbone, image, Hint(mask, box, points), recipe)
    concept = learn(backbone, reference, recipe)
    seen = concept.locate(reference.embedding)
    answer = backbone.decode(
        reference.embedding, seen.prompts, guidance=seen.guidance, multimask=True
    )
    fitted = fit(answer.logits, reference.embedding.frame, reference.mask, recipe.fit)
    stages = {
        "ref_similarity": seen.similarity.cpu().numpy(),
        "ref_point_xy": seen.prompts.points[seen.prompts.labels == 1],
        "ref_logits": answer.logits.cpu().numpy(),
        "loss_trace_step_dice_focal": fitted.losses,
    }
    return replace(
        concept,
        method="persam-f",
        weights=fitted.weights,
        trace={**concept.trace, **stages},
    )
