"""The pocket model's network: its image encoder, prompts that are drawn too, SAM 2's decoder."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import nn
from transformers.models.sam2.configuration_sam2 import (
    Sam2MaskDecoderConfig,
    Sam2PromptEncoderConfig,
)
from transformers.models.sam2.modeling_sam2 import (
    Sam2MaskDecoder,
    Sam2PositionalEmbedding,
    Sam2PromptEncoder,
)

from persam.models.pocket.encoder import WIDTH, PocketEncoder
from persam.models.runtime.drawn_prompts import BOX_INSIDE, BOX_OUTSIDE, POINT_LOGIT, POINT_SHARE

SQUARE = 384
STRIDE = 16


class DecoderOutput(NamedTuple):
    """What the decoder says to ``n`` questions.

    Attributes:
        logits: ``(n, k, m, m)`` float32.
        iou: ``(n, k)`` estimated IoU of each mask, 0..1.
        presence: ``(n,)`` logit of the object being there at all.
    """

    logits: torch.Tensor
    iou: torch.Tensor
    presence: torch.Tensor


def draw_prompts(
    points: torch.Tensor | None,
    labels: torch.Tensor | None,
    boxes: torch.Tensor | None,
    square: int,
    side: int,
) -> torch.Tensor:
    """:func:`persam.models.runtime.drawn_prompts.draw_prompts` for a batch, in torch.

    Args:
        points: ``(n, 1, k, 2)`` in pixels of the square, or None.
        labels: ``(n, 1, k)``, 1 on the object, 0 off it, anything else says nothing; or None.
        boxes: ``(n, 1, 4)`` corner pixels, or None.
        square: side of the model's input.
        side: of the mask prompt.

    Returns:
        ``(n, 1, side, side)`` logits.
    """
    given = points if boxes is None else boxes
    if given is None:
        raise ValueError("Nothing to draw: neither points nor boxes.")
    cell = square / side
    axis = (torch.arange(side, device=given.device) + 0.5) * cell - 0.5
    drawn = torch.zeros(len(given), side, side, device=given.device)
    if boxes is not None:
        x0, y0, x1, y1 = boxes[:, 0, :, None].float().unbind(1)
        half = (cell + 1) / 2  # a box's corner pixels belong to it
        across = ((torch.minimum(axis - x0, x1 - axis) + half) / cell).clamp(0, 1)
        down = ((torch.minimum(axis - y0, y1 - axis) + half) / cell).clamp(0, 1)
        drawn = BOX_INSIDE * down[:, :, None] * across[:, None] + BOX_OUTSIDE
    if points is not None and labels is not None:
        x, y = ((points[:, 0, :, i, None] - axis).float() ** 2 for i in (0, 1))
        spread = 2 * (square / POINT_SHARE) ** 2
        bumps = torch.exp(-y / spread)[..., None] * torch.exp(-x / spread)[:, :, None]
        sign = (labels[:, 0] == 1).float() - (labels[:, 0] == 0).float()
        drawn = drawn + POINT_LOGIT * (sign[:, :, None, None] * bumps).sum(1).clamp(-1, 1)
    return drawn[:, None]


class PocketModel(nn.Module):
    """Encoder, prompt encoder and mask decoder, named as in transformers' ``Sam2Model``.

    Args:
        second: with a second network in the encoder; False for the first generation.
    """

    def __init__(self, *, second: bool = True) -> None:
        super().__init__()
        # GELU's gradient is an order of magnitude slower than SiLU's and hardswish's on a CPU in
        # bfloat16; so few tokens are slower through SDPA than through plain attention.
        prompts = Sam2PromptEncoderConfig(
            hidden_size=WIDTH, image_size=SQUARE, patch_size=STRIDE, hidden_act="silu"
        )
        masks = Sam2MaskDecoderConfig(
            hidden_size=WIDTH,
            mlp_dim=4 * WIDTH,
            iou_head_hidden_dim=WIDTH,
            dynamic_multimask_via_stability=False,
        )
        masks._attn_implementation = "eager"
        decoder: Any = Sam2MaskDecoder(masks)
        # The neck gives the skips at their final widths; SAM 2's own projections have no work.
        decoder.conv_s0 = decoder.conv_s1 = nn.Identity()
        decoder.activation = nn.Hardswish()
        self.square = SQUARE
        self.vision_encoder = PocketEncoder(second=second)
        self.shared_image_embedding = Sam2PositionalEmbedding(prompts)
        self.prompt_encoder = Sam2PromptEncoder(prompts)
        self.mask_decoder = decoder

    def forward(
        self,
        image: torch.Tensor,
        high_resolution: tuple[torch.Tensor, ...],
        prompts: dict[str, torch.Tensor],
        *,
        multimask: bool,
    ) -> DecoderOutput:
        """Ask the decoder one question about each of ``n`` encoded pictures; gradients flow.

        Args:
            image: ``(n, 128, h, w)``.
            high_resolution: ``(n, 16, 4h, 4w)`` and ``(n, 32, 2h, 2w)``.
            prompts: any of ``input_points`` ``(n, 1, k, 2)``, ``input_labels`` ``(n, 1, k)``,
                ``input_boxes`` ``(n, 1, 4)``, ``input_masks`` ``(n, 1, 4h, 4w)``, in pixels of
                the square.
            multimask: masks 1..3, or mask 0.
        """
        names = ("input_points", "input_labels", "input_boxes", "input_masks")
        points, labels, boxes, mask = (prompts.get(name) for name in names)
        if mask is None:
            side = self.prompt_encoder.mask_input_size[0]
            mask = draw_prompts(points, labels, boxes, self.square, side)
        sparse, dense = self.prompt_encoder(points, labels, boxes, mask)
        logits, iou, _, presence = self.mask_decoder(
            image_embeddings=image,
            image_positional_embeddings=self.cell_positions().expand_as(image),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=multimask,
            high_resolution_features=list(high_resolution),
        )
        return DecoderOutput(logits[:, 0].float(), iou[:, 0].float(), presence.flatten().float())

    def resize(self, square: int) -> None:
        """Take pictures of another size: positions are relative, so no weight depends on it.

        Args:
            square: side of the input in pixels, a multiple of 32.
        """
        self.square = square
        cells = square // STRIDE
        self.prompt_encoder.image_embedding_size = (cells, cells)
        self.prompt_encoder.mask_input_size = (4 * cells, 4 * cells)
        self.prompt_encoder.input_image_size = square

    def channels_last(self) -> PocketModel:
        """Lay the weights out as convolutions on a CPU like them; gives the model itself."""
        model: Any = self
        return model.to(memory_format=torch.channels_last)

    def cell_positions(self) -> torch.Tensor:
        """``(1, 128, h, w)``, the sine code of every cell's centre."""
        rows, columns = self.prompt_encoder.image_embedding_size
        device = self.shared_image_embedding.positional_embedding.device
        y = (torch.arange(rows, device=device) + 0.5) / rows
        x = (torch.arange(columns, device=device) + 0.5) / columns
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
        return self.shared_image_embedding(grid).permute(2, 0, 1)[None]
