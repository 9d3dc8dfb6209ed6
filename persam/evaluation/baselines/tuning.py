"""Fit a plug to one reference mask, with PerSAM-F's prompts, loss and schedule."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from persam.errors import PersamError
from persam.evaluation.baselines.descent import Truth, descend
from persam.evaluation.baselines.tuned_backbone import TunedBackbone
from persam.methods.persam import learn
from persam.models.decoder_parts import with_torch_decoder
from persam.pipeline.reference import EncodedReference, Reference, encode_reference, resolve

if TYPE_CHECKING:
    import torch

    from persam.concept import Concept
    from persam.io.images import Source
    from persam.methods.fit import Schedule
    from persam.models.base import Backbone
    from persam.models.decoder_parts import DecoderParts
    from persam.pipeline.detection import Detection
    from persam.prediction import Prediction
    from persam.structures import Embedding, Weights
    from persam.variants import Variant


LONGEST = 512


@dataclass(frozen=True, eq=False)
class Study:
    """The reference as PerSAM-F sees it, before anything is fitted.

    Attributes:
        reference: the picture, and its mask.
        concept: of the object, with PerSAM-F's recipe: what finds it again in a picture.
        seen: where the reference's own location prior puts it, and the prompts that follow.
    """

    reference: EncodedReference
    concept: Concept
    seen: Detection

    @property
    def backbone(self) -> Backbone:
        """The model, untuned."""
        return self.concept.backbone

    def ask(self, *, multimask: bool) -> Any:
        """Ask the decoder, as it is at the moment, for the object in the reference."""
        backbone: Any = self.backbone
        return backbone.decode_tensors(
            [self.reference.embedding],
            [self.seen.prompts],
            guidance=self.seen.guidance,
            multimask=multimask,
        )[0]

    def truth(self, schedule: Schedule) -> Truth:
        """The reference mask at the size where a schedule takes its losses."""
        frame, longest = self.reference.embedding.frame, schedule.longest
        if longest is None:
            whole = self.concept.variant.fit == "official"
            longest = max(frame.height, frame.width) if whole else LONGEST
        return Truth.of(self.reference.mask, frame, longest, self.backbone.device)


def study(backbone: Backbone, image: Source, mask: Source, variant: str | Variant) -> Study:
    """Look at the reference.

    Raises:
        InputError: unreadable or unusable input.
    """
    backbone = with_torch_decoder(backbone)
    recipe = resolve(variant, "persam-f", backbone)
    reference = encode_reference(backbone, Reference(image, mask=mask, as_given=True), recipe)
    concept = learn(backbone, [reference], recipe)
    return Study(reference, concept, concept.locate(reference.embedding))


@dataclass(frozen=True, eq=False)
class Tuned:
    """An object that a baseline has learnt; found like a :class:`~persam.concept.Concept`.

    Attributes:
        method: the baseline's name.
        backbone: the model, untuned: each answer takes the tuned parts in and off again.
        concept: what finds the object, with the tuned decoder.
        trained_parameters: how many numbers were fitted.
        losses: ``(n, 3)`` rows of step, dice and focal loss; see
            :func:`~persam.methods.descent.descend`.
    """

    method: str
    backbone: Backbone
    concept: Concept
    trained_parameters: int
    losses: np.ndarray

    @property
    def variant(self) -> Variant:
        """The recipe round the tuned decoder: PerSAM-F's."""
        return self.concept.variant

    @property
    def weights(self) -> Weights | None:
        """Of the three masks, where these were fitted."""
        return self.concept.weights

    def segment(self, image: Source) -> Prediction:
        """Find the object in a picture.

        Args:
            image: a path, a PIL image, or an ``(H, W, 3)`` uint8 RGB array.

        Raises:
            InputError: the picture cannot be read.
        """
        return self.concept.segment(image)

    def segment_embedding(self, embedding: Embedding) -> Prediction:
        """Find the object in a picture that the backbone has encoded already.

        Raises:
            InputError: the embedding is another model's.
        """
        return self.concept.segment_embedding(embedding)


def tune(study: Study, plug: DecoderParts, schedule: Schedule, method: str) -> Tuned:
    """Fit a plug so that the decoder's single mask of the reference is the reference mask.

    The prompts are PerSAM-F's, from the location prior, and stay as they are. As its weights do,
    the plug acts on the first mask alone: refinements ask the decoder as it is.

    Args:
        study: of the reference.
        plug: parts for the study's backbone; its parameters are fitted in place.
        schedule: of the descent.
        method: the baseline's name.

    Raises:
        PersamError: the loss became NaN or infinite.
    """
    truth = study.truth(schedule)

    def loss() -> tuple[torch.Tensor, torch.Tensor]:
        dice, focal = truth.losses(truth.resized(study.ask(multimask=False).logits))
        return dice[0], focal[0]

    with plug.attached():
        losses = descend(plug.parameters, loss, schedule)
    require_finite(losses, method, schedule)
    tuned = TunedBackbone(study.backbone, plug, method)
    count = sum(parameter.numel() for parameter in plug.parameters)
    return Tuned(method, study.backbone, replace(study.concept, backbone=tuned), count, losses)


def require_finite(losses: np.ndarray, method: str, schedule: Schedule) -> None:
    """Raise PersamError where a descent's ``(n, 3)`` losses are not finite numbers."""
    if not np.isfinite(losses).all():
        raise PersamError(
            f"The loss of {method} is not a number after {schedule.steps} steps at a rate of "
            f'{schedule.rate:g}. Take a lower rate, or load the model with precision="fp32".'
        )
