"""The pocket model's image encoder: MobileNetV2's stages and a small neck.

MobileNetV2 stays as ImageNet left it, because features that are tuned on episodes made from single
pictures lose what tells real objects apart. Its deep strides, centred per picture, are the matching
features. The mask features come from the same shallow stages, a second, trained copy of the deep
ones, and the neck.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from persam.models.pocket.mobilenet import SHALLOW, DeepStages, MobileNetV2

WIDTH = 128
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


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of ``(b, c, h, w)``."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002  (LayerNorm's name)
        """Keeps the shape."""
        # As rows: on (b, h, w, c) OpenVINO moves all of it about, a seventh of the encoder's time.
        rows = super().forward(input.permute(0, 2, 3, 1).flatten(1, 2))
        return rows.unflatten(1, input.shape[2:]).permute(0, 3, 1, 2)


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
