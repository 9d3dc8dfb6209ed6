"""What runs an image encoder: normalised pixels in, the maps that a backbone's embedding is of out.

An engine stands in the place of a model's image encoder alone. Everything else, the small decoder
above all, stays in torch, where guidance and plugins reach it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch


class Engine(Protocol):
    """Runs one image encoder.

    Attributes:
        name: which engine it is, one of ``ENGINES`` without ``"auto"``.
        precision: in which number format it computes: ``"fp32"``, ``"bf16"``, ``"fp16"`` or
            ``"int8"``.
    """

    name: str
    precision: str

    def __call__(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """``(n, 3, s, s)`` float32 -> float32 maps, n rows each, on the pixels' device."""
        ...
