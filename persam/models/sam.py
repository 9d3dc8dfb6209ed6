"""SAM and SAM-HQ, and whatever has SAM's decoder behind another image encoder (MobileSAM)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import SamHQModel, SamModel

from persam.models.adapter import Adapter
from persam.models.tensors import mask_logits, prompt_batch, stack
from persam.models.tiny_vit import TinyViT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from persam.structures import Embedding, MaskLogits, Prompts

# config.json's model_type -> transformers class. The loader looks adapters up by these tables.
MODEL_TYPES = {"sam": "SamModel", "sam_hq": "SamHQModel"}

# segment-anything's numbers: ImageNet's, in 0..255 and RGB.
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)


class SamEncoder(torch.nn.Module):
    """SAM's image encoder -> features, and SAM-HQ's early features where its decoder wants them."""

    def __init__(self, model: SamModel | SamHQModel) -> None:
        super().__init__()
        self.vision_encoder: Any = model.vision_encoder
        self.early_maps = 1 if isinstance(model, SamHQModel) else 0

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """``(n, 3, s, s)`` -> ``(n, c, h, w)``; with SAM-HQ also ``(n, h, w, d)``."""
        output = self.vision_encoder(pixels)
        early = output.intermediate_embeddings[:1] if self.early_maps else ()
        return output.last_hidden_state, *early


class SamBackbone(Adapter):
    """SAM: the long side fills a square, zeros pad the rest.

    Features are ``(1, c, h, w)``; for SAM-HQ the features of the first global block, which its
    decoder wants, are the one of ``extras``.

    SAM-HQ answers its default output, the sum of SAM's masks and the high-quality mask
    (``hq_token_only=False`` in its code). Its masks 1..3 come in the order of their tokens, as
    SAM's do, and not sorted by score, since PerSAM-F's weights belong to scales.
    """

    keep_aspect = True
    pads_boxes = False

    def __init__(self, name: str, model: SamModel | SamHQModel, *, precision: str = "fp32") -> None:
        model.eval().requires_grad_(False)
        super().__init__(name, model, SamEncoder(model), precision)
        self.family = "mobile_sam" if isinstance(model.vision_encoder, TinyViT) else "sam"
        self.mean = np.array(MEAN, dtype=np.float32)
        self.std = np.array(STD, dtype=np.float32)
        self.extras = 1 if isinstance(model, SamHQModel) else 0

    def answer(
        self, embeddings: Sequence[Embedding], prompts: Sequence[Prompts], *, multimask: bool
    ) -> list[MaskLogits]:
        """Ask for several; see :meth:`persam.models.adapter.Adapter.answer`."""
        asked: dict[str, Any] = dict(
            prompt_batch(prompts, embeddings, self.sizes, self.place), multimask_output=multimask
        )
        asked["image_embeddings"], extras = stack(embeddings, self.place)
        if self.extras:
            return self._decode_hq(asked | {"intermediate_embeddings": extras})
        output: Any = self.model(**asked)
        return mask_logits(output.pred_masks[:, 0], output.iou_scores[:, 0])

    def _decode_hq(self, asked: dict[str, Any]) -> list[MaskLogits]:
        scores: list[torch.Tensor] = []
        head: Any = self.model.mask_decoder.iou_prediction_head
        catch = head.register_forward_hook(lambda _, __, output: scores.append(output))
        try:
            output: Any = self.model(**asked)
        finally:
            catch.remove()
        logits, iou = output.pred_masks[:, 0], output.iou_scores[:, 0]
        if not asked["multimask_output"]:
            return mask_logits(logits, iou)
        # transformers sorts masks 1..3 by score; the same sort of the same scores undoes it.
        unsorted = scores[0][:, 0, 1:]
        places = torch.sort(unsorted, dim=1, descending=True).indices.argsort(dim=1)
        rows = torch.arange(len(places), device=places.device)[:, None]
        return mask_logits(logits[rows, places], unsorted)
