"""SAM 2 and 2.1, SAM 3's tracker and EdgeTAM: three feature maps, the picture stretched square."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import Sam3TrackerModel

from persam.models.adapter import Adapter
from persam.models.tensors import mask_logits, prompt_batch, stack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import EdgeTamModel, Sam2Model

    from persam.structures import Embedding, MaskLogits, Prompts

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

FAMILIES = {"Sam2Model": "sam2", "EdgeTamModel": "edgetam", "Sam3TrackerModel": "sam3"}

# In 0..255 and RGB: ImageNet's for SAM 2 and EdgeTAM, one half for SAM 3 (their processors).
IMAGENET = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
ONE_HALF = ((127.5, 127.5, 127.5), (127.5, 127.5, 127.5))


class Sam2Encoder(torch.nn.Module):
    """The image encoder -> features, then the two maps of higher resolution."""

    def __init__(self, model: Sam2Model | Sam3TrackerModel | EdgeTamModel) -> None:
        super().__init__()
        self.model: Any = model

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """``(n, 3, s, s)`` -> ``(n, c, h, w)``, ``(n, c / 8, 4h, 4w)``, ``(n, c / 4, 2h, 2w)``."""
        *finer, features = self.model.get_image_embeddings(pixels)
        return features, *finer


class Sam2Backbone(Adapter):
    """SAM 2's kind: the picture fills the whole square, its aspect is not kept.

    Features are ``(1, c, h, w)``; the two maps of higher resolution, ``(1, c / 8, 4h, 4w)`` and
    ``(1, c / 4, 2h, 2w)``, are the ``extras``.

    The decoder's low-resolution features of SAM 2 and EdgeTAM include the "no memory" embedding,
    and the target embedding of a concept lives in that space; SAM 3's tracker in transformers
    leaves it out of what the decoder reads. SAM 2's replacement of an unstable mask 0 by one
    of masks 1..3 is switched off, so that mask 0 is what ``multimask=False`` gives.

    Unlike SAM's, this prompt encoder appends its padding token beside a box, too.
    """

    extras = 2

    def __init__(
        self,
        name: str,
        model: Sam2Model | Sam3TrackerModel | EdgeTamModel,
        *,
        precision: str = "fp32",
    ) -> None:
        model.eval().requires_grad_(False)
        super().__init__(name, model, Sam2Encoder(model), precision)
        self.family = FAMILIES[type(model).__name__]
        self.model.mask_decoder.dynamic_multimask_via_stability = False
        mean, std = ONE_HALF if isinstance(model, Sam3TrackerModel) else IMAGENET
        self.mean = np.array(mean, dtype=np.float32)
        self.std = np.array(std, dtype=np.float32)

    def answer(
        self, embeddings: Sequence[Embedding], prompts: Sequence[Prompts], *, multimask: bool
    ) -> list[MaskLogits]:
        """Ask for several; see :meth:`persam.models.adapter.Adapter.answer`."""
        asked: dict[str, Any] = dict(
            prompt_batch(prompts, embeddings, self.sizes, self.place), multimask_output=multimask
        )
        features, finer = stack(embeddings, self.place)
        output: Any = self.model(**asked, image_embeddings=[*finer, features])
        return mask_logits(output.pred_masks[:, 0], output.iou_scores[:, 0])
