"""SAM 2 and 2.1, SAM 3's tracker and EdgeTAM: three feature maps, the picture stretched square."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import Sam3TrackerModel

from persam import geometry
from persam.backbones.prompting import (
    check_embedding,
    lay,
    mask_logits,
    prompt_batch,
    stack,
)
from persam.guidance import check_guidance, guided
from persam.structures import Embedding, MaskLogits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import EdgeTamModel, Sam2Model

    from persam.presence import Calibration
    from persam.structures import Frame, Guidance, Prompts

# config.json's model_type -> transformers class. Published checkpoints are those of the video
# models; the picture models read the same folders and leave the memory's tensors out.
MODEL_TYPES = {
    "sam2": "Sam2Model",
    "sam2_video": "Sam2Model",
    "edgetam": "EdgeTamModel",
    "edgetam_video": "EdgeTamModel",
    "sam3_tracker": "Sam3TrackerModel",
    "sam3_tracker_video": "Sam3TrackerModel",
    "sam3_video": "Sam3TrackerModel",
}

# In 0..255 and RGB: ImageNet's for SAM 2 and EdgeTAM, one half for SAM 3 (their processors).
IMAGENET = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
ONE_HALF = ((127.5, 127.5, 127.5), (127.5, 127.5, 127.5))


class Sam2Backbone:
    """SAM 2's kind: the picture fills the whole square, its aspect is not kept.

    The decoder's low-resolution features of SAM 2 and EdgeTAM include the "no memory" embedding,
    and the target embedding of a concept lives in that space; SAM 3's tracker in transformers
    leaves it out of what the decoder reads. SAM 2's replacement of an unstable mask 0 by one
    of masks 1..3 is switched off, so that mask 0 is what ``multimask=False`` gives.

    Attributes:
        name: what the model was loaded by; stored in concepts and reports.
        model: on its device, float32; set to evaluation mode and taken over by the adapter.
        square: side of the model's input in pixels.
        mean, std: ``(3,)`` float32 in 0..255, RGB.
        precision: of the image encoder, by autocast; everything given back is float32.
        recipe: what the variant "default" means for this model.
        ambiguous: a click may mean a part as well as the whole.
    """

    def __init__(
        self,
        name: str,
        model: Sam2Model | Sam3TrackerModel | EdgeTamModel,
        *,
        precision: torch.dtype = torch.float32,
    ) -> None:
        self.name = name
        self.model = model.eval().requires_grad_(False)
        self.model.mask_decoder.dynamic_multimask_via_stability = False
        prompt_encoder: Any = model.prompt_encoder
        self.square: int = prompt_encoder.input_image_size
        mean, std = ONE_HALF if isinstance(model, Sam3TrackerModel) else IMAGENET
        self.mean = np.array(mean, dtype=np.float32)
        self.std = np.array(std, dtype=np.float32)
        self.precision = precision
        self.ambiguous = True
        self.recipe = "default"
        self.calibration: Calibration | None = None

    @property
    def device(self) -> torch.device:
        """Where the model lives, and where everything it gives back lives."""
        return self.model.prompt_encoder.not_a_point_embed.weight.device

    def frame(self, height: int, width: int) -> Frame:
        """Stretch a picture of this size over the square."""
        return geometry.fit(height, width, self.square, keep_aspect=False)

    @torch.no_grad()
    def encode(self, image: np.ndarray) -> Embedding:
        """Encode one picture.

        Args:
            image: ``(height, width, 3)`` uint8 RGB, upright.

        Returns:
            Features ``(1, c, h, w)``; the two maps of higher resolution, ``(1, c / 8, 4h, 4w)``
            and ``(1, c / 4, 2h, 2w)``, are the ``extras``.

        Raises:
            InputError: not such an array.
        """
        pixels, frame = lay(image, self)
        lower = self.precision != torch.float32
        with torch.autocast(self.device.type, dtype=self.precision, enabled=lower):
            *finer, features = self.model.get_image_embeddings(pixels)
        features = features.float()
        return Embedding(features, features, frame, tuple(tensor.float() for tensor in finer))

    def decode(
        self,
        embedding: Embedding,
        prompts: Prompts,
        *,
        guidance: Guidance | None = None,
        multimask: bool = True,
    ) -> MaskLogits:
        """Ask the mask decoder once; see :meth:`persam.backbones.sam.SamBackbone.decode`.

        Unlike SAM's, this prompt encoder appends its padding token beside a box, too.
        """
        check_guidance(guidance, embedding.features)
        with guided(self.model.mask_decoder, guidance):
            return self.decode_batch([embedding], [prompts], multimask=multimask)[0]

    def decode_batch(
        self, embeddings: Sequence[Embedding], prompts: Sequence[Prompts], *, multimask: bool
    ) -> list[MaskLogits]:
        """Ask for several; see :meth:`persam.backbones.sam.SamBackbone.decode_batch`."""
        encoder = self.model.prompt_encoder
        for embedding in embeddings:
            check_embedding(embedding, encoder, extras=2)
        asked: dict[str, Any] = dict(
            prompt_batch(prompts, embeddings, encoder, self.device), multimask_output=multimask
        )
        features, finer = stack(embeddings)
        output: Any = self.model(**asked, image_embeddings=[*finer, features])
        return mask_logits(output.pred_masks[:, 0], output.iou_scores[:, 0])
