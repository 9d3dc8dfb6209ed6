"""The pocket model's image encoder: two small ImageNet networks and a neck.

MobileNetV2 and EfficientNet-Lite0 stay as ImageNet left them, because features that are tuned on
episodes made from single pictures lose what tells real objects apart. Their deep strides, centred
per picture, are the matching features. The mask features come from both, from a second, trained
copy of MobileNetV2's deep stages, and from the neck. The first generation had MobileNetV2 alone;
its weights still load.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from persam.models.pocket.lite0 import EfficientNetLite0
from persam.models.pocket.mobilenet import SHALLOW, DeepStages, MobileNetV2

WIDTH = 128
STRIDE_32_WEIGHT = 0.7  # beside stride 16's 1.0: the finer grid says better where the object is


class Features(NamedTuple):
    """What the encoder gives for a batch of pictures.

    Attributes:
        mask: ``(b, 128, s/16, s/16)``, what the decoder attends to.
        matching: ``(b, 848, s/16, s/16)``, what objects are compared by; 416 channels in the first
            generation.
        high_resolution: ``(b, 16, s/4, s/4)`` and ``(b, 32, s/8, s/8)``, for the mask's edges.
    """

    mask: torch.Tensor
    matching: torch.Tensor
    high_resolution: tuple[torch.Tensor, torch.Tensor]


def matching_features(*strides: torch.Tensor) -> torch.Tensor:
    """Features that objects are compared by.

    Each map is centred over its picture, normalised per cell and weighed, then all are joined.

    Args:
        strides: of each network stride 16 ``(b, c, h, w)`` and stride 32 ``(b, k, h/2, w/2)``,
            with 96 and 320 channels (MobileNetV2), with 112 and 320 (EfficientNet-Lite0).

    Returns:
        ``(b, 416, h, w)`` or, of both networks, ``(b, 848, h, w)`` float32; every cell has the same
        length.
    """
    joined = []
    for fine, coarse in zip(strides[::2], strides[1::2], strict=True):
        blocks = (fine.float(), _double(coarse.float()))
        centred = [block - block.mean((2, 3), keepdim=True) for block in blocks]
        near, far = (F.normalize(block, dim=1) for block in centred)
        joined += [near, STRIDE_32_WEIGHT * far]
    return torch.cat(joined, dim=1)


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


class SecondInputs(nn.Module):
    """What EfficientNet-Lite0 adds to the neck; nothing until it is trained."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.from_4 = nn.Conv2d(24, width // 4, 1)
        self.from_8 = nn.Conv2d(40, width // 2, 1)
        self.from_16 = nn.Conv2d(112, width, 1)
        self.from_32 = nn.Conv2d(320, width, 1)
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def forward(self, strides: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        """Strides 4, 8, 16, 32 -> what to add at strides 4, 8 and 16."""
        stride_4, stride_8, stride_16, stride_32 = strides
        deep = self.from_16(stride_16) + _double(self.from_32(stride_32))
        return self.from_4(stride_4), self.from_8(stride_8), deep


class Neck(nn.Module):
    """Four strides and a global context vector -> decoder features and two skips for edges."""

    def __init__(self, width: int = WIDTH, *, second: bool = True) -> None:
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
        self.second = SecondInputs(width) if second else None

    def forward(
        self, strides: tuple[torch.Tensor, ...], others: tuple[torch.Tensor, ...] = ()
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        """Strides 4, 8, 16, 32 -> stride 16 ``(b, 128, ...)`` and skips at strides 4 and 8.

        Args:
            strides: MobileNetV2's, the deep ones tuned.
            others: EfficientNet-Lite0's, where there is a second network.
        """
        stride_32 = strides[3]
        from_4, from_8, from_16 = (
            layer(x)
            for layer, x in zip((self.from_4, self.from_8, self.from_16), strides, strict=False)
        )
        if self.second is not None:
            more_4, more_8, more_16 = self.second(others)
            from_4, from_8, from_16 = from_4 + more_4, from_8 + more_8, from_16 + more_16
        context = self.context(stride_32.mean((2, 3)))[:, :, None, None]
        x = self.mix(from_16 + _double(self.from_32(stride_32)) + context)
        y = self.mix_8(from_8 + _double(self.down_to_8(x)))
        z = self.mix_4(from_4 + _double(self.down_to_4(y)))
        return self.norm(x), (self.skip_4(z), self.skip_8(y))


def _double(x: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class PocketEncoder(nn.Module):
    """Pictures -> :class:`Features`.

    Args:
        second: with EfficientNet-Lite0 beside MobileNetV2; the first generation had none.
    """

    def __init__(self, *, second: bool = True) -> None:
        super().__init__()
        self.mobilenet = MobileNetV2().requires_grad_(False)
        self.lite = EfficientNetLite0().requires_grad_(False) if second else None
        self.deep = DeepStages()
        self.neck = Neck(second=second)

    def forward(self, pixels: torch.Tensor) -> Features:
        """``(b, 3, s, s)`` in -1..1, s a multiple of 32 -> features at strides 4, 8 and 16."""
        with torch.no_grad():
            shared = self.shared(pixels)
            matching = self.matching(*shared)
        mask, *skips = self.masks(*shared)
        return Features(mask, matching, (skips[0], skips[1]))

    def shared(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What :meth:`matching` and :meth:`masks` both start from.

        Returns:
            MobileNetV2's strides 4 and 8; then EfficientNet-Lite0's strides 4, 8, 16 and 32, where
            there is a second network.
        """
        others = () if self.lite is None else self.lite(pixels)
        return (*self.mobilenet.shallow(pixels), *others)

    def matching(self, *shared: torch.Tensor) -> torch.Tensor:
        """Features that objects are compared by: ``(b, 848, s/16, s/16)``."""
        return matching_features(*self.mobilenet.deep(shared[1]), *shared[4:])

    def masks(self, *shared: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The decoder's features ``(b, 128, s/16, s/16)``, then its skips of strides 4 and 8."""
        stride_4, stride_8, *others = shared
        mask, skips = self.neck((stride_4, stride_8, *self.deep(stride_8)), tuple(others))
        return mask, *skips

    def start_from(self, mobilenet: dict[str, torch.Tensor]) -> None:
        """Take over MobileNetV2's folded weights, for both copies of the deep stages."""
        self.mobilenet.load_folded(mobilenet)
        self.deep.stages.load_state_dict(self.mobilenet.stages[SHALLOW:].state_dict())
