"""TinyViT, the image encoder of MobileSAM, which transformers lacks.

TinyViT (Wu et al. 2022, https://arxiv.org/abs/2207.10666) as MobileSAM uses it (Zhang et al. 2023,
https://arxiv.org/abs/2306.14289): a convolutional stem, one stage of inverted bottlenecks, three
stages of windowed attention, and SAM's neck. Parameters carry the official file's names. Attention
biases depend on the distance of two cells only, so the network takes inputs of any side.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from transformers.models.sam.modeling_sam import SamVisionEncoderOutput

# Merging into one of these widths keeps the resolution, which is how 1024 pixels end in a 64-cell
# grid after four stages (official PatchMerging).
KEEPS_RESOLUTION = (320, 448, 576)
Grid = tuple[int, int]  # rows and columns of cells


@dataclass(frozen=True)
class Stage:
    """Sizes of one stage.

    Attributes:
        width: channels.
        depth: number of blocks.
        hidden: channels inside a block (of the inverted bottleneck or of the MLP).
        heads: attention heads; 0 for the stage of inverted bottlenecks.
        window: side of the attention windows in cells; 0 likewise.
        merged: width after the merging that ends the stage, or None for the last stage.
    """

    width: int
    depth: int
    hidden: int
    heads: int = 0
    window: int = 0
    merged: int | None = None


def _conv_norm(sizes: tuple[int, int], kernel: int = 1, stride: int = 1) -> nn.Sequential:
    """Convolution and batch norm; depthwise where the kernel is larger than 1 and sizes agree."""
    inputs, outputs = sizes
    groups = inputs if kernel > 1 and inputs == outputs else 1
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(OrderedDict(c=conv, bn=nn.BatchNorm2d(outputs)))


class _Stem(nn.Module):
    """Two strided convolutions: pixels to cells of 4x4."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.seq = nn.Sequential(
            _conv_norm((3, width // 2), 3, 2), nn.GELU(), _conv_norm((width // 2, width), 3, 2)
        )

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:  # (b, 3, s, s)
        return self.seq(pixels)


class _Bottleneck(nn.Module):
    """1x1, depthwise 3x3, 1x1: the merging between stages as it is."""

    def __init__(self, width: int, hidden: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = _conv_norm((width, hidden))
        self.conv2 = _conv_norm((hidden, hidden), 3, stride)
        self.conv3 = _conv_norm((hidden, out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (b, width, h, w) -> (b, out, h', w')
        return self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x)))))


class _InvertedBottleneck(_Bottleneck):
    """The first stage's block: the same with a residual, and GELU after the sum."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (b, width, h, w)
        return F.gelu(x + super().forward(x))


class _WindowAttention(nn.Module):
    """Attention among the cells of a window, with a learned bias for each distance."""

    distance: torch.Tensor

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))
        cells = torch.cartesian_prod(torch.arange(window), torch.arange(window))
        dy, dx = (cells[:, None] - cells[None]).abs().unbind(-1)
        self.register_buffer("distance", dy * window + dx, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (windows, cells, width)
        windows, cells, width = x.shape
        # The official layout: each head's query, key and value lie side by side.
        qkv = self.qkv(self.norm(x)).view(windows, cells, self.heads, 3, width // self.heads)
        query, key, value = qkv.permute(3, 0, 2, 1, 4)
        bias = self.attention_biases[:, self.distance].to(query.dtype)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return self.proj(mixed.transpose(1, 2).reshape(windows, cells, width))


class _Mlp(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (..., width)
        return self.fc2(F.gelu(self.fc1(self.norm(x))))


class _Block(nn.Module):
    """Windowed attention, a local depthwise convolution, an MLP."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.window = stage.window
        self.attn = _WindowAttention(stage.width, stage.heads, stage.window)
        self.local_conv = _conv_norm((stage.width, stage.width), 3)
        self.mlp = _Mlp(stage.width, stage.hidden)

    def forward(self, x: torch.Tensor, grid: Grid) -> torch.Tensor:  # (b, h * w, width)
        attended = x + _as_rows(self._windowed(_as_cells(x, grid)))
        local = _as_rows(self.local_conv(_as_planes(attended, grid)).permute(0, 2, 3, 1))
        return local + self.mlp(local)

    def _windowed(self, x: torch.Tensor) -> torch.Tensor:  # (b, h, w, width)
        batch, height, width, channels = x.shape
        side = self.window
        rows, columns = -(-height // side), -(-width // side)
        # The padding's zeros take part in the attention, unmasked, as they did in training.
        padded = F.pad(x, (0, 0, 0, columns * side - width, 0, rows * side - height))
        tiles = padded.view(batch, rows, side, columns, side, channels).transpose(2, 3)
        mixed = self.attn(tiles.reshape(-1, side * side, channels)).view(tiles.shape)
        whole = mixed.transpose(2, 3).reshape(batch, rows * side, columns * side, channels)
        return whole[:, :height, :width]


# Rows between the layers are what OpenVINO runs without moving them about: with (b, h, w, c) it
# takes 155 ms for MobileSAM's encoder in bf16 on two cores, with rows 131.
def _as_rows(cells: torch.Tensor) -> torch.Tensor:
    return cells.flatten(1, 2)


def _as_cells(rows: torch.Tensor, grid: Grid) -> torch.Tensor:
    return rows.unflatten(1, grid)


def _as_planes(rows: torch.Tensor, grid: Grid) -> torch.Tensor:
    return _as_cells(rows, grid).permute(0, 3, 1, 2)


class _StageLayers(nn.Module):
    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.windowed = stage.heads > 0
        self.blocks = nn.ModuleList(
            _Block(stage)
            if stage.heads
            else _InvertedBottleneck(stage.width, stage.hidden, stage.width)
            for _ in range(stage.depth)
        )
        self.downsample = nn.Identity()
        if stage.merged is not None:
            stride = 1 if stage.merged in KEEPS_RESOLUTION else 2
            self.downsample = _Bottleneck(stage.width, stage.merged, stage.merged, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (b, width, h, w)
        return self.downsample(self._through_windows(x) if self.windowed else self._through(x))

    def _through(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = block(x)
        return x

    def _through_windows(self, x: torch.Tensor) -> torch.Tensor:
        grid = x.shape[2], x.shape[3]
        rows = _as_rows(x.permute(0, 2, 3, 1))
        for block in self.blocks:
            rows = block(rows, grid)
        return _as_planes(rows, grid)


class _ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of ``(b, c, h, w)``."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - torch's own name
        rows = super().forward(_as_rows(input.permute(0, 2, 3, 1)))
        return _as_planes(rows, (input.shape[2], input.shape[3]))


class TinyViT(nn.Module):
    """The encoder, with the interface of transformers' ``SamVisionEncoder``."""

    def __init__(self, stages: tuple[Stage, ...], channels: int) -> None:
        super().__init__()
        width, last = stages[0].width, stages[-1].width
        self.patch_embed = _Stem(width)
        self.layers = nn.Sequential(*(_StageLayers(stage) for stage in stages))
        self.neck = nn.Sequential(
            nn.Conv2d(last, channels, 1, bias=False),
            _ChannelNorm(channels, eps=1e-6),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            _ChannelNorm(channels, eps=1e-6),
        )

    def forward(self, pixel_values: torch.Tensor) -> SamVisionEncoderOutput:
        """Encode ``(b, 3, s, s)`` normalised pixels to ``(b, channels, s / 16, s / 16)``."""
        features = self.neck(self.layers(self.patch_embed(pixel_values)))
        return SamVisionEncoderOutput(last_hidden_state=features)
