"""SAM and SAM-HQ, and whatever has SAM's decoder behind another image encoder (MobileSAM)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import SamHQModel, SamModel

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

    from persam.presence import Calibration
    from persam.structures import Frame, Guidance, Prompts

# config.json's model_type -> transformers class. The loader looks adapters up by these tables.
MODEL_TYPES = {"sam": "SamModel", "sam_hq": "SamHQModel"}

# segment-anything's numbers: ImageNet's, in 0..255 and RGB.
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)


class SamBackbone:
    """SAM: the long side fills a square, zeros pad the rest.

    SAM-HQ answers its default output, the sum of SAM's masks and the high-quality mask
    (``hq_token_only=False`` in its code). Its masks 1..3 come in the order of their tokens, as
    SAM's do, and not sorted by score, since PerSAM-F's weights belong to scales.

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
        self, name: str, model: SamModel | SamHQModel, *, precision: torch.dtype = torch.float32
    ) -> None:
        self.name = name
        self.model = model.eval().requires_grad_(False)
        self.square: int = model.prompt_encoder.input_image_size
        self.mean = np.array(MEAN, dtype=np.float32)
        self.std = np.array(STD, dtype=np.float32)
        self.precision = precision
        self.ambiguous = True
        self.recipe = "default"
        self.calibration: Calibration | None = None
        self._early_maps = 1 if isinstance(model, SamHQModel) else 0

    @property
    def device(self) -> torch.device:
        """Where the model lives, and where everything it gives back lives."""
        return self.model.prompt_encoder.not_a_point_embed.weight.device

    def frame(self, height: int, width: int) -> Frame:
        """Lay a picture of this size into the square, keeping its aspect."""
        return geometry.fit(height, width, self.square, keep_aspect=True)

    @torch.no_grad()
    def encode(self, image: np.ndarray) -> Embedding:
        """Encode one picture.

        Args:
            image: ``(height, width, 3)`` uint8 RGB, upright.

        Returns:
            Features ``(1, c, h, w)``; for SAM-HQ the features of the first global block, which
            its decoder wants, as the one of ``extras``.

        Raises:
            InputError: not such an array.
        """
        pixels, frame = lay(image, self)
        lower = self.precision != torch.float32
        with torch.autocast(self.device.type, dtype=self.precision, enabled=lower):
            output: Any = self.model.vision_encoder(pixels)
        early = output.intermediate_embeddings[:1] if self._early_maps else ()
        features = output.last_hidden_state.float()
        return Embedding(features, features, frame, tuple(tensor.float() for tensor in early))

    def decode(
        self,
        embedding: Embedding,
        prompts: Prompts,
        *,
        guidance: Guidance | None = None,
        multimask: bool = True,
    ) -> MaskLogits:
        """Ask the mask decoder once.

        The model's own weights are frozen. Gradients flow to whatever else asks for them: the
        embedding, the prompts, the guidance, or parts that were hung into the decoder.

        Args:
            embedding: of this very model.
            prompts: points, box and mask in any mix, with at least a point or a box.
            guidance: PerSAM's guide and target, for this call only.
            multimask: True for masks 1..3 (SAM's three scales), False for mask 0.

        Returns:
            ``(k, m, m)`` logits and their IoU estimates; k is 3 or 1.

        Raises:
            InputError: prompts, guidance or embedding that do not fit this model.
        """
        check_guidance(guidance, embedding.features)
        with guided(self.model.mask_decoder, guidance):
            return self.decode_batch([embedding], [prompts], multimask=multimask)[0]

    def decode_batch(
        self, embeddings: Sequence[Embedding], prompts: Sequence[Prompts], *, multimask: bool
    ) -> list[MaskLogits]:
        """Ask the mask decoder for several prompt sets of one kind, each about its embedding.

        Args:
            embeddings: of this very model; the same one may come again.
            prompts: one for each embedding, all with the same parts and as many points.
            multimask: as for :meth:`decode`.

        Raises:
            InputError: as :meth:`decode`, or prompt sets of different kinds.
        """
        encoder = self.model.prompt_encoder
        for embedding in embeddings:
            check_embedding(embedding, encoder, self._early_maps)
        asked: dict[str, Any] = dict(
            prompt_batch(prompts, embeddings, encoder, self.device), multimask_output=multimask
        )
        asked["image_embeddings"], extras = stack(embeddings)
        if self._early_maps:
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
