"""PerSAM-F: PerSAM plus two learned numbers that choose the object's scale (section 3.3)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from persam.methods.fit import Lesson, fit
from persam.methods.persam import learn, references_in
from persam.pipeline.reference import encode_reference, resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.concept import Concept
    from persam.io.images import Source
    from persam.models.base import Backbone
    from persam.pipeline.reference import EncodedReference, Reference
    from persam.variants import Variant


def finetune(  # noqa: PLR0913  (mask, box and points are three ways to say one thing)
    backbone: Backbone,
    image: Source | Reference | Sequence[Reference],
    *,
    mask: Source | None = None,
    box: Sequence[float] | None = None,
    points: Sequence[Sequence[float]] | None = None,
    negatives: Sequence[Reference] = (),
    variant: str | Variant = "default",
) -> Concept:
    """Learn an object from one picture or several: PerSAM-F, which fits two weights to them.

    The decoder gives three masks of different extent (part, more, whole). Their weights are fitted
    to the masks of all references together; the model itself stays as it is. Exactly one of
    ``mask``, ``box`` and ``points`` shows the object in a picture; where ``image`` is one
    :class:`persam.Reference` or several, they say it themselves.

    Args:
        backbone: what :func:`persam.load` gave.
        image: the picture: a path, a PIL image, or an ``(H, W, 3)`` uint8 RGB array; or
            a list of :class:`persam.Reference`.
        mask: the object in it: a path, a PIL image or an array of the same size.
        box: ``(x0, y0, x1, y1)`` in pixel edges round the object; the model makes the mask.
        points: ``(x, y)`` pixels on the object; the model makes the mask.
        negatives: what the object is not; see :func:`persam.personalize`.
        variant: ``"default"``, ``"official"`` (1,000 steps of AdamW: up to minutes for a large
            picture), or a :class:`~persam.variants.Variant`.

    Raises:
        InputError: unreadable or unusable input; the message says which and what to do.

    Example:
        >>> import persam
        >>> from persam import samples
        >>> photo, mask = samples.files(samples.PICTURES, 0)
        >>> other, _ = samples.files(samples.PICTURES, 2)
        >>> dog = persam.finetune(persam.load("pocket"), photo, mask=mask)
        >>> (dog.method, len(dog.weights), round(sum(dog.weights), 6))
        ('persam-f', 3, 1.0)
    """
    recipe = resolve(variant, "persam-f", backbone)
    given = references_in(image, mask, box, points)
    references, against = (
        [encode_reference(backbone, one, recipe) for one in several]
        for several in (given, negatives)
    )
    concept = learn(backbone, references, recipe, against)
    lessons = [lesson(concept, reference) for reference in references]
    fitted = fit(lessons, recipe.fit, shrinkage=recipe.shrinkage)
    detection = concept.locate(references[0].embedding)
    stages = {
        "ref_similarity": detection.similarity,
        "ref_point_xy": detection.prompts.points[detection.prompts.labels == 1],
        "ref_logits": lessons[0].logits,
        "loss_trace_step_dice_focal": fitted.losses,
    }
    return replace(
        concept,
        method="persam-f",
        weights=fitted.weights,
        trace={**concept.trace, **stages},
    )


def lesson(concept: Concept, reference: EncodedReference) -> Lesson:
    """What the weights are to be fitted to, of one reference: the decoder is asked once."""
    detection = concept.locate(reference.embedding)
    answer = concept.backbone.decode(
        reference.embedding, detection.prompts, guidance=detection.guidance, multimask=True
    )
    return Lesson(answer.logits, reference.embedding.frame, reference.mask)
