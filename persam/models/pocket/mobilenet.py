"""MobileNetV2 1.0 with its batch norm folded away: the pocket model's eyes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from persam.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

# (expansion, channels, blocks, first stride) of MobileNetV2's stages
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
SHALLOW = 3  # stages up to stride 8


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding, which is lopsided at stride 2."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002  (Conv2d's own name)
        """``(b, c, h, w)`` -> ``(b, c', ceil(h / stride), ceil(w / stride))``."""
        reach = self.kernel_size[0] // 2
        stride = self.stride[0]
        # One side less of padding is a row and a column of zeros in the kernel, which is quicker.
        weight = self.weight if stride == 1 else _with_zeros_first(self.weight)
        return F.conv2d(input, weight, self.bias, stride, reach, 1, self.groups)


def _with_zeros_first(kernel: torch.Tensor) -> torch.Tensor:
    """``(o, i, k, k)`` -> ``(o, i, k + 1, k + 1)`` with a row and a column of zeros before it.

    Joined, not padded: ONNX Runtime takes a padded kernel for a padded picture, and fails.
    """
    column = torch.cat((torch.zeros_like(kernel[..., :1]), kernel), dim=3)
    return torch.cat((torch.zeros_like(column[..., :1, :]), column), dim=2)


class InvertedResidual(nn.Module):
    """MobileNetV2's block, batch norm folded into the convolutions."""

    def __init__(
        self, inputs: int, outputs: int, expansion: int, stride: int, kernel: int = 3
    ) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expand = SameConv(inputs, inner, 1) if expansion > 1 else None
        self.depthwise = SameConv(inner, inner, kernel, stride, groups=inner)
        self.project = SameConv(inner, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(b, inputs, h, w)`` -> ``(b, outputs, h / stride, w / stride)``."""
        y = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        y = self.project(F.relu6(self.depthwise(y), inplace=True))
        return x + y if self.residual else y


def _stages(first: int) -> nn.ModuleList:
    """The stages from number ``first`` on."""
    inputs = (32, *(spec[1] for spec in STAGES))
    return nn.ModuleList(
        nn.Sequential(
            *(
                InvertedResidual(
                    given if i == 0 else outputs, outputs, expansion, stride if i == 0 else 1
                )
                for i in range(blocks)
            )
        )
        for given, (expansion, outputs, blocks, stride) in zip(
            inputs[first:], STAGES[first:], strict=False
        )
    )


class DeepStages(nn.Module):
    """The stages after stride 8 alone, to be trained beside the frozen ones."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = _stages(SHALLOW)

    def forward(self, stride_8: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """``(b, 32, s/8, s/8)`` -> strides 16 and 32 with 96 and 320 channels."""
        return _deep_ends(self.stages, stride_8)


def _deep_ends(
    stages: Iterable[nn.Module], stride_8: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the stages after stride 8 give at strides 16 and 32."""
    ends = []
    for stage in stages:
        stride_8 = stage(stride_8)
        ends.append(stride_8)
    return ends[1], ends[3]


class MobileNetV2(nn.Module):
    """The convolutions of MobileNetV2 1.0, without its classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv(3, 32, 3, 2)
        self.stages = _stages(0)

    def shallow(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """``(b, 3, s, s)`` -> strides 4 and 8 with 24 and 32 channels."""
        first, second, third = self.stages[:SHALLOW]
        stride_4 = second(first(F.relu6(self.stem(pixels), inplace=True)))
        return stride_4, third(stride_4)

    def deep(self, stride_8: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """``(b, 32, s/8, s/8)`` -> strides 16 and 32 with 96 and 320 channels."""
        return _deep_ends(self.stages[SHALLOW:], stride_8)

    def load_folded(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take over weights whose batch norm is folded in, in network order.

        Args:
            tensors: ``conv_00.weight``, ``conv_00.bias``, ... ``conv_50.bias``.
        """
        convolutions = [m for m in self.modules() if isinstance(m, SameConv)]
        expected = {f"conv_{i:02d}.{part}" for i in range(51) for part in ("weight", "bias")}
        if set(tensors) != expected:
            raise InputError(
                f"MobileNetV2's initial weights are {len(expected)} tensors conv_00.weight to "
                f"conv_50.bias; got {len(tensors)}, for example {sorted(tensors)[:1]}."
            )
        named = {
            f"{i}.{n}": tensors[f"conv_{i:02d}.{n}"] for i in range(51) for n in ("weight", "bias")
        }
        nn.ModuleList(convolutions).load_state_dict(named)
