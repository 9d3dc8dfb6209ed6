"""The pocket model's network: MobileNetV2 features, a small neck, and SAM 2's decoder at width 128.

MobileNetV2 stays as ImageNet left it, because features that are tuned on episodes made from single
pictures lose what tells real objects apart. Its deep strides, centred per picture, are the matching
features. The mask features come from the same shallow stages, a second, trained copy of the deep
ones, and the neck.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
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

from persam.backbones.mobilenet import SHALLOW, DeepStages, MobileNetV2

SQUARE = 384
STRIDE = 16
WIDTH = 128
# A drawn box is -4 outside and 2 inside, a drawn point 6 or -6 with a spread of 1/32 of the square
BOX_OUTSIDE, BOX_INSIDE = -4.0, 6.0
POINT_LOGIT, POINT_SHARE = 6.0, 32
STRIDE_32_WEIGHT = 0.7  # beside stride 16's 1.0: the finer grid says better where the object is


class Features(NamedTuple):
    """What the encoder gives for a batch of pictures.

    Attributes:
        mask: ``(b, 128, s/16, s/16)``, what the decoder attends to.
        matching: ``(b, 416, s/16, s/16)``, what objects are compared by.
        high_resolution: ``(b, 16, s/4, s/4)`` and ``(b, 32, s/8, s/8)``, for the mask's edges.
    """

    mask: torch.Tensor
    matching: torch.Tensor
    high_resolution: tuple[torch.Tensor, torch.Tensor]


class Answer(NamedTuple):
    """What the decoder says to ``n`` questions.

    Attributes:
        logits: ``(n, k, m, m)`` float32.
        iou: ``(n, k)`` estimated IoU of each mask, 0..1.
        presence: ``(n,)`` logit of the object being there at all.
    """

    logits: torch.Tensor
    iou: torch.Tensor
    presence: torch.Tensor


def matching_features(stride_16: torch.Tensor, stride_32: torch.Tensor) -> torch.Tensor:
    """Features that objects are compared by.

    Each stride is centred over its picture, normalised per cell and weighed, then both are joined.

    Args:
        stride_16: ``(b, 96, h, w)``.
        stride_32: ``(b, 320, h/2, w/2)``.

    Returns:
        ``(b, 416, h, w)`` float32; every cell has the same length.
    """
    blocks = (stride_16.float(), _double(stride_32.float()))
    centred = [block - block.mean((2, 3), keepdim=True) for block in blocks]
    fine, coarse = (F.normalize(block, dim=1) for block in centred)
    return torch.cat([fine, STRIDE_32_WEIGHT * coarse], dim=1)


def sketch(
    points: torch.Tensor | None,
    labels: torch.Tensor | None,
    boxes: torch.Tensor | None,
    square: int,
    side: int,
) -> torch.Tensor:
    """Draw points and box as the mask prompt of one who knows no more than they say.

    A map tells every cell what tokens tell it through attention alone.

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


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of ``(b, c, h, w)``."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002  (LayerNorm's name)
        """Keeps the shape."""
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvBlock(nn.Module):
    """Depthwise convolution and a two-layer MLP on the channels, with a residual."""

    def __init__(self, channels: int, kernel: int, expansion: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        self.norm = ChannelNorm(channels)
        self.expand = nn.Conv2d(channels, channels * expansion, 1)
        self.project = nn.Conv2d(channels * expansion, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Keeps the shape."""
        return x + self.project(F.hardswish(self.expand(self.norm(self.depthwise(x)))))


class Neck(nn.Module):
    """Four strides and a global context vector -> decoder features and two skips for edges."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.from_32 = nn.Sequential(nn.Conv2d(320, width, 1), ConvBlock(width, 7, 2))
        self.context = nn.Linear(320, width)
        self.from_16 = nn.Conv2d(96, width, 1)
        self.mix = nn.Sequential(*(ConvBlock(width, 7, 3) for _ in range(3)))
        self.norm = ChannelNorm(width)
        self.down_to_8 = nn.Conv2d(width, width // 2, 1)
        self.from_8 = nn.Conv2d(32, width // 2, 1)
        self.mix_8 = ConvBlock(width // 2, 5, 2)
        self.skip_8 = nn.Conv2d(width // 2, width // 4, 1)
        self.down_to_4 = nn.Conv2d(width // 2, width // 4, 1)
        self.from_4 = nn.Conv2d(24, width // 4, 1)
        self.mix_4 = ConvBlock(width // 4, 3, 2)
        self.skip_4 = nn.Conv2d(width // 4, width // 8, 1)

    def forward(
        self, strides: tuple[torch.Tensor, ...]
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        """Strides 4, 8, 16, 32 -> stride 16 ``(b, 128, ...)`` and skips at strides 4 and 8."""
        stride_4, stride_8, stride_16, stride_32 = strides
        context = self.context(stride_32.mean((2, 3)))[:, :, None, None]
        x = self.mix(self.from_16(stride_16) + _double(self.from_32(stride_32)) + context)
        y = self.mix_8(self.from_8(stride_8) + _double(self.down_to_8(x)))
        z = self.mix_4(self.from_4(stride_4) + _double(self.down_to_4(y)))
        return self.norm(x), (self.skip_4(z), self.skip_8(y))


def _double(x: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class PocketEncoder(nn.Module):
    """Pictures -> :class:`Features`."""

    def __init__(self) -> None:
        super().__init__()
        self.mobilenet = MobileNetV2().requires_grad_(False)
        self.deep = DeepStages()
        self.neck = Neck()

    def forward(self, pixels: torch.Tensor) -> Features:
        """``(b, 3, s, s)`` in -1..1, s a multiple of 32 -> features at strides 4, 8 and 16."""
        with torch.no_grad():
            stride_4, stride_8, *deep = self.mobilenet(pixels)
        mask, skips = self.neck((stride_4, stride_8, *self.deep(stride_8)))
        return Features(mask, matching_features(*deep), skips)

    def start_from(self, mobilenet: dict[str, torch.Tensor]) -> None:
        """Take over MobileNetV2's folded weights, for both copies of the deep stages."""
        self.mobilenet.load_folded(mobilenet)
        self.deep.stages.load_state_dict(self.mobilenet.stages[SHALLOW:].state_dict())


class PocketModel(nn.Module):
    """Encoder, prompt encoder and mask decoder, named as in transformers' ``Sam2Model``."""

    def __init__(self) -> None:
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
        self.vision_encoder = PocketEncoder()
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
    ) -> Answer:
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
            mask = sketch(points, labels, boxes, self.square, side)
        sparse, dense = self.prompt_encoder(points, labels, boxes, mask)
        logits, iou, _, presence = self.mask_decoder(
            image_embeddings=image,
            image_positional_embeddings=self.cell_positions().expand_as(image),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=multimask,
            high_resolution_features=list(high_resolution),
        )
        return Answer(logits[:, 0].float(), iou[:, 0].float(), presence.flatten().float())

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
